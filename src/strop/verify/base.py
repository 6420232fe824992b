"""What does the model think?

A verifier scores responses without ever seeing a reference: problems reach it blind. Prompted verifiers (mc, cot-binary, cot-score)
ask a model, the generator itself or another; "Mind the Gap", Appendix A, names them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, cast

from strop.engines.base import Engine
from strop.records import Problem, Prompt, Sampling, Score, Usage
from strop.tasks.base import Task


@dataclass(frozen=True, slots=True)
class Candidate:
    """One response to be judged; ``problem`` is blind. ``seed`` belongs to this problem, sample and draw alone."""

    problem: Problem
    text: str
    seed: int


@dataclass(frozen=True, slots=True)
class Bench:
    """What a verifier works with: the task (for its wording and examples), a loaded model, examples, and how to sample."""

    task: Task
    engine: Engine
    shots: list[Problem]
    sampling: Sampling


@dataclass(frozen=True, slots=True)
class Verdicts:
    """``scores[i]`` judges ``candidates[i]``."""

    scores: list[Score]
    usage: Usage


class Verifier(ABC):
    """Scores responses; higher is better. Subclasses are frozen dataclasses.

    ``pointwise``: the score of a response does not depend on the other responses. ``samples_text``: the model
    writes a verification, and so costs generated tokens. ``default_weight``: what the papers use with it.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    default_weight: ClassVar[str]
    pointwise: ClassVar[bool] = True
    samples_text: ClassVar[bool] = True

    @abstractmethod
    def prompt(self, task: Task, problem: Problem, response: str, shots: list[Problem]) -> Prompt:
        """The question put to the model about one response."""

    @abstractmethod
    def score(self, candidates: Sequence[Candidate], bench: Bench) -> Verdicts:
        """A score for each candidate, in order."""

    def prompts(self, candidates: Sequence[Candidate], bench: Bench) -> list[Prompt]:
        """The questions about these candidates."""
        return [self.prompt(bench.task, item.problem, item.text, bench.shots) for item in candidates]

    def settings(self) -> dict[str, Any]:
        """What its scores depend on: its class and hyper-parameters. A stored score is never taken for another verifier's."""
        own = {f.name: getattr(self, f.name) for f in fields(cast(Any, self))}
        return {"class": type(self).__qualname__} | own

    def describe(self) -> dict[str, str]:
        """What the run record says of it."""
        return {"verifier": self.name, "description": self.description, "default_weight": self.default_weight}
