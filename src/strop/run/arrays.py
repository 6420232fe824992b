"""Turn a run's frames into arrays.

Axes: P problems, K responses, B bootstrap resamples. A problem with fewer than K responses is
filled with NaN, and ``samples.mask_PK`` says where a response exists.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from strop.measure import Samples, fill_grid, resample_counts
from strop.measure.intervals import Floats, Groups
from strop.run.evidence import Evidence, Judge, groups_of
from strop.run.stored import StoredRun
from strop.seeds import derive

LARGE_ARRAYS = ("samples", "score_PK", "counts_BP", "evidence")


@dataclass(frozen=True)
class RunArrays:
    """The arrays of one run. Each is made when it is first used, and kept."""

    stored: StoredRun

    @cached_property
    def samples(self) -> Samples:
        """Strict and flexible utilities of the responses, and where there are responses."""
        responses = self.stored.responses
        strict_PK = self.grid(responses, responses["utility_strict"])
        flexible_PK = self.grid(responses, responses["utility_flexible"])
        mask_PK = ~np.isnan(strict_PK)
        return Samples(np.where(mask_PK, strict_PK, 0), np.nan_to_num(flexible_PK), mask_PK)

    @cached_property
    def score_PK(self) -> dict[str, Floats]:
        """Scores of each verifier, averaged over its draws; NaN where it gave none."""
        return {name: self._mean_score_PK(frame) for name, frame in self.stored.scores.items()}

    def _mean_score_PK(self, frame: pl.DataFrame) -> Floats:
        if frame["draw"].n_unique() > 1:
            frame = frame.group_by("problem", "sample").agg(pl.col("score").mean())
        return self.grid(frame, frame["score"])

    @cached_property
    def group_P(self) -> Groups | None:
        """The question of each problem as a number; None where no question occurs twice."""
        return groups_of(self.stored.problems["question"].to_list())

    @cached_property
    def counts_BP(self) -> Floats:
        """Counts of each problem in each resample; equal for all runs on the same problems."""
        plan = self.stored.plan
        return resample_counts(plan.problems, plan.bootstrap_seed, group_P=self.group_P)

    @cached_property
    def evidence(self) -> Evidence:
        """Samples and scores, as the functions of ``strop.run.analysis`` take them."""
        stored = self.stored
        responses = stored.responses
        answer_code = responses["answer_strict"].rank("dense").cast(pl.Float64)
        answer_PK = self.grid(responses, answer_code.fill_null(-1))
        return Evidence(
            self.samples,
            {name: self._judge(name) for name in stored.verifiers},
            answer_PK=np.nan_to_num(answer_PK, nan=-1).astype(np.int64),
            logprob_PK=self.grid(responses, _known_logprob(responses)),
            greedy_P=self.greedy_utility_P,
            greedy_logprob_P=self._greedy_P(_known_logprob(stored.greedy)),
            token_ids=self._token_ids(),
            questions=stored.problems["question"].to_list(),
            seed=derive(stored.plan.seed, "folds"),
        )

    @property
    def greedy_utility_P(self) -> Floats:
        """The utility of each problem's greedy response; NaN where none was drawn."""
        return self._greedy_P(self.stored.greedy["utility_strict"])

    def of_responses(self, column: str) -> Floats:
        """Return a numeric column of the responses as (P, K); NaN where there is no value."""
        return self.grid(self.stored.responses, self.stored.responses[column])

    def grid(self, frame: pl.DataFrame, values: pl.Series) -> Floats:
        """Return one value per row of the frame as (P, K)."""
        return fill_grid(
            self.stored.problem_index(frame).to_numpy(),
            frame["sample"].to_numpy(),
            values.to_numpy(),
            self.stored.problems.height,
        )

    def release(self) -> None:
        """Free the memory of the large arrays and responses. A later use makes them again."""
        for name in LARGE_ARRAYS:
            self.__dict__.pop(name, None)
        self.stored.__dict__.pop("responses", None)

    def _judge(self, name: str) -> Judge:
        record = self.stored.verifiers[name]
        return Judge(
            self.score_PK[name],
            self.stored.default_weight(name),
            pointwise=record.get("pointwise", True),
            sees_references=record.get("sees_references", False),
            probability=record.get("probability", False),
            control=record.get("control", False),
        )

    def _greedy_P(self, values: pl.Series) -> Floats:
        greedy = self.stored.greedy
        if not greedy.height:  # imported samples have no greedy responses
            return np.full(self.stored.plan.problems, np.nan)
        return self.grid(greedy, values)[:, 0]

    def _token_ids(self) -> Sequence[list[list[int]]] | None:
        responses = self.stored.responses
        if responses["token_ids"].has_nulls():
            return None
        problem_N = self.stored.problem_index(responses).to_numpy()
        return _TokenIds(responses["token_ids"], problem_N, self.stored.problems.height)


@dataclass(frozen=True)
class _TokenIds(Sequence[list[list[int]]]):
    """The token ids of each problem's responses.

    A problem's lists are made when it is accessed: the lists of all problems together would fill
    the memory.
    """

    column: pl.Series
    problem_N: NDArray[np.int64]
    problems: int

    def __len__(self) -> int:
        return self.problems

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[number] for number in range(self.problems)[index]]
        if not -self.problems <= index < self.problems:
            raise IndexError(index)
        rows = self._rows[index % self.problems]
        # strop stores the rows of a problem one after another. A slice is then much faster than
        # gathering rows from a column of many parts.
        is_contiguous = len(rows) > 0 and rows[-1] - rows[0] == len(rows) - 1
        if is_contiguous:
            return self.column.slice(int(rows[0]), len(rows)).to_list()
        return self.column.gather(rows).to_list()

    @cached_property
    def _rows(self) -> list[NDArray[np.int64]]:
        """The rows of each problem."""
        order_N = np.argsort(self.problem_N, kind="stable")
        starts = np.searchsorted(self.problem_N[order_N], np.arange(1, self.problems))
        return np.split(order_N, starts)


def _known_logprob(frame: pl.DataFrame) -> pl.Series:
    """Return the log-probabilities; NaN for a truncated response, because its end is missing."""
    known = pl.when(pl.col("finish") != "length").then("logprob").otherwise(float("nan"))
    return frame.select(known.alias("logprob"))["logprob"]
