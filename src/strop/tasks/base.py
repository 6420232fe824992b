"""The interface of a task: it draws problems, knows a gold response to each, and grades texts.

A task never sees a model. It grades untrusted text: every parser in this folder is a bounded scan,
and nothing is ever evaluated.
"""

from __future__ import annotations

import json
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Self, TypeVar

from strop.errors import UsageError
from strop.records import Problem
from strop.seeds import derive, fraction
from strop.tasks.extraction import Found

Item = TypeVar("Item")
SPLITS = ("train", "test")
STANDARD = "standard"
UNGRADED = "not graded: "
Gold = str | int | float | bool | list[Any]
"""A gold answer as a file gives it: a text, a number, a truth value, or a list."""
PATIENCE = 20_000
"""Draws in a row without a new problem after which ``draw_distinct`` gives up."""


@dataclass(frozen=True, slots=True)
class Grade:
    """The answer found in a text, and its utility u ("Mind the Gap", section 2).

    ``strict`` accepts an answer only where the task asked for it and in the form it asked for;
    ``flexible`` accepts it wherever it can be recognised. Strict implies flexible, so the
    difference separates a gain in format from a gain in ability. An answer that was not found is
    None.

    ``found_by`` is the rule that found the flexible answer, ``found_at`` the index of the answer's
    first character in the text; each is None if unknown. A response that the grader could not
    finish has utility 0, and its ``found_by`` begins with UNGRADED.
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
        """Build a grade from the strict and the flexible extraction.

        The strict one is used for both if there is no flexible one or if their answers are equal.
        ``form`` returns the canonical spelling of an answer, or "" if it is no answer; ``right``
        judges answers in that spelling. A right strict answer is also right flexibly.
        """
        strict = strict.spelled(form) if strict else None
        flexible = flexible.spelled(form) if flexible else None
        if flexible is None or (strict and strict.answer == flexible.answer):
            flexible = strict
        if flexible is None:
            return cls(None, None, 0.0, 0.0)
        utility_strict = float(strict is not None and right(strict.answer))
        return cls(
            answer_strict=strict.answer if strict else None,
            answer_flexible=flexible.answer,
            utility_strict=utility_strict,
            utility_flexible=max(utility_strict, float(right(flexible.answer))),
            found_by=flexible.how,
            found_at=flexible.start,
        )


@dataclass(frozen=True, slots=True)
class Check:
    """A written verification of one response.

    ``holds`` says for each statement checked whether it is true. ``given_score`` replaces the
    computed ``score``.
    """

    text: str
    holds: tuple[bool, ...]
    given_score: int | None = None

    @property
    def correct(self) -> bool:
        return all(self.holds)

    @property
    def share(self) -> float:
        """Return the share of statements that hold, in [0, 1]."""
        return sum(self.holds) / len(self.holds)

    @property
    def score(self) -> int:
        """Return a score from 1 to 10: ``given_score``, or else 1 + floor(9 x ``share``)."""
        # 1e-9: a share such as 2/3 must not fall just below a whole number of ninths.
        return self.given_score or 1 + int(9 * self.share + 1e-9)


Judged = tuple[str, Check]
"""A response and its written verification."""


class Task(ABC):
    """A source of problems that grades their answers.

    Subclasses are frozen dataclasses whose fields are the task's settings. The class variables:

    * ``default_shots``: worked examples in a solution prompt, unless the user asks for others.
    * ``max_tokens``, ``verification_max_tokens``: the most tokens of a response, and of a
      verification.
    * ``stop``: strings that end a response.
    * ``instruction``: text before every question.
    * ``choices``: all possible answers if they are few, so that two problems may share one.
    * ``writes_prompts``: True if the task writes its own solution prompts (``context``).
    * ``needs_reference``: False if the question alone decides which answers are right.
    * ``levels``: the settings of each difficulty. Every task has STANDARD: its fields' defaults.
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
    needs_reference: ClassVar[bool] = True
    levels: ClassVar[dict[str, dict[str, Any]]] = {STANDARD: {}}

    @classmethod
    def at(cls, difficulty: str, **settings: Any) -> Self:
        """Build the task at one of its ``levels``, with further settings."""
        if difficulty not in cls.levels:
            levels = ", ".join(cls.levels)
            raise UsageError(f"task {cls.name} has no difficulty {difficulty!r}; it has {levels}")
        return cls(**cls.levels[difficulty], **settings)

    @property
    def difficulty(self) -> str:
        """Return the level that has these settings, or ``custom`` if none has."""
        if len(self.levels) == 1:
            return STANDARD
        for level in self.levels:
            if type(self).at(level, **self.origin) == self:
                return level
        return "custom"

    @property
    def origin(self) -> dict[str, Any]:
        """Return the settings that say where the problems come from; they set no difficulty."""
        return {}

    @property
    def label(self) -> str:
        """Return the name for commands and tables: ``NAME``, or ``NAME:DIFFICULTY``."""
        return self.name if self.difficulty == STANDARD else f"{self.name}:{self.difficulty}"

    @abstractmethod
    def problems(self, split: str, count: int, seed: int) -> list[Problem]:
        """Draw ``count`` different problems of a split; equal arguments give equal problems.

        Raises UsageError if the split has fewer.
        """

    @abstractmethod
    def gold_response(self, problem: Problem) -> str:
        """Return a full response that scores 1, as a few-shot example shows it."""

    @abstractmethod
    def grade(self, text: str, problem: Problem) -> Grade:
        """Grade an untrusted text against the problem's reference."""

    @abstractmethod
    def check(self, problem: Problem, response: str) -> Check:
        """Write the verification of a response.

        Few-shot examples and the training corpus of the embedded models contain it.
        """

    def read_gold(self, gold: Gold, question: str) -> str:
        """Return the reference that a gold answer from a file of samples means.

        Raises ValueError with what was expected if the answer means nothing here, or several
        things: a reference that ``grade`` cannot read would make every response wrong.
        """
        return gold_text(gold)

    def answer_is_right(self, answer: str, problem: Problem) -> bool:
        """Return whether an answer that somebody else extracted is right."""
        return self.grade(answer, problem).utility_flexible == 1.0

    def context(self, problem: Problem, shots: int) -> str:
        """Return the complete solution prompt with ``shots`` examples (``writes_prompts`` only)."""
        raise NotImplementedError(
            f"task {self.name} sets writes_prompts, but does not implement context()"
        )

    def source(self) -> dict[str, Any]:
        """Return the origin of the problems for the run record.

        A file has its name and digest, a data set of the hub its name and commit.
        """
        return {}

    def size(self, split: str) -> int | None:
        """Return the number of problems in a split, or None if it is unknown."""
        return None

    def judged(self, shots: list[Problem]) -> list[tuple[Problem, str, Check]]:
        """Return one example of a written verification per shot.

        Every second example shows a wrong response: another shot's gold response.
        """
        golds = [self.gold_response(shot) for shot in shots]
        examples = []
        for index, shot in enumerate(shots):
            response = golds[index]
            if index % 2 == 1:
                wrong = self._first_wrong(shot, _others(golds, index))
                response = wrong or golds[(index + 1) % len(golds)]
            examples.append((shot, response, self.check(shot, response)))
        return examples

    def contested(self, shots: list[Problem]) -> list[tuple[Problem, Judged, Judged]]:
        """Return one example of a comparison per shot.

        An example is a problem, a right response with its check, and a wrong one with its check.
        """
        golds = [self.gold_response(shot) for shot in shots]
        examples = []
        for index, (shot, gold) in enumerate(zip(shots, golds, strict=True)):
            wrong = self._first_wrong(shot, _others(golds, index))
            if wrong is None:
                raise UsageError(
                    "a tournament's examples each show a right and a wrong response, and "
                    f"--shots {len(shots)} of {self.name} give no wrong one; "
                    "use --shots 0, or more of them"
                )
            right = (gold, self.check(shot, gold))
            examples.append((shot, right, (wrong, self.check(shot, wrong))))
        return examples

    def _first_wrong(self, problem: Problem, responses: list[str]) -> str | None:
        """Return the first response that both the grade and the check call wrong."""
        for response in responses:
            right = self.grade(response, problem).utility_flexible
            if not right and not self.check(problem, response).correct:
                return response
        return None

    def shots(self, count: int, seed: int) -> list[Problem]:
        """Return ``count`` problems of the training split, as few-shot examples."""
        return self.problems("train", count, seed) if count else []


def gold_text(gold: Gold) -> str:
    """Return a gold answer that is one text or one number. Raises ValueError for any other."""
    if isinstance(gold, bool | list):
        raise ValueError("a text or a number")
    text = gold if isinstance(gold, str) else json.dumps(gold)
    if not text.strip():
        raise ValueError("a text that is not empty")
    return text


def _others(items: list[str], index: int) -> list[str]:
    """Return all items but ``items[index]``, beginning behind it and going round."""
    return [*items[index + 1 :], *items[:index]]


def shuffled(items: Sequence[Item], name: str, seed: int) -> list[Item]:
    """Shuffle by the seed, so that a longer list of problems begins with the shorter one."""
    order = list(range(len(items)))
    random.Random(derive("problems", name, seed)).shuffle(order)
    return [items[index] for index in order]


def check_split(split: str) -> None:
    """Raise UsageError for a split that tasks do not have."""
    if split not in SPLITS:
        raise UsageError(f"split {split!r} does not exist; expected one of {', '.join(SPLITS)}")


def split_of(held_out_share: float, *name: str | int) -> str:
    """Return the split of a problem, from a hash of its name: the same in every list and run."""
    return "test" if fraction("held out", *name) < held_out_share else "train"


def mark(holds: bool) -> str:
    """Return the letter that a written check puts behind a statement: y or n."""
    return "y" if holds else "n"


def draw_distinct(
    draw: Callable[[random.Random], Problem], name: str, split: str, count: int, seed: int
) -> list[Problem]:
    """Return the first ``count`` different problems of ``split`` that ``draw`` yields, in order.

    A longer list begins with the shorter one. Raises UsageError after PATIENCE draws without a new
    problem.
    """
    return list(_drawn(draw, name, split, count, seed))


@lru_cache(maxsize=64)
def _drawn(
    draw: Callable[[random.Random], Problem], name: str, split: str, count: int, seed: int
) -> tuple[Problem, ...]:
    check_split(split)
    rng = random.Random(derive("problems", name, seed))
    problems: dict[str, Problem] = {}
    draws_without_new = 0
    while len(problems) < count:
        problem = draw(rng)
        if problem.split == split and problem.id not in problems:
            problems[problem.id] = problem
            draws_without_new = 0
        else:
            draws_without_new += 1
        if draws_without_new == PATIENCE:
            raise UsageError(
                f"asked for {count} {split} problems, but only {len(problems)} different ones "
                "could be drawn; ask for fewer"
            )
    return tuple(problems.values())
