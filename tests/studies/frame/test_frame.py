"""What all studies share: their runs, their options, their page, their cost."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import altair as alt
import polars as pl
import pytest
from typer.testing import CliRunner

from strop.cli.main import app
from strop.cli.study import asked
from strop.errors import MissingExtraError, UsageError
from strop.improvement.course import Course
from strop.run.gap import sample
from strop.studies import STUDIES
from strop.studies.frame.base import Finding, Study
from strop.studies.frame.cost import (
    Sketch,
    cost_of,
    cost_of_course,
    cost_of_fit,
    parameters_of,
    stand_in,
)
from strop.studies.frame.runs import Runs, RunSpec, merged
from strop.tasks import find_task

SMALL: dict[str, Any] = {"problems": 5, "samples": 3}


@dataclass(frozen=True)
class Tiny(Study):
    """Accuracies of two models that judge each other."""

    models: tuple[str, ...] = ("ladder/25k", "ladder/40k")
    tasks: tuple[str, ...] = ("signs",)
    problems: int = 5
    samples: int = 3

    name: ClassVar[str] = "tiny"
    description: ClassVar[str] = "accuracies"

    @classmethod
    def quick(cls) -> Tiny:
        return cls(problems=3)

    def wanted(self) -> Sequence[RunSpec]:
        return [self._wanted(model) for model in self.models]

    def _wanted(self, model: str) -> RunSpec:
        return RunSpec(
            model,
            self.tasks[0],
            ("mc", "logprob"),
            self.models,
            problems=self.problems,
            samples=self.samples,
        )

    def findings(self, runs: Runs) -> Iterator[Finding]:
        found = {model: runs.run(self._wanted(model)) for model in self.models}
        stages = {"mc", "logprob", "mc--ladder-25k", "mc--ladder-40k"}
        rows = [
            (m, run.accuracies["accuracy"].value, len(set(run.scores) & stages))
            for m, run in found.items()
        ]
        data = pl.DataFrame(rows, schema=["model", "accuracy", "stages"], orient="row")
        chart = alt.Chart(data).mark_point().encode(x="model:N", y="accuracy:Q")
        yield Finding("tiny", "Accuracies", "nothing.", f"{rows[0][1]}.", "Yes.", data, chart)


def quiet(_: str) -> None:
    """Nobody listens."""


def no_engine(*_: object, **__: object) -> Any:
    raise AssertionError("a model was loaded")


def test_a_study_run_again_gives_the_same_and_loads_no_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Tiny().run(tmp_path / "tiny", quiet)
    before = (
        page.read_bytes(),
        (tmp_path / "tiny" / "tiny.parquet").read_bytes(),
        (tmp_path / "tiny" / "tiny.svg").read_bytes(),
    )
    assert pl.read_parquet(tmp_path / "tiny" / "tiny.parquet")["stages"].to_list() == [3, 3]
    monkeypatch.setattr("strop.run.executors.load_engine", no_engine)
    page.unlink()
    Tiny().run(tmp_path / "tiny", lambda line: pytest.fail(f"something was made again: {line}"))
    assert before == (
        page.read_bytes(),
        *((tmp_path / "tiny" / f"tiny.{end}").read_bytes() for end in ("parquet", "svg")),
    )
    with pytest.raises(AssertionError, match="a model was loaded"):
        Tiny(problems=6).run(tmp_path / "tiny", quiet)


def test_runs_are_shared_and_nothing_is_sampled_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    real = sample
    monkeypatch.setattr(
        "strop.studies.frame.runs.sample",
        lambda *args, **options: calls.append(str(options["out"].name)) or real(*args, **options),
    )
    once = RunSpec("ladder/25k", "signs", ("mc",), **SMALL)
    more = replace(once, verifiers=("cot-binary",))
    several = replace(once, verifiers=("cot-binary",), draws=3)
    runs = Runs(tmp_path, quiet)
    runs.make([once, several])
    runs.make([more])
    assert calls == [once.folder]
    assert once.folder == more.folder != several.folder
    first, third = runs.run(more), runs.run(several)
    assert set(first.scores) == {"mc", "cot-binary"} and set(third.scores) == {"cot-binary"}
    assert first.responses.equals(third.responses)
    drawn = third.scores["cot-binary"]
    assert drawn.height == 3 * first.responses.height
    assert drawn.filter(pl.col("draw") == 0).equals(first.scores["cot-binary"]), (
        "the first draw is the one there was"
    )


def test_what_differs_has_a_folder_of_its_own() -> None:
    base = RunSpec("ladder/25k", "signs", **SMALL)
    changes: list[dict[str, Any]] = [
        {"model": "ladder/40k"},
        {"task": "signs:hard"},
        {"problems": 6},
        {"samples": 4},
        {"temperature": 1.0},
        {"top_p": 1.0},
        {"seed": 1},
        {"split": "train"},
        {"draws": 2},
    ]
    folders = [base.folder, *(replace(base, **change).folder for change in changes)]
    assert len(set(folders)) == len(folders)
    both = merged(
        [
            replace(base, verifiers=("mc",)),
            replace(base, verifiers=("cot-binary", "mc"), judged_by=("ladder/40k",)),
        ]
    )
    assert [(one.verifiers, one.judged_by) for one in both] == [
        (("mc", "cot-binary"), ("ladder/40k",))
    ]


def test_a_stopped_run_goes_on(tmp_path: Path) -> None:
    wanted = RunSpec("ladder/25k", "signs", ("mc",), problems=20, samples=2)
    runs = Runs(tmp_path / "whole", quiet)
    runs.make([wanted])
    whole = runs.run(wanted)
    broken = Runs(tmp_path / "broken", quiet)
    broken.make([replace(wanted, verifiers=())])
    (tmp_path / "broken" / wanted.folder / "responses/part-00001.parquet").unlink()
    broken.make([wanted])
    (tmp_path / "broken" / wanted.folder / "scores/mc/part-00001.parquet").unlink()
    again = Runs(tmp_path / "broken", quiet)
    again.make([wanted])
    assert again.run(wanted).responses.equals(whole.responses) and again.run(wanted).scores[
        "mc"
    ].equals(whole.scores["mc"])


def test_options_go_into_the_fields_that_a_study_has() -> None:
    study = asked(Tiny(), {"model": ("a", "b"), "problems": 9}, strict=True)
    assert study == Tiny(models=("a", "b"), problems=9)
    with pytest.raises(UsageError, match="study tiny has no --seed"):
        asked(Tiny(), {"seed": 1}, strict=True)
    assert asked(Tiny(), {"seed": 1, "samples": 2}, strict=False) == Tiny(samples=2)
    recall, tasks = STUDIES["recall"](), {"task": ("natural-questions",)}
    assert asked(recall, tasks, strict=False) == recall, (
        "under all, a study about facts stays with its facts"
    )
    assert asked(recall, tasks, strict=True) != recall
    coverage = STUDIES["coverage"]()
    with pytest.raises(UsageError, match="study coverage has no --problems"):
        asked(coverage, {"problems": 5}, strict=True)


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two studies, one of which lacks its extra."""

    @dataclass(frozen=True)
    class Lacking(Tiny):
        name: ClassVar[str] = "lacking"

        def run(self, out: Path, tell: Any) -> Path:
            raise MissingExtraError("training", "train")

    for place in STUDIES.copy():
        monkeypatch.delitem(STUDIES, place)
    monkeypatch.setitem(STUDIES, "tiny", Tiny)
    monkeypatch.setitem(STUDIES, "lacking", Lacking)


@pytest.mark.usefixtures("two")
def test_all_writes_one_page_whose_links_lead_somewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = [
        "study",
        "all",
        "--quick",
        "--model",
        "ladder/25k",
        "--out",
        str(tmp_path),
        "--docs",
        str(tmp_path / "kept.md"),
    ]
    monkeypatch.setattr(sys, "argv", ["strop", *arguments])
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    text = (tmp_path / "findings.md").read_text()
    assert (
        "## tiny" in text
        and "### Accuracies" in text
        and "`strop study tiny --quick --model ladder/25k" in text
    )
    assert "Not run: " in text and "strop[train]" in text
    [link] = [part.partition(")")[0] for part in text.split("![Accuracies](")[1:]]
    assert (
        link == "tiny/tiny.svg"
        and (tmp_path / link).exists()
        and (tmp_path / link).with_suffix(".png").exists()
    )
    assert "--docs" not in text, "a study alone would write over the page of all"
    assert (tmp_path / "kept.md").read_text() == text.replace(link, "kept/tiny.svg")
    assert (tmp_path / "kept" / "tiny.svg").read_bytes() == (tmp_path / link).read_bytes()


@pytest.mark.usefixtures("two")
def test_a_study_alone_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(MissingExtraError):
        CliRunner().invoke(
            app, ["study", "lacking", "--out", str(tmp_path)], catch_exceptions=False
        )


@pytest.mark.usefixtures("two")
def test_a_dry_run_counts_shared_runs_once_and_stores_nothing(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app, ["study", "all", "--dry-run", "--json", "--model", "7B", "--out", str(tmp_path)]
    )
    assert result.exit_code == 0, result.output
    document = json.loads(result.output)
    own, together = document["dry_run"]["tiny"], document["together"]
    assert together == own == document["dry_run"]["lacking"] and own["runs"] == 1
    assert (
        own["responses"] == 5 * 4 and own["verifications"] == 15 and own["seconds_at_most"] is None
    )
    assert not list(tmp_path.iterdir())


def test_a_size_alone_costs_by_its_parameters() -> None:
    assert (
        parameters_of("7B") == 7_000_000_000
        and parameters_of("1.5e9") == 1_500_000_000
        and parameters_of("ladder/25k") is None
    )
    known = stand_in("Qwen/Qwen2-7B")
    assert isinstance(known, Sketch) and known.parameters == 7_615_616_512
    with pytest.raises(UsageError, match="its size is not known"):
        stand_in("nobody/nothing")
    one, two = (
        cost_of([RunSpec(size, "signs", ("mc", "cot-binary"), **SMALL)]) for size in ("1B", "2B")
    )
    assert (
        two.flops_at_most == pytest.approx(2 * one.flops_at_most)
        and two.prompt_tokens == one.prompt_tokens
    )
    tokens = one.prompt_tokens + one.generated_at_most
    assert one.flops_at_most == pytest.approx(2e9 * tokens, rel=0.02)


def test_judging_by_another_model_costs_that_models_flops() -> None:
    alone = cost_of([RunSpec("1B", "signs", ("cot-binary",), **SMALL)])
    both = cost_of([RunSpec("1B", "signs", ("cot-binary",), ("9B",), **SMALL)])
    drawn = cost_of([RunSpec("1B", "signs", **SMALL)])
    assert both.flops_at_most - alone.flops_at_most == pytest.approx(
        9 * (alone.flops_at_most - drawn.flops_at_most)
    )
    assert both.verifications == 2 * alone.verifications == 30


def test_a_course_costs_its_rounds_and_its_fits() -> None:
    course = Course(
        "1B", find_task("signs"), "rft", 1, train_problems=6, train_samples=3, problems=5, samples=2
    )
    once, twice = cost_of_course(course), cost_of_course(replace(course, rounds=2))
    assert once.fits == 1 and once.responses == 2 * 5 * (2 + 1) + 6 * (3 + 1)
    assert once.verifications == 2 * 5 * 2 + 5 * 2 + 6 * 3, (
        "the base model's and the first model's own, the base verifier's, the training ones"
    )
    first = cost_of([RunSpec("1B", "signs", ("cot-binary",), problems=5, samples=2)])
    for name in (
        "responses",
        "verifications",
        "prompt_tokens",
        "generated_at_most",
        "flops_at_most",
        "trained_tokens_at_most",
        "fits",
    ):
        assert getattr(twice, name) == pytest.approx(2 * getattr(once, name) - getattr(first, name))
    fit = cost_of_fit(RunSpec("1B", "signs", **SMALL), rows=6 * 3)
    assert (
        fit.trained_tokens_at_most
        == once.trained_tokens_at_most
        >= 6 * 3 * find_task("signs").max_tokens
    )
    assert fit.flops_at_most == pytest.approx(6e9 * fit.trained_tokens_at_most)


@pytest.mark.parametrize("name", ["improvement", "forecast", "diversity", "sft", "seeds"])
def test_a_study_that_trains_counts_what_it_makes(name: str) -> None:
    result = CliRunner().invoke(
        app, ["study", name, "--quick", "--dry-run", "--json", "--model", "7B"]
    )
    assert result.exit_code == 0, result.output
    document = json.loads(result.output)
    assert document["dry_run"][name]["fits"] > 0 and not document["not_counted"]
    assert document["dry_run"][name]["seconds_at_most"] is None
