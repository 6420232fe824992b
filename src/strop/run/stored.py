"""Read a run folder: its record, its plan and its frames. Every frame is checked before it is used.

No engine is loaded here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from strop.errors import CorruptPartError, UsageError
from strop.records import Problem, Usage, total_usage
from strop.run.plan import Plan
from strop.run.store import RESPONSE_SCHEMA, SCORE_SCHEMA, RunFolder
from strop.tasks import Task
from strop.weigh import Weight, parse_weight

PROBLEM_STRIDE = 2**31
"""Larger than every sample number: problem * PROBLEM_STRIDE + sample identifies one response."""


@dataclass(frozen=True)
class StoredRun:
    """One run on disk. Pass ``task`` where the run's task is not one of strop's own."""

    path: Path
    task: Task | None = None

    @property
    def folder(self) -> RunFolder:
        """The folder, for reading and writing single files."""
        return RunFolder(self.path)

    @cached_property
    def record(self) -> dict[str, Any]:
        """The content of run.json."""
        record = self.folder.record()
        has_verifiers = isinstance(record.get("verifiers"), dict)
        if not has_verifiers or not {"verifier_model", "design"} <= record.keys():
            raise CorruptPartError(
                f"{self.path / 'run.json'} lacks entries of a run's record; restore it, "
                "or choose another --out"
            )
        return record

    @cached_property
    def plan(self) -> Plan:
        """The settings of the run."""
        plan = Plan.from_record(self.record["asked"], self.task)
        return replace(plan, part_problems=self.folder.part_problems)

    @property
    def is_imported(self) -> bool:
        """True if the responses were made elsewhere."""
        return "imported" in self.record

    @property
    def is_fixed(self) -> bool:
        """True if every problem got the same number of samples, not an adaptive one."""
        return bool(self.record["design"] == "fixed")

    def check_fixed(self) -> None:
        """Raise UsageError for a run that was drawn adaptively."""
        if not self.is_fixed:
            raise UsageError(
                f"{self.path} was drawn adaptively: gaps, pass@k and curves over N need the same "
                "number of samples of every problem; see sharpening.json there, or sample again "
                "without --adaptive"
            )

    @property
    def verifiers(self) -> dict[str, dict[str, Any]]:
        """The record of each verifier, by the name of its stage."""
        verifiers: dict[str, dict[str, Any]] = self.record["verifiers"]
        return verifiers

    def default_weight(self, verifier: str) -> Weight:
        """Return the weight that the papers use with this verifier."""
        return parse_weight(self.verifiers[verifier]["default_weight"])

    @property
    def stages(self) -> list[str]:
        """The names under which parts are stored."""
        greedy = [] if self.is_imported else ["greedy"]
        return ["responses", *greedy, *(f"scores/{name}" for name in self.verifiers)]

    # --- frames ---

    @cached_property
    def problems(self) -> pl.DataFrame:
        """One row per problem: problem, split, question, reference, prompt, metadata."""
        return self.folder.problems()

    def stored_problems(self) -> list[Problem]:
        """Return the run's problems with their references."""
        return [
            Problem(
                row["problem"],
                row["split"],
                row["question"],
                row["reference"],
                json.loads(row["metadata"]),
            )
            for row in self.problems.iter_rows(named=True)
        ]

    @cached_property
    def responses(self) -> pl.DataFrame:
        """One row per response."""
        if not self.is_fixed:
            return self._stage("responses", expected=None)
        if self.is_imported:
            return self._stage("responses", self.record["imported"]["responses"])
        return self._stage("responses", self.plan.problems * self.plan.samples)

    @cached_property
    def greedy(self) -> pl.DataFrame:
        """One row per problem: the greedy response. Empty for imported samples."""
        if self.is_imported:
            return pl.DataFrame(schema=RESPONSE_SCHEMA)
        return self._stage("greedy", self.plan.problems)

    @cached_property
    def scores(self) -> dict[str, pl.DataFrame]:
        """One frame per verifier, with one row per response and draw."""
        responses = self.responses.height
        return {name: self._stage(f"scores/{name}", responses) for name in self.verifiers}

    def problem_index(self, frame: pl.DataFrame) -> pl.Series:
        """Return the index of each row's problem, and null for a problem that the run lacks."""
        index = {problem: number for number, problem in enumerate(self.problems["problem"])}
        return frame["problem"].replace_strict(index, default=None, return_dtype=pl.Int64)

    def _stage(self, stage: str, expected: int | None) -> pl.DataFrame:
        """Read all parts of a stage and check that they are whole.

        They must cover every problem and ``expected`` responses (None: any number), each response
        once per draw.
        """
        frame = self.folder.read_stage(stage, self.plan.parts)
        schema = SCORE_SCHEMA if stage.startswith("scores/") else RESPONSE_SCHEMA
        if frame.schema != pl.Schema(schema):
            raise CorruptPartError(
                f"the parts in {self.path / stage} have other columns than expected; "
                "restore them, or delete that folder"
            )
        problem = self.problem_index(frame)
        # One number per response: hashing pairs of texts takes much memory in a large run.
        response = problem * PROBLEM_STRIDE + frame["sample"]
        responses = response.n_unique()
        if expected is None:
            expected = responses
        draws = frame["draw"].n_unique() if "draw" in frame.columns else 1
        is_whole = (
            responses == expected
            and frame.height == expected * draws
            and _has_no_duplicates(frame, response)
            and not problem.has_nulls()
            and problem.n_unique() == self.problems.height
        )
        if not is_whole:
            raise CorruptPartError(
                f"{self.path / stage} holds {frame.height} rows on {responses} responses, expected "
                f"{expected} responses to {self.plan.problems} problems; a part was changed: "
                "delete that folder and run the same command again"
            )
        return frame

    # --- what the run cost ---

    @cached_property
    def usage_by_stage(self) -> dict[str, Usage]:
        """The usage of each stage, by the name under which its parts are stored."""
        return {stage: self.folder.usage(stage, self.plan.parts) for stage in self.stages}

    @property
    def usage(self) -> Usage:
        """The usage of all stages together."""
        return total_usage(self.usage_by_stage.values())

    def cost_of_a_response(self) -> dict[str, float]:
        """Return the tokens and FLOPs per response: to draw it, and for all its verifications."""
        stages = self.usage_by_stage.items()
        usage = total_usage(usage for stage, usage in stages if stage != "greedy")
        responses = self.responses.height
        return {
            "prompt_tokens": usage.prompt_tokens / responses,
            "generated_tokens": usage.generated_tokens / responses,
            "flops": usage.flops / responses,
        }

    @cached_property
    def all_identical(self) -> bool:
        """Whether every problem has two or more responses, all of them the same.

        Imported texts may be left empty; responses with other answers or grades are not the same.
        """
        # Columns one by one: hashing rows of several takes much memory in a large run.
        by_problem = self.responses.group_by("problem").agg(
            pl.len().alias("responses"),
            pl.col("text", "answer_strict", "utility_strict").n_unique(),
        )
        largest = by_problem.select(pl.max_horizontal("text", "answer_strict", "utility_strict"))
        fewest = by_problem["responses"].to_numpy().min()
        return bool(fewest > 1 and largest.to_series().to_numpy().max() == 1)

    @property
    def empty(self) -> int:
        """The number of responses without any text."""
        return int((self.responses["text"].str.strip_chars() == "").sum())

    @property
    def truncated(self) -> int:
        """The number of responses that the token limit cut off."""
        return int((self.responses["finish"] == "length").sum())


def _has_no_duplicates(frame: pl.DataFrame, response: pl.Series) -> bool:
    """Return whether no response, or no draw of one, occurs twice."""
    if "draw" not in frame.columns or frame["draw"].n_unique() == 1:
        return response.n_unique() == frame.height
    return pl.DataFrame({"response": response, "draw": frame["draw"]}).n_unique() == frame.height
