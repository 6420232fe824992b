"""What is asked of a run, as a value that can be stored and read back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, cast

from strop.errors import StoreError, UsageError
from strop.prompts import stop_strings
from strop.records import Problem, Sampling
from strop.run.store import PART_PROBLEMS
from strop.seeds import derive
from strop.tasks import ELSEWHERE, TASKS, Task
from strop.verify import PromptedVerifier, Verifier

SHOTS_SEED = 0


LATER = (("split", "test"), ("adaptive", None))
"""Settings that came later, and what they are where a run's record does not name them."""


@dataclass(frozen=True)
class Part:
    """The problems whose rows are made and stored together."""

    number: int
    problems: Sequence[Problem]


@dataclass(frozen=True)
class Plan:
    """What is asked of a run: everything that its stored rows depend on."""

    model: str
    task: Task
    problems: int = 200
    samples: int = 32
    shots: int = 0
    temperature: float = 0.7
    top_p: float = 0.9
    max_tokens: int | None = None
    seed: int = 0
    revision: str | None = None
    split: str = "test"
    adaptive: float | None = None
    """The delta of adaptive best-of-N; ``samples`` is then the most that a problem gets."""

    def __post_init__(self) -> None:
        for name, low in (("problems", 1), ("samples", 1), ("shots", 0), ("max_tokens", 1)):
            value = getattr(self, name)
            if value is not None and value < low:
                raise UsageError(f"--{name.replace('_', '-')} {value}: expected {low} or more")
        if self.temperature != 0 and not 0.01 <= self.temperature <= 10:
            raise UsageError(
                f"--temperature {self.temperature:g}: expected 0 (greedy), or a number from 0.01 to 10"
            )
        if not 0 < self.top_p <= 1:
            raise UsageError(f"--top-p {self.top_p:g}: expected a number above 0 and up to 1")
        if self.adaptive is not None and (self.temperature, self.top_p) != (1, 1):
            raise UsageError(
                "--adaptive stops by probabilities at temperature 1, top-p 1; leave --temperature and --top-p as they are"
            )

    def as_record(self) -> dict[str, Any]:
        """As JSON, for the run record."""
        own = {
            name: value
            for name, value in self.__dict__.items()
            if name != "task" and (name, value) not in LATER
        }
        settings: dict[str, Any] = json.loads(
            json.dumps({f.name: getattr(self.task, f.name) for f in fields(cast(Any, self.task))})
        )
        return own | {
            "task": self.task.name,
            "task_class": type(self.task).__qualname__,
            "task_settings": settings,
        }

    @classmethod
    def from_record(cls, asked: dict[str, Any], task: Task | None = None) -> Plan:
        """Back from the run record; ``task`` is the instance itself, where TASKS does not know it."""
        try:
            settings = {
                key: tuple(value) if isinstance(value, list) else value
                for key, value in asked["task_settings"].items()
            }
            own = {
                f.name: asked[f.name]
                for f in fields(cls)
                if f.name != "task" and f.name not in dict(LATER)
            }
            own |= {name: asked.get(name, usual) for name, usual in LATER}
            return cls(task=task or (TASKS | ELSEWHERE)[asked["task"]](**settings), **own)
        except (KeyError, TypeError, AttributeError) as error:
            reason = f"{type(error).__name__}: {error}"
            raise StoreError(
                f"run.json cannot be understood ({reason}); it was changed, or written by another strop: restore it"
            ) from None

    def sampling(self) -> Sampling:
        """How responses are drawn."""
        return Sampling(
            self.temperature,
            self.top_p,
            self.max_tokens or self.task.max_tokens,
            stop_strings(self.task, self.shots),
        )

    def verification_sampling(self, verifier: Verifier) -> Sampling:
        """How verifications are drawn: where a question shows two responses, the task's limit counts twice.

        What ends a response of the task does not end a check of it: natural-questions answers in a line, and a verdict has its own.
        """
        shown = verifier.shown if isinstance(verifier, PromptedVerifier) else 1
        longest = self.max_tokens or shown * self.task.verification_max_tokens
        return replace(self.sampling(), max_tokens=longest, stop=verifier.stop_strings(self.shots))

    def draw_problems(self) -> list[Problem]:
        """The split's problems; of the training split, none that an example shows with its answer."""
        seed = derive(self.seed, "problems")
        if self.split == "test":
            return self.task.problems("test", self.problems, seed)
        shown = {shot.question for shot in self.draw_shots()}
        found = self.task.problems(self.split, self.problems + len(shown), seed)
        return [problem for problem in found if problem.question not in shown][: self.problems]

    def draw_shots(self) -> list[Problem]:
        return self.task.shots(self.shots, SHOTS_SEED)

    @property
    def bootstrap_seed(self) -> int:
        return derive(self.seed, "bootstrap")

    @property
    def parts(self) -> int:
        return -(-self.problems // PART_PROBLEMS)

    def divide(self, problems: Sequence[Problem]) -> list[Part]:
        return [
            Part(number, problems[number * PART_PROBLEMS : (number + 1) * PART_PROBLEMS])
            for number in range(self.parts)
        ]
