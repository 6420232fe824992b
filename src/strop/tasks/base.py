"""What is asked, and what is right?

A task draws problems, knows a gold response to each, and grades texts. It never sees a model. Grading reads untrusted text: every
parser here is a bounded scan, and nothing is ever evaluated.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Self, TypeVar

from strop.errors import UsageError
from strop.records import Problem
from strop.seeds import derive
from strop.tasks.extraction import Found

Item = TypeVar("Item")
SPLITS = ("train", "test")
STANDARD = "standard"


UNGRADED = "not graded: "


@dataclass(frozen=True, slots=True)
class Grade:
    """What was found in a text, and whether it is right (utility u of "Mind the Gap", section 2).

    ``strict`` wants the answer where and as the task asked for it; ``flexible`` takes it wherever it can be made out. Strict implies
    flexible. The difference tells a gain in format from a gain in ability. An answer that could not be found is None. ``found_by`` is the
    rule that found the flexible answer, and ``found_at`` the place of its first character in the text; None where that is not known. A
    response that a grader did not get through is wrong, and ``found_by`` begins with UNGRADED.
    """

    answer_strict: str | None
    answer_flexible: str | None
    utility_strict: float
    utility_flexible: float
    found_by: str | None = None
    found_at: int | None = None

    @classmethod
    def of(
        cls,
        strict: Found | None,
        flexible: Found | None,
        right: Callable[[str], bool],
        form: Callable[[str], str] = str,
    ) -> Grade:
        """Of what was found: an answer where it was asked for, and one wherever, or else that same one.

        ``form`` is the one spelling of an answer, empty for what is none; ``right`` judges answers so spelled. A right strict answer is
        right flexibly too. Where both are the same, the strict rule found it.
        """
        strict, flexible = (found and found.spelled(form) for found in (strict, flexible))
        if flexible is None or (strict and strict.answer == flexible.answer):
            flexible = strict
        utility = [float(found is not None and right(found.answer)) for found in (strict, flexible)]
        answers = [found and found.answer for found in (strict, flexible)]
        return cls(
            answers[0],
            answers[1],
            utility[0],
            max(utility),
            flexible and flexible.how,
            flexible and flexible.start,
        )


@dataclass(frozen=True, slots=True)
class Check:
    """A written verification of one response: its text, which of the checks made in it hold, and the score if it was given one."""

    text: str
    holds: tuple[bool, ...]
    given_score: int | None = None

    @property
    def correct(self) -> bool:
        return all(self.holds)

    @property
    def share(self) -> float:
        """Share of checks that hold, in [0, 1]."""
        return sum(self.holds) / len(self.holds)

    @property
    def score(self) -> int:
        """From 1 to 10: 1 + floor(9 x share of checks that hold), unless another was given."""
        return self.given_score or 1 + int(9 * self.share + 1e-9)


Judged = tuple[str, Check]
"""A response and its written verification."""


class Task(ABC):
    """A source of problems and the judge of their answers. Subclasses are frozen dataclasses; their fields are the task's settings.

    ``levels`` names difficulties: the settings of each. Every task has STANDARD, which is the defaults of its fields.
    ``instruction`` stands
    before every question. ``choices`` lists the
    answers where there are only a few, so that another problem's may be right. ``writes_prompts``: the task has solution prompts of its
    own (``context``).
    """

    name: ClassVar[str]
    description: ClassVar[str]
    default_shots: ClassVar[int] = 0
    max_tokens: ClassVar[int] = 512
    verification_max_tokens: ClassVar[int] = 512
    stop: ClassVar[tuple[str, ...]] = ()
    instruction: ClassVar[str] = ""
    choices: ClassVar[tuple[str, ...]] = ()
    writes_prompts: ClassVar[bool] = False
    levels: ClassVar[dict[str, dict[str, Any]]] = {STANDARD: {}}

    @classmethod
    def at(cls, difficulty: str, **settings: Any) -> Self:
        """The task at one of its ``levels``, with further settings."""
        if difficulty not in cls.levels:
            raise UsageError(
                f"task {cls.name} has no difficulty {difficulty!r}; it has {', '.join(cls.levels)}"
            )
        return cls(**cls.levels[difficulty], **settings)

    @property
    def difficulty(self) -> str:
        """The level that these settings are; settings of one's own are ``custom``."""
        if len(self.levels) == 1:
            return STANDARD
        return next(
            (level for level in self.levels if type(self).at(level, **self.origin) == self),
            "custom",
        )

    @property
    def origin(self) -> dict[str, Any]:
        """The settings that say where the problems come from, which are no matter of difficulty."""
        return {}

    @property
    def label(self) -> str:
        """What the task is called in commands and tables: its name, with the difficulty behind it unless that is the standard one."""
        return self.name if self.difficulty == STANDARD else f"{self.name}:{self.difficulty}"

    @abstractmethod
    def problems(self, split: str, count: int, seed: int) -> list[Problem]:
        """``count`` different problems of a split; the same arguments give the same problems. Raises UsageError if there are fewer."""

    @abstractmethod
    def gold_response(self, problem: Problem) -> str:
        """A full response that scores 1, as a few-shot example would show it."""

    @abstractmethod
    def grade(self, text: str, problem: Problem) -> Grade:
        """Judge an untrusted text against the problem's reference."""

    @abstractmethod
    def check(self, problem: Problem, response: str) -> Check:
        """The written verification of a response, for few-shot examples and for the embedded models' corpus."""

    def context(self, problem: Problem, shots: int) -> str:
        """The whole solution prompt with so many examples, of a task that writes its own."""
        raise NotImplementedError(
            f"task {self.name} says that it writes its own prompts, and has no context()"
        )

    def source(self) -> dict[str, Any]:
        """Where the problems came from, for the run record: a file and a digest of it, or a hub's name and commit."""
        return {}

    def size(self, split: str) -> int | None:
        """How many problems a split has; None where they are drawn, and nobody has counted them."""
        return None

    def judged(self, shots: list[Problem]) -> list[tuple[Problem, str, Check]]:
        """As many examples of a written verification as there are shots: each with its own gold response, or with one that is wrong for
        it, by turns.
        """
        golds = [self.gold_response(shot) for shot in shots]
        examples = []
        for i, (shot, gold) in enumerate(zip(shots, golds, strict=True)):
            response = (
                gold
                if i % 2 == 0
                else self._wrong(shot, [*golds[i + 1 :], *golds[:i]]) or golds[(i + 1) % len(golds)]
            )
            examples.append((shot, response, self.check(shot, response)))
        return examples

    def contested(self, shots: list[Problem]) -> list[tuple[Problem, Judged, Judged]]:
        """As many examples of a comparison as there are shots: a problem, a right response and a wrong one, each with its check."""
        golds = [self.gold_response(shot) for shot in shots]
        found = []
        for i, (shot, gold) in enumerate(zip(shots, golds, strict=True)):
            wrong = self._wrong(shot, [*golds[i + 1 :], *golds[:i]])
            if wrong is None:
                raise UsageError(
                    f"a tournament's examples each show a right and a wrong response, and --shots {len(shots)} of {self.name} give no "
                    "wrong one; use --shots 0, or more of them"
                )
            found.append((shot, (gold, self.check(shot, gold)), (wrong, self.check(shot, wrong))))
        return found

    def _wrong(self, problem: Problem, responses: list[str]) -> str | None:
        """The first response that is wrong for the problem, by its grade and by its check."""
        return next(
            (
                one
                for one in responses
                if not self.grade(one, problem).utility_flexible
                and not self.check(problem, one).correct
            ),
            None,
        )

    def shots(self, count: int, seed: int) -> list[Problem]:
        """``count`` examples for few-shot prompts, from the training split."""
        return self.problems("train", count, seed) if count else []


def shuffled(found: Sequence[Item], name: str, seed: int) -> list[Item]:
    """In an order that belongs to the seed, so that a longer list of problems begins with a shorter one."""
    order = list(range(len(found)))
    random.Random(derive("problems", name, seed)).shuffle(order)
    return [found[place] for place in order]


def check_split(split: str) -> None:
    """UsageError for a split that tasks do not have."""
    if split not in SPLITS:
        raise UsageError(f"split {split!r} does not exist; expected one of {', '.join(SPLITS)}")


PATIENCE = 20_000


def draw_distinct(
    draw: Callable[[random.Random], Problem], name: str, split: str, count: int, seed: int
) -> list[Problem]:
    """The first ``count`` different problems of ``split`` that ``draw`` yields, in order: a longer list begins with a shorter one.

    PATIENCE draws in a row without a new one mean that there are no more.
    """
    return list(_drawn(draw, name, split, count, seed))


@lru_cache(maxsize=64)
def _drawn(
    draw: Callable[[random.Random], Problem], name: str, split: str, count: int, seed: int
) -> tuple[Problem, ...]:
    check_split(split)
    rng = random.Random(derive("problems", name, seed))
    found: dict[str, Problem] = {}
    idle = 0
    while len(found) < count:
        problem = draw(rng)
        idle = 0 if problem.split == split and problem.id not in found else idle + 1
        if idle == 0:
            found[problem.id] = problem
        if idle == PATIENCE:
            raise UsageError(
                f"asked for {count} {split} problems, but only {len(found)} different ones could be drawn; ask for fewer"
            )
    return tuple(found.values())
