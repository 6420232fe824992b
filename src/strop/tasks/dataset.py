"""What tasks made of data have in common: rows from the hub, or from a file in the same schema, and examples to go with them."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Self

from strop.errors import UsageError
from strop.records import Problem
from strop.tasks.base import SPLITS, Check, Judged, Task, check_split, shuffled
from strop.tasks.data import Row, Schema, file_source, read_file, read_hub

ROWS = Path(__file__).parent / "rows"


@dataclass(frozen=True)
class Dataset(Task):
    """Problems are rows. ``data``: a file in the schema; without it the hub's data set ``hub``, at ``revision``.

    A file may have a column ``split`` of "train" and "test"; without it all rows are test problems. Train rows that ask what a test row
    asks are left out. Shots are train rows; a file without any lends them from the package's own few (``rows/NAME.jsonl``), which are never
    test problems of anybody's data.
    """

    data: str | None = None
    revision: str | None = None

    hub: ClassVar[str]
    configs: ClassVar[tuple[str | None, ...]] = (None,)
    hub_splits: ClassVar[Mapping[str, str]] = {"train": "train", "test": "test"}
    schema: ClassVar[Schema]

    @property
    def origin(self) -> dict[str, Any]:
        """The file, or the revision."""
        return {"data": self.data, "revision": self.revision}

    @abstractmethod
    def problem(
        self, place: str, fields: Mapping[str, Any]
    ) -> tuple[str, str, dict[str, Any]] | None:
        """(question, reference, metadata) of a row; None for a row that the task's settings leave out. UsageError names ``place``."""

    def problems(self, split: str, count: int, seed: int) -> list[Problem]:
        """``count`` rows of the split in an order that the seed shuffles: a longer list begins with a shorter one."""
        check_split(split)
        found = self._all(split)
        if count > len(found):
            raise UsageError(
                f"asked for {count} {split} problems of {self.name}, but there are {len(found)}; ask for fewer"
            )
        return shuffled(found, self.name, seed)[:count]

    def _untested(self, found: list[Problem]) -> list[Problem]:
        """Those that ask nothing that a test row asks."""
        tested = {problem.question for problem in self._all("test")}
        return [problem for problem in found if problem.question not in tested]

    def shots(self, count: int, seed: int) -> list[Problem]:
        """Train rows, none of which asks what a test row asks."""
        if not count:
            return []
        found = self._all("train") or self._untested(self.own("train"))
        if count > len(found):
            raise UsageError(
                f"asked for {count} shots of {self.name}, but there are {len(found)}; ask for fewer with --shots"
            )
        return shuffled(found, self.name, seed)[:count]

    def gold_response(self, problem: Problem) -> str:
        assert problem.reference is not None
        return problem.reference

    def check(self, problem: Problem, response: str) -> Check:
        """UsageError: written checks of these problems are only those of ``judged``."""
        raise UsageError(
            f"{self.name} comes without written checks of other responses than its examples"
        )

    def judged(self, shots: list[Problem]) -> list[tuple[Problem, str, Check]]:
        """As many written examples as there are shots, a right and a wrong response to the same question by turns."""
        return self._examples(len(shots))

    def contested(self, shots: list[Problem]) -> list[tuple[Problem, Judged, Judged]]:
        """Neighbours among the written examples: a right and a wrong response to one question."""
        examples = self._examples(2 * len(shots))
        pairs = [
            sorted(examples[place : place + 2], key=lambda one: not one[2].correct)
            for place in range(0, len(examples), 2)
        ]
        return [(right[0], (right[1], right[2]), (wrong[1], wrong[2])) for right, wrong in pairs]

    def _examples(self, count: int) -> list[tuple[Problem, str, Check]]:
        rows = _written(self.name)
        if count > len(rows):
            raise UsageError(
                f"{self.name} has {len(rows)} examples of a written check, {len(rows) // 2} pairs of them for a tournament; ask for fewer "
                "with --shots"
            )
        return [
            (self.example_problem(row.fields["question"]), row.fields["response"], _check(row))
            for row in rows[:count]
        ]

    def example_problem(self, question: str) -> Problem:
        """The problem that a written example is about."""
        return Problem(f"{self.name}-example", "train", question, None, {})

    @classmethod
    def example(cls) -> Self:
        """The task on the package's own few rows: for trying it out."""
        return cls(data=str(ROWS / f"{cls.name}.jsonl"))

    def source(self) -> dict[str, Any]:
        return _rows(type(self), self.data, self.revision)[1]

    def size(self, split: str) -> int:
        return len(self._all(split))

    def own(self, split: str) -> list[Problem]:
        """The package's own few rows of this data set."""
        return list(self._read(split, _own(type(self))[split]))

    def _all(self, split: str) -> list[Problem]:
        found = list(self._read(split, _rows(type(self), self.data, self.revision)[0][split]))
        ids = [problem.id for problem in found]
        if (
            twice := next((name for place, name in enumerate(ids) if name in ids[:place]), None)
            if len(set(ids)) < len(ids)
            else None
        ):
            raise UsageError(
                f"{self.data or self.hub} has the id {twice!r} twice; ids tell problems apart: make them different"
            )
        return found if split == "test" else self._untested(found)

    def _read(self, split: str, rows: list[Row]) -> Iterator[Problem]:
        for number, row in enumerate(rows):
            if (read := self.problem(row.place, row.fields)) is not None:
                question, reference, metadata = read
                yield Problem(
                    f"{self.name}-{row.fields.get('id', f'{split}-{number}')}",
                    split,
                    question,
                    reference,
                    metadata,
                )


def _check(row: Row) -> Check:
    return Check(row.fields["check"], tuple(row.fields["holds"]))


@lru_cache(maxsize=8)
def _rows(
    task: type[Dataset], data: str | None, revision: str | None
) -> tuple[dict[str, list[Row]], dict[str, str]]:
    """Rows by split, and their source."""
    if data is None:
        rows, commit = read_hub(
            task.hub, task.configs, list(task.hub_splits.values()), revision, task.schema
        )
        return {split: rows[name] for split, name in task.hub_splits.items()}, {
            "hub": task.hub,
            "revision": commit,
        }
    return _by_split(read_file(Path(data), task.schema)), file_source(data)


@lru_cache(maxsize=8)
def _written(task: str) -> list[Row]:
    """The package's written examples for a task: every verification prompt shows some."""
    return read_file(
        ROWS / f"{task}.judged.jsonl", {"question": str, "response": str, "check": str}
    )


@lru_cache(maxsize=8)
def _own(task: type[Dataset]) -> dict[str, list[Row]]:
    """The package's own rows."""
    return _by_split(read_file(ROWS / f"{task.name}.jsonl", task.schema))


def _by_split(rows: list[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {split: [] for split in SPLITS}
    for row in rows:
        split = row.fields.get("split", "test")
        if split not in found:
            raise UsageError(
                f"{row.place}: split is {json.dumps(str(split)[:40])}; expected train or test"
            )
        found[split].append(row)
    return found
