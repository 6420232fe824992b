"""The common part of tasks that read a data set: rows from the hub or a file, and examples."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from strop.errors import UsageError
from strop.records import Problem
from strop.tasks.base import SPLITS, Check, Judged, Task, check_split, shuffled
from strop.tasks.data import Row, Schema, file_source, read_file, read_hub

ROWS = Path(__file__).parent / "rows"
"""The package's own rows: NAME.jsonl, and NAME.judged.jsonl with written checks."""
RowsBySplit = dict[str, list[Row]]
Content = tuple[str, str, dict[str, Any]]
"""The question, the reference and the metadata of a problem."""


class LeftOutError(Exception):
    """A row cannot be a problem, for the reason given, and is left out and counted."""


@dataclass(frozen=True)
class Dataset(Task):
    """A task whose problems are rows.

    ``data`` is a file in the schema; without it the rows come from the data set ``hub`` at
    ``revision``. A file may have a column ``split`` of "train" and "test"; without it all rows are
    test problems. Train rows with the question of a test row are left out.

    Shots are train rows. If a file has none, the package's own rows (``rows/NAME.jsonl``) are used,
    except those with the question of a test row.
    """

    data: str | None = None
    revision: str | None = None

    hub: ClassVar[str] = ""
    configs: ClassVar[tuple[str | None, ...]] = (None,)
    hub_splits: ClassVar[Mapping[str, str]] = {"train": "train", "test": "test"}
    schema: ClassVar[Schema]
    csv_columns: ClassVar[tuple[str, ...]] = ()
    """The columns of the data set's csv files, if they come without a header."""

    @classmethod
    def adapted(cls, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a file's row in the columns of the schema, if it has another known layout."""
        return fields

    @property
    def origin(self) -> dict[str, Any]:
        return {"data": self.data, "revision": self.revision}

    @abstractmethod
    def problem(self, location: str, fields: Mapping[str, Any]) -> Content | None:
        """Return the content of a row, or None for a row that the settings exclude.

        Raises LeftOutError for a row of the data set that has no answer, and a UsageError that
        begins with ``location`` for a row that is not valid.
        """

    def problems(self, split: str, count: int, seed: int) -> list[Problem]:
        """Return ``count`` rows of the split, shuffled: a longer list begins with a shorter one."""
        check_split(split)
        problems = self._all(split)
        if count > len(problems):
            raise UsageError(
                f"asked for {count} {split} problems of {self.name}, but there are "
                f"{len(problems)}; ask for fewer"
            )
        return shuffled(problems, self.name, seed)[:count]

    def shots(self, count: int, seed: int) -> list[Problem]:
        """Return ``count`` train rows, none with the question of a test row."""
        if not count:
            return []
        problems = self._all("train") or self._without_tested(self.package_problems("train"))
        if count > len(problems):
            raise UsageError(
                f"asked for {count} shots of {self.name}, but there are {len(problems)}; "
                "ask for fewer with --shots"
            )
        return shuffled(problems, self.name, seed)[:count]

    def gold_response(self, problem: Problem) -> str:
        assert problem.reference is not None
        return problem.reference

    def check(self, problem: Problem, response: str) -> Check:
        """Raise UsageError: only the examples of ``judged`` have written checks."""
        raise UsageError(
            f"{self.name} comes without written checks of other responses than its examples"
        )

    def judged(self, shots: list[Problem]) -> list[tuple[Problem, str, Check]]:
        """Return as many written examples as there are shots.

        A right and a wrong response to the same question alternate.
        """
        return self._examples(len(shots))

    def contested(self, shots: list[Problem]) -> list[tuple[Problem, Judged, Judged]]:
        """Return the written examples in pairs: a right and a wrong response to one question."""
        examples = self._examples(2 * len(shots))
        comparisons = []
        for first, second in zip(examples[::2], examples[1::2], strict=True):
            right, wrong = first, second
            if not first[2].correct:
                right, wrong = second, first
            problem = right[0]
            comparisons.append((problem, right[1:], wrong[1:]))
        return comparisons

    def _examples(self, count: int) -> list[tuple[Problem, str, Check]]:
        rows = _written_examples(self.name)
        if count > len(rows):
            raise UsageError(
                f"{self.name} has {len(rows)} examples of a written check, {len(rows) // 2} pairs "
                "of them for a tournament; ask for fewer with --shots"
            )
        examples = []
        for row in rows[:count]:
            problem = self.example_problem(row.fields["question"])
            check = Check(row.fields["check"], tuple(row.fields["holds"]))
            examples.append((problem, row.fields["response"], check))
        return examples

    def example_problem(self, question: str) -> Problem:
        """Return the problem of a written example."""
        return Problem(f"{self.name}-example", "train", question, None, {})

    def source(self) -> dict[str, Any]:
        """Return the origin of the rows, and how many were left out for which reason."""
        rows, source = _rows_and_source(type(self), self.data, self.revision)
        left_out = self._left_out([*rows["train"], *rows["test"]])
        return {**source, "left_out": left_out} if left_out else dict(source)

    def size(self, split: str) -> int:
        return len(self._all(split))

    def package_problems(self, split: str) -> list[Problem]:
        """Return the package's own rows of this data set as problems."""
        return list(self._problems_of(split, _own_rows(type(self))[split]))

    def _all(self, split: str) -> list[Problem]:
        rows, _ = _rows_and_source(type(self), self.data, self.revision)
        problems = list(self._problems_of(split, rows[split]))
        self._check_ids(problems)
        return problems if split == "test" else self._without_tested(problems)

    def _left_out(self, rows: list[Row]) -> dict[str, int]:
        reasons: Counter[str] = Counter()
        for row in rows:
            try:
                self.problem(row.location, row.fields)
            except LeftOutError as reason:
                reasons[str(reason)] += 1
        return dict(reasons)

    def _without_tested(self, problems: list[Problem]) -> list[Problem]:
        """Return the problems without those whose question a test row has."""
        tested = {problem.question for problem in self._all("test")}
        return [problem for problem in problems if problem.question not in tested]

    def _check_ids(self, problems: list[Problem]) -> None:
        ids = set()
        for problem in problems:
            if problem.id in ids:
                raise UsageError(
                    f"{self.data or self.hub} has the id {problem.id!r} twice; "
                    "ids tell problems apart: make them different"
                )
            ids.add(problem.id)

    def _problems_of(self, split: str, rows: list[Row]) -> Iterator[Problem]:
        for number, row in enumerate(rows):
            try:
                content = self.problem(row.location, row.fields)
            except LeftOutError:
                continue
            if content is None:
                continue
            question, reference, metadata = content
            row_id = row.fields.get("id", f"{split}-{number}")
            yield Problem(f"{self.name}-{row_id}", split, question, reference, metadata)


# Files are read once: a task is asked for its problems, shots, size and source many times.
@lru_cache(maxsize=8)
def _rows_and_source(
    task: type[Dataset], data: str | None, revision: str | None
) -> tuple[RowsBySplit, dict[str, str]]:
    """Return the rows by split, and where they came from."""
    if data is not None:
        rows_of_file = read_file(Path(data), task.schema, task.adapted, task.csv_columns)
        return _by_split(rows_of_file), file_source(data)
    hub_splits = list(task.hub_splits.values())
    rows, commit = read_hub(task.hub, task.configs, hub_splits, revision, task.schema)
    by_split = {split: rows[hub_split] for split, hub_split in task.hub_splits.items()}
    return by_split, {"hub": task.hub, "revision": commit}


@lru_cache(maxsize=8)
def _own_rows(task: type[Dataset]) -> RowsBySplit:
    return _by_split(read_file(ROWS / f"{task.name}.jsonl", task.schema))


@lru_cache(maxsize=8)
def _written_examples(task_name: str) -> list[Row]:
    schema = {"question": str, "response": str, "check": str}
    return read_file(ROWS / f"{task_name}.judged.jsonl", schema)


def _by_split(rows: list[Row]) -> RowsBySplit:
    by_split: RowsBySplit = {split: [] for split in SPLITS}
    for row in rows:
        split = row.fields.get("split", "test")
        if split not in by_split:
            written = json.dumps(str(split)[:40])
            raise UsageError(f"{row.location}: split is {written}; expected train or test")
        by_split[split].append(row)
    return by_split
