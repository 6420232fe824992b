"""Training rows of a run: which responses, with which weights, in which pairs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import strop
from strop.distill import Weighted
from strop.errors import UsageError
from strop.improvement.training_rows import Keeping, comparisons, preferences, weighted
from strop.run.run import Run


def rows_of(run: Run, keeping: Keeping | None = None) -> Sequence[Weighted]:
    return [
        row
        for row in weighted(run, run.evidence.weights["chance"], keeping or Keeping()).rows
        if isinstance(row, Weighted)
    ]


def by_problem(rows: Sequence[Weighted]) -> dict[str, list[Weighted]]:
    found = defaultdict(list)
    for row in rows:
        found[row.problem].append(row)
    return found


def test_a_cap_keeps_that_many_of_each_problem_and_its_weight(run: Run) -> None:
    every, capped = by_problem(rows_of(run)), by_problem(rows_of(run, Keeping(cap=2)))
    assert every.keys() == capped.keys() and max(map(len, every.values())) > 2
    for problem, rows in capped.items():
        assert len(rows) == min(2, len(every[problem])) and sum(
            row.weight for row in rows
        ) == pytest.approx(1)
        assert {row.token_ids for row in rows} <= {row.token_ids for row in every[problem]}
    assert rows_of(run, Keeping(cap=2)) == rows_of(run, Keeping(cap=2))


def test_distinct_takes_one_of_each_answer_or_text(run: Run) -> None:
    answers = {
        (row["problem"], tuple(row["token_ids"])): row["answer_strict"]
        for row in run.responses.iter_rows(named=True)
    }
    for problem, rows in by_problem(rows_of(run, Keeping(distinct="answer"))).items():
        assert max(Counter(answers[problem, row.token_ids] for row in rows).values()) == 1
    for rows in by_problem(rows_of(run, Keeping(distinct="text"))).values():
        assert max(Counter(row.token_ids for row in rows).values()) == 1
    assert (
        len(rows_of(run, Keeping(distinct="answer")))
        <= len(rows_of(run, Keeping(distinct="text")))
        < len(rows_of(run))
    )


def test_balance_weighs_problems_by_what_they_kept(run: Run) -> None:
    kept = {problem: len(rows) for problem, rows in by_problem(rows_of(run)).items()}
    assert len(set(kept.values())) > 1
    for balance, expected in (
        ("problems", lambda n: 1.0),
        ("responses", float),
        ("hard", lambda n: 8 / n),
    ):
        sums = {
            p: sum(row.weight for row in rows)
            for p, rows in by_problem(rows_of(run, Keeping(balance=balance))).items()
        }  # type: ignore[arg-type]
        assert sums == pytest.approx({problem: expected(n) for problem, n in kept.items()})


@pytest.mark.parametrize(
    ("name", "value"), [("cap", 0), ("distinct", "words"), ("balance", "some")]
)
def test_keeping_says_what_it_expects(name: str, value: Any) -> None:
    with pytest.raises(UsageError, match=f"^--{name} {value}: expected "):
        Keeping(**{name: value})


def test_rows_are_the_samples_and_weights_of_the_run(tmp_path: Path) -> None:
    run = strop.gap(
        "ladder/250k",
        "recall",
        verifiers=["majority"],
        problems=12,
        samples=8,
        out=tmp_path / "run",
    )
    judge, weight_PK = run.evidence.judges["majority"], run.evidence.weights["majority"]
    rows = weighted(run, weight_PK)
    sums: dict[str, float] = {}
    for row in rows.rows:
        sums[row.problem] = sums.get(row.problem, 0.0) + row.weight  # type: ignore[attr-defined]
    assert (
        list(sums.values()) == pytest.approx([1.0] * rows.problems)
        and rows.problems + rows.problems_without == 12
    )
    tokens = {tuple(ids) for ids in run.responses["token_ids"].to_list()}
    assert all(ids in tokens for row in rows.rows for ids in row.responses)
    pairs = preferences(run, weight_PK, most=2)
    assert all(row.kept != row.rejected for row in pairs.rows)  # type: ignore[attr-defined]
    compared = comparisons(run, judge.score_PK, most=3)
    assert len(compared.rows) <= 36 and np.ptp([row.difference for row in compared.rows]) > 0  # type: ignore[attr-defined]
