"""Inference-time sharpening, against models whose every probability is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import strop
from strop.engines.base import plain_text
from strop.engines.tabular import TabularEngine
from strop.errors import UsageError
from strop.prompts import solution_prompt
from strop.report.sharpening import sharpen_tables
from strop.sharpening import Sharpening, sharpen
from strop.tasks import Recall

PROBLEMS, SAMPLES = 200, 8


def tabular(chance: float, problems: int) -> TabularEngine:
    """Answers ``recall`` rightly with this chance, and else with what is no answer."""
    task = Recall()
    drawn = strop.Plan(model="tabular", task=task, problems=problems).draw_problems()
    answers = {
        plain_text(solution_prompt(task, problem, [])): {
            f" {problem.reference}": chance,
            " 99": 1 - chance,
        }
        for problem in drawn
    }
    return TabularEngine(
        {prompt: {text: p for text, p in row.items() if p > 0} for prompt, row in answers.items()}
    )


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> dict[float, dict[str, Any]]:
    """By the chance of every problem's right answer; one wrong answer has the rest."""
    options: dict[str, Any] = {
        "verifiers": ["logprob", "majority"],
        "problems": PROBLEMS,
        "samples": SAMPLES,
    }
    out = tmp_path_factory.mktemp("sharpening")
    return {
        p: sharpen(tabular(p, PROBLEMS), "recall", out=out / str(p), **options).document
        for p in (0.3, 0.7, 1.0)
    }


@pytest.mark.parametrize("chance", [0.7, 0.3])
def test_best_of_n_is_as_right_as_the_order_statistics_say(
    chance: float, documents: dict[float, dict[str, Any]]
) -> None:
    document = documents[chance]
    found = document["selection"]["logprob"]["accuracy"]
    for n in (1, 2, 4, 8):
        expected = 1 - (1 - chance) ** n if chance > 0.5 else chance**n
        assert found[str(n)]["value"] == pytest.approx(
            expected, abs=4 * (expected * (1 - expected) / PROBLEMS) ** 0.5 + 0.01
        )
    assert document["greedy"]["value"] == float(chance > 0.5)
    assert (document["temperature"], document["top_p"], document["design"]) == (1.0, 1.0, "fixed")
    assert document["coverage"]["value"] == pytest.approx(1 - (1 - chance) ** SAMPLES, abs=0.05)


def test_where_accuracy_falls_it_says_so_and_why(documents: dict[float, dict[str, Any]]) -> None:
    weak, able = (documents[chance]["selection"] for chance in (0.3, 0.7))
    assert weak["logprob"]["falls"] and "a weak model" in weak["logprob"]["why"][0]
    assert weak["majority"]["falls"]
    assert (
        not able["logprob"]["falls"]
        and not able["majority"]["falls"]
        and able["logprob"]["why"] == []
    )


def test_log_probabilities_of_right_and_wrong_responses(
    documents: dict[float, dict[str, Any]],
) -> None:
    for chance, verdict in ((0.7, "right dominates"), (0.3, "wrong dominates")):
        told = documents[chance]["log_probabilities"]
        assert told["pooled"]["verdict"] == verdict
        assert told["right"]["responses"] + told["wrong"]["responses"] == PROBLEMS * SAMPLES
    told = documents[1.0]["log_probabilities"]
    assert (
        told["pooled"]["why"] == "no response is right, or none is wrong"
        and told["wrong"]["quantiles"] is None
    )


def test_adaptive_stopping_saves_what_the_rule_says(documents: dict[float, dict[str, Any]]) -> None:
    """Answers have chances .7 and .3, and mu = ln(2 / .1) = 3.0.

    Drawing stops at k = 5 if .7 was drawn (5 x .7 > 3), else at 8.
    """
    found = documents[0.7]["adaptive"]
    late = 0.3**5
    assert found["samples"]["value"] == pytest.approx(5 + late * (1 + 0.3 + 0.09), abs=0.05)
    assert found["saved"]["value"] == pytest.approx(1 - found["samples"]["value"] / SAMPLES)
    assert found["mu"] == pytest.approx(2.9957, abs=1e-4)


def test_samples_at_another_temperature_tell_nothing_of_adaptive_stopping(tmp_path: Path) -> None:
    run = strop.gap(
        tabular(0.7, problems=20),
        "recall",
        verifiers=["logprob"],
        problems=20,
        samples=4,
        out=tmp_path / "run",
    )
    document = Sharpening(run).document
    assert document["adaptive"] == {
        "why": "the rule is for samples at temperature 1, top-p 1; these were drawn at 0.7, 0.9"
    }
    with pytest.raises(UsageError, match=r"--delta: delta is 2; expected a chance between 0 and 1"):
        Sharpening(run, delta=2.0)


def test_the_table_fits_eighty_columns_and_says_what_falls(
    documents: dict[float, dict[str, Any]],
) -> None:
    console = Console(width=80, record=True, file=None, force_terminal=False)
    with console.capture() as captured:
        for part in sharpen_tables(list(documents.values())):
            console.print(part, markup=False)
    text = captured.get()
    assert max(map(len, text.splitlines())) <= 80
    assert (
        "warning: logprob: accuracy lies below one sample's: wrong responses score higher"
        in " ".join(text.split())
    )


def test_an_adaptive_run_draws_what_the_full_run_says_it_would(tmp_path: Path) -> None:
    """The same samples, fewer of them; the same choice; and no curve is told of them."""
    options: dict[str, Any] = {"problems": 40, "samples": 16}
    whole = sharpen("ladder/40k", "arithmetic", out=tmp_path / "whole", **options)
    adaptive = sharpen(
        "ladder/40k", "arithmetic", adaptive=True, out=tmp_path / "adaptive", **options
    )
    told, found = whole.document["adaptive"], adaptive.document["adaptive"]
    drawn = adaptive.run.responses.select("problem", "sample", "text")
    assert drawn.height == round(40 * told["samples"]["value"]) < 640
    assert (
        drawn.join(whole.run.responses, on=["problem", "sample", "text"], how="semi").height
        == drawn.height
    )
    for name in ("samples", "accuracy", "reached", "gain_over_greedy"):
        assert found[name]["value"] == pytest.approx(told[name]["value"])
    assert adaptive.document["design"] == "adaptive" and "selection" not in adaptive.document
    assert adaptive.run.usage.generated_tokens < whole.run.usage.generated_tokens
    with pytest.raises(
        UsageError,
        match="was drawn adaptively: gaps, pass@k and curves over N need the same number",
    ):
        _ = adaptive.run.document
    again = sharpen("ladder/40k", "arithmetic", adaptive=True, out=tmp_path / "adaptive", **options)
    assert again.document == adaptive.document


def test_what_cannot_be_sharpened_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError,
        match="--adaptive chooses the likeliest response; ask other verifiers without it",
    ):
        sharpen("ladder/25k", "recall", adaptive=True, verifiers=["mc"], out=tmp_path / "run")
    with pytest.raises(UsageError, match="leave --temperature and --top-p as they are"):
        sharpen("ladder/25k", "recall", adaptive=True, temperature=0.5, out=tmp_path / "run")
    with pytest.raises(UsageError, match="--delta: delta is 3; expected a chance"):
        sharpen("ladder/25k", "recall", delta=3.0, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
