"""From Python, on a model whose every probability is known."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import strop
from strop.engines.base import plain_text
from strop.engines.tabular import TabularEngine
from strop.prompts import CORRECT, INCORRECT, solution_prompt, verification_prompt
from strop.tasks import Recall

GOLDEN = Path(__file__).parents[1] / "golden" / "tabular.json"
WRONG = "zz"


def tabular(
    chance_right: float = 0.4, tpr: float = 0.9, fpr: float = 0.2, problems: int = 6
) -> TabularEngine:
    """Return a model that answers ``recall`` and verifies with known probabilities."""
    task = Recall()
    plan = strop.Plan(model="tabular", task=task, problems=problems)
    table: dict[str, dict[str, float]] = {}
    for problem in plan.draw_problems():
        assert problem.reference is not None and problem.reference != WRONG
        answers = {f" {problem.reference}": chance_right, f" {WRONG}": 1 - chance_right}
        table[plain_text(solution_prompt(task, problem, []))] = {
            text: p for text, p in answers.items() if p > 0
        }
        for text, says_correct in ((f" {problem.reference}", tpr), (f" {WRONG}", fpr)):
            binary, choice = (
                verification_prompt("binary", task, problem, text, []),
                verification_prompt("multiple_choice", task, problem, text, []),
            )
            table[plain_text(choice)] = {CORRECT: says_correct, INCORRECT: 1 - says_correct}
            table[plain_text(binary)] = {
                f" ok\nVerdict:{CORRECT}": says_correct,
                f" no\nVerdict:{INCORRECT}": 0.9 - says_correct + 0.05,
                " hm": 0.05,
            }
    return TabularEngine(table)


def test_numbers_are_what_the_stored_rows_say(tmp_path: Path) -> None:
    run = strop.gap(
        tabular(), "recall", problems=6, samples=8, temperature=1.0, top_p=1.0, out=tmp_path / "run"
    )
    rows = run.responses.join(run.scores["cot-binary"], on=["problem", "sample"])
    gaps = []
    for _, own in rows.group_by("problem"):
        kept = own.filter(pl.col("score") >= 0.5)
        gaps.append(
            (kept if len(kept) else own)["utility_strict"].mean() - own["utility_strict"].mean()
        )
    estimates = {
        (row["verifier"], row["quantity"]): row for row in run.estimates.iter_rows(named=True)
    }
    assert estimates["cot-binary", "gap"]["value"] == pytest.approx(np.mean(gaps))
    assert estimates["", "accuracy"]["value"] == pytest.approx(
        run.responses["utility_strict"].mean()
    )
    document = run.document
    assert (
        document["verifiers"]["cot-binary"]["unparsed"]
        == run.scores["cot-binary"].filter(~pl.col("parsed")).height
        > 0
    )
    assert document["verifiers"]["mc"]["gap"]["value"] == estimates["mc", "gap"]["value"]
    assert run.scores["mc"]["score"].is_in([0.9, 0.2]).all() or set(
        run.scores["mc"]["score"].round(9)
    ) <= {0.9, 0.2}
    assert (
        run.report().read_text().startswith("<!doctype html>")
        or "<html" in run.report().read_text()
    )


def test_the_golden_tabular_run_is_bit_identical(tmp_path: Path) -> None:
    """A refactor leaves these rows alone; a change on purpose says so and writes the file anew."""
    run = strop.gap(tabular(), "recall", problems=6, samples=8, out=tmp_path / "run")
    digests = {
        "responses": hashlib.sha256(
            run.responses.select("problem", "sample", "text", "logprob").write_csv().encode()
        ).hexdigest(),
        "cot-binary": hashlib.sha256(run.scores["cot-binary"].write_csv().encode()).hexdigest(),
        "mc": hashlib.sha256(
            run.scores["mc"].with_columns(pl.col("score").round(9)).write_csv().encode()
        ).hexdigest(),
    }
    assert digests == json.loads(GOLDEN.read_text())


@pytest.mark.parametrize(
    ("chance", "problems", "samples"),
    [(0.4, 1, 1), (0.4, 1, 5), (0.4, 6, 1), (1.0, 4, 4), (1e-12, 4, 4)],
    ids=["1x1", "1xK", "Px1", "all right", "all wrong"],
)
def test_corners_have_a_value_or_a_reason(
    chance: float, problems: int, samples: int, tmp_path: Path
) -> None:
    run = strop.gap(
        tabular(chance, problems=problems),
        "recall",
        problems=problems,
        samples=samples,
        temperature=1.0,
        top_p=1.0,
        out=tmp_path / "run",
    )
    for row in run.estimates.iter_rows(named=True):
        assert (row["value"] is None) <= bool(row["why"])
        assert row["value"] is None or np.isfinite(row["value"])
        assert (row["low"] is None) <= bool(row["why"])
    json.dumps(run.document, allow_nan=False)


def test_a_run_is_read_again_from_its_folder(tmp_path: Path) -> None:
    run = strop.gap(
        "ladder/40k", "signs", problems=20, samples=4, verifiers=["mc"], out=tmp_path / "run"
    )
    again = strop.Run(str(tmp_path / "run"))  # type: ignore[arg-type]  # as users write it
    assert again.document == run.document and again.estimates.equals(run.estimates)
    record = again.record
    assert record["verifiers"]["mc"][
        "default_weight"
    ] == "quantile:0.7" and "reference" not in json.dumps(record["asked"])
    assert record["versions"]["strop"] and record["model"]["parameters"] > 0


def test_no_reference_reaches_the_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scramble every reference: responses and scores stay the same, only the grades change."""
    honest = strop.gap("ladder/40k", "recall", problems=20, samples=4, out=tmp_path / "honest")
    draw = strop.Plan.draw_problems

    def scrambled(plan: strop.Plan) -> list[strop.Problem]:
        from dataclasses import replace

        return [replace(problem, reference="??") for problem in draw(plan)]

    monkeypatch.setattr(strop.Plan, "draw_problems", scrambled)
    lying = strop.gap("ladder/40k", "recall", problems=20, samples=4, out=tmp_path / "lying")
    assert lying.responses.select("text", "logprob").equals(
        honest.responses.select("text", "logprob")
    )
    assert all(lying.scores[name].equals(honest.scores[name]) for name in honest.scores)
    assert lying.responses["utility_strict"].sum() == 0 < honest.responses["utility_strict"].sum()


def test_the_python_face_adds_a_verifier_and_knows_custom_tasks_and_other_weights(
    tmp_path: Path,
) -> None:
    run = strop.gap(
        "ladder/40k", "recall", problems=20, samples=4, verifiers=["mc"], out=tmp_path / "run"
    )
    assert set(strop.add_verifier(run.path, "cot-binary").scores) == {"mc", "cot-binary"}

    class Mine(Recall):
        name = "mine"

    own = strop.gap(
        "ladder/40k", Mine(), problems=20, samples=4, verifiers=["mc"], out=tmp_path / "mine"
    )
    assert own.document["task"] == "mine"
    tables = [tabular(0.4), tabular(0.6)]
    strop.gap(tables[0], "recall", problems=6, samples=2, out=tmp_path / "table")
    with pytest.raises(strop.StropError, match="fingerprints"):
        strop.gap(tables[1], "recall", problems=6, samples=2, out=tmp_path / "table")
    with pytest.raises(strop.StropError, match="its weights changed since"):
        strop.add_verifier(tmp_path / "table", "cot-score", verify_with=tables[1])
