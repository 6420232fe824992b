"""Folders of all four commands become pages, and runs that share problems are compared in pairs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import strop
from strop.errors import StoreError, UsageError
from strop.measure.gap import accuracy_P
from strop.report import page as page_module
from strop.run.comparison import compare, shared
from strop.run.pages import documents, exhibit, write_page
from strop.run.run import Run

SMALL: dict[str, Any] = {"problems": 12, "samples": 4, "workers": 1}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small runs of gap, sharpen and cross, and an improvement made of the runs of gap."""
    root = tmp_path_factory.mktemp("runs")
    for name, model in (("one", "ladder/40k"), ("two", "ladder/125k")):
        strop.gap(model, "arithmetic", out=root / name, **SMALL)
    strop.gap(
        "ladder/40k",
        "arithmetic",
        out=root / "fewer",
        verifiers=["mc"],
        problems=8,
        samples=2,
        workers=1,
    )
    strop.gap("ladder/40k", "signs", out=root / "signs", verifiers=["mc"], **SMALL)
    strop.sharpen("ladder/40k", "arithmetic", out=root / "sharpen", **SMALL)
    strop.sharpen("ladder/40k", "arithmetic", adaptive=True, out=root / "adaptive", **SMALL)
    strop.cross(
        ["ladder/40k", "ladder/125k"],
        "arithmetic",
        out=root / "cross",
        verifiers=["cot-binary"],
        **SMALL,
    )
    improved(root)
    return root


def improved(root: Path) -> None:
    """Write a folder like that of ``strop improve``, with two runs of gap as its rounds."""
    rounds = []
    for number, name in enumerate(("one", "two")):
        shutil.copytree(root / name, root / "improve" / f"round-{number}" / "held-out")
        told = Run(root / name).document
        own = told["verifiers"]["cot-binary"]
        one = {
            "round": number,
            "model": told["model"],
            **{key: told[key] for key in ("accuracy", "accuracy_flexible", "greedy", "usage")},
        }
        one |= {
            "gap": own["gap"],
            "gap_base_verifier": own["gap"],
            "relative_gap": own["relative_gap"],
            "train_accuracy": told["accuracy"],
        }
        one |= {key: told["analysis"][key] for key in ("pass_at_k", "diversity")}
        one |= {"forecast": told["analysis"]["forecast"]["cot-binary"]["after_training"]}
        rounds.append(one)
    same = dict.fromkeys(
        ("gain", "eps_update", "gain_in_format", "accuracy_since_base", "pass_at_k_since_base"),
        rounds[1]["gap"],
    )
    rounds[1] |= same
    rounds[0] |= {
        "trained_on": {
            "rows": 40,
            "problems": 9,
            "problems_without": 3,
            "truncated": 0,
            "replayed": 0,
        }
    }
    document = {
        "model": "ladder/40k",
        "task": "arithmetic",
        "method": "rft",
        "filter_by": "cot-binary",
        "rounds": rounds,
    }
    (root / "improve" / "improve.json").write_text(
        json.dumps({"asked": {}} | document | {"stopped": "1 rounds were asked for"})
    )


@pytest.fixture(autouse=True)
def no_library(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Pages without the 900 kB of chart library."""
    monkeypatch.setattr(page_module, "_chart_library", lambda: "/* the chart library */")
    yield


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("one", "Will it help ladder/40k to train"),
        ("sharpen", "Does choosing the best of N by its own opinion help ladder/40k"),
        ("adaptive", "Adaptive best of N"),
        ("cross", "ladder/40k gains most when"),
        ("improve", "Did self-improvement help ladder/40k on arithmetic?"),
    ],
)
def test_each_command_s_folder_becomes_a_page(
    folders: Path, tmp_path: Path, name: str, told: str
) -> None:
    path = write_page([folders / name], tmp_path)
    text = path.read_text(encoding="utf-8")
    assert path == tmp_path / "report.html" and told in text and 'id="reader-data"' in text
    assert (
        "<h1>" in text
        and "{{" not in text
        and "None" not in text.split("<footer>")[0].split("How this was made")[0]
    )


def test_a_folder_of_runs_is_told_run_by_run(folders: Path, tmp_path: Path) -> None:
    (tmp_path / "all").mkdir()
    for name in ("one", "signs"):
        shutil.copytree(folders / name, tmp_path / "all" / name)
    found = exhibit(tmp_path / "all")
    assert [run.plan.task.label for run in found.runs] == [
        "arithmetic",
        "signs",
    ] and not found.stories


def test_documents_are_those_that_the_commands_printed(folders: Path) -> None:
    run, story = documents([exhibit(folders / name) for name in ("one", "cross")])
    assert run["model"] == "ladder/40k" and len(story["cells"]) == 4


def test_what_cannot_be_told_is_refused(folders: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="holds no run"):
        write_page([tmp_path])
    (tmp_path / "improve.json").write_text('{"asked": {}}')
    with pytest.raises(StoreError, match="not finished"):
        write_page([tmp_path])
    with pytest.raises(UsageError, match="leave it out"):
        write_page([folders / "sharpen"], tmp_path, ["quantile:0.5"])


def test_runs_on_the_same_problems_are_paired(folders: Path) -> None:
    one, two = Run(folders / "one"), Run(folders / "two")
    (found,) = compare([one, two], ["one", "two"])
    assert (found["one"], found["other"], found["shared"]) == (
        "one",
        "two",
        12,
    ) and "why" not in found
    rows = {(row["quantity"], row["verifier"]): row["estimate"] for row in found["rows"]}
    assert set(rows) == {("accuracy", ""), ("gap", "mc"), ("gap", "cot-binary")}
    difference = rows["accuracy", ""]
    before_P, after_P = (
        accuracy_P(run.evidence.samples.utility_PK, run.evidence.samples.mask_PK)
        for run in (one, two)
    )
    assert difference["value"] == pytest.approx(float(np.mean(after_P - before_P)))
    apart = [
        two.document["accuracy"][end] - one.document["accuracy"][other]
        for end, other in (("low", "high"), ("high", "low"))
    ]
    assert (
        apart[0] < difference["low"] < difference["high"] < apart[1]
    )  # paired, so narrower than the two intervals apart


def test_gaps_at_different_numbers_of_samples_are_not_compared(folders: Path) -> None:
    (found,) = compare([Run(folders / "one"), Run(folders / "fewer")], ["one", "fewer"])
    assert found["shared"] == 8 and [row["quantity"] for row in found["rows"]] == ["accuracy"]
    assert "different numbers of samples" in found["why"]


def test_a_run_that_shares_no_problem_is_in_no_pair(folders: Path) -> None:
    runs = [Run(folders / name) for name in ("one", "signs")]
    assert compare(runs, ["one", "signs"]) == [] and len(shared(*runs)[0]) == 0
    mine, others = shared(Run(folders / "one"), Run(folders / "fewer"))
    questions = [Run(folders / name).problems["question"] for name in ("one", "fewer")]
    assert [questions[0][int(place)] for place in mine] == [
        questions[1][int(place)] for place in others
    ]


def test_the_comparison_stands_on_the_page(folders: Path, tmp_path: Path) -> None:
    text = write_page([folders / "one", folders / "two"], tmp_path).read_text(encoding="utf-8")
    assert (
        "Paired by problem" in text
        and "ladder/125k minus arithmetic · ladder/40k" in text
        and "12 problems in both." in text
    )
