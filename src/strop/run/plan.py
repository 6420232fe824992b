"""The plan of a run: every setting that its stored rows depend on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, cast

from strop.errors import StoreError, UsageError
from strop.prompts import solution_prompt, stop_strings
from strop.records import Problem, Prompt, Sampling, blind
from strop.run.store import PART_PROBLEMS
from strop.seeds import derive
from strop.tasks import ELSEWHERE, TASKS, Dataset, Task
from strop.verify import PromptedVerifier, Verifier

SHOTS_SEED = 0
ADDED_FIELDS = {"split": "test", "adaptive": None}
"""Fields added after format 1, with the value assumed for older records. A record names them only
where their value is another one, so that default runs keep their folders."""
VERIFY_LIMIT = "verify_max_tokens"
"""Added too. A record without it has one limit for responses and verifications: ``max_tokens``."""
PARTS = "part_problems"
SMALLEST = {"problems": 1, "samples": 1, "shots": 0, "max_tokens": 1, VERIFY_LIMIT: 1}


@dataclass(frozen=True)
class Part:
    """The problems whose rows are made and stored together."""

    number: int
    problems: Sequence[Problem]


@dataclass(frozen=True)
class Plan:
    """The settings of a run. Runs with equal plans have equal rows."""

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
    verify_max_tokens: int | None = None
    """The most tokens of a verification. None: as ``verification_limit`` says."""
    part_problems: int = field(default=PART_PROBLEMS, compare=False)
    """The problems of a part. Rows do not depend on it; run.json names it outside of the plan."""

    def __post_init__(self) -> None:
        for name, smallest in SMALLEST.items():
            value = getattr(self, name)
            if value is not None and value < smallest:
                option = name.replace("_", "-")
                raise UsageError(f"--{option} {value}: expected {smallest} or more")
        if self.temperature != 0 and not 0.01 <= self.temperature <= 10:
            raise UsageError(
                f"--temperature {self.temperature:g}: expected 0 (greedy), "
                "or a number from 0.01 to 10"
            )
        if not 0 < self.top_p <= 1:
            raise UsageError(f"--top-p {self.top_p:g}: expected a number above 0 and up to 1")
        if self.adaptive is not None and (self.temperature, self.top_p) != (1, 1):
            raise UsageError(
                "--adaptive stops by probabilities at temperature 1, top-p 1; "
                "leave --temperature and --top-p as they are"
            )

    @classmethod
    def fitting(cls, model: str, task: Task, **settings: Any) -> Plan:
        """Build a plan, with all problems of a file that has fewer than the default number.

        Another number than the default was asked for, and the task refuses it if it has fewer.
        """
        plan = cls(model, task, **settings)
        is_default = plan.problems == cls.problems and plan.split == "test"
        if not is_default or not isinstance(task, Dataset) or task.data is None:
            return plan
        return replace(plan, problems=min(plan.problems, task.size("test")) or plan.problems)

    # --- record ---

    def as_record(self) -> dict[str, Any]:
        """Return the plan as JSON, for run.json."""
        record: dict[str, Any] = {}
        for name, value in self.__dict__.items():
            is_assumed = name in ADDED_FIELDS and value == ADDED_FIELDS[name]
            if name == VERIFY_LIMIT:
                is_assumed = value == self.max_tokens
            if name not in ("task", PARTS) and not is_assumed:
                record[name] = value
        settings = {
            setting.name: getattr(self.task, setting.name)
            for setting in fields(cast(Any, self.task))
        }
        record["task"] = self.task.name
        record["task_class"] = type(self.task).__qualname__
        record["task_settings"] = json.loads(json.dumps(settings))  # tuples become lists
        return record

    @classmethod
    def from_record(cls, asked: dict[str, Any], task: Task | None = None) -> Plan:
        """Read the plan from run.json. Pass ``task`` if the task is not one of strop's own."""
        try:
            values: dict[str, Any] = {
                setting.name: asked[setting.name]
                for setting in fields(cls)
                if setting.name not in ("task", PARTS, VERIFY_LIMIT, *ADDED_FIELDS)
            }
            added: dict[str, Any] = {
                name: asked.get(name, assumed) for name, assumed in ADDED_FIELDS.items()
            }
            added[VERIFY_LIMIT] = asked.get(VERIFY_LIMIT, asked["max_tokens"])
            return cls(task=task or _task_from_record(asked), **values, **added)
        except (KeyError, TypeError, AttributeError) as error:
            reason = f"{type(error).__name__}: {error}"
            raise StoreError(
                f"run.json cannot be understood ({reason}); it was changed, "
                "or written by another version of strop: restore it"
            ) from None

    # --- sampling ---

    def sampling(self) -> Sampling:
        """Return the settings with which responses are drawn."""
        return Sampling(
            self.temperature,
            self.top_p,
            self.max_tokens or self.task.max_tokens,
            stop_strings(self.task, self.shots),
        )

    def verification_sampling(self, verifier: Verifier, max_tokens: int | None = None) -> Sampling:
        """Return the settings with which verifications are drawn.

        The task's stop strings do not apply: a response to natural-questions is one line, a
        verification is not.
        """
        limit = self.verification_limit(type(verifier), max_tokens)
        stop = verifier.stop_strings(self.shots)
        return replace(self.sampling(), max_tokens=limit, stop=stop)

    def verification_limit(self, verifier: type[Verifier], max_tokens: int | None = None) -> int:
        """Return the most tokens of a verification.

        That is ``max_tokens``, by default the plan's ``verify_max_tokens``, and without that the
        task's, twice for a question about two responses. The limit of responses does not apply: a
        short answer needs a long check.
        """
        shown = verifier.shown if issubclass(verifier, PromptedVerifier) else 1
        return max_tokens or self.verify_max_tokens or shown * self.task.verification_max_tokens

    # --- problems ---

    def draw_problems(self) -> list[Problem]:
        """Return the run's problems. Training problems never repeat the question of an example."""
        seed = derive(self.seed, "problems")
        if self.split == "test":
            return self.task.problems("test", self.problems, seed)
        shown = {shot.question for shot in self.draw_shots()}
        candidates = self.task.problems(self.split, self.problems + len(shown), seed)
        unseen = [problem for problem in candidates if problem.question not in shown]
        return unseen[: self.problems]

    def draw_shots(self) -> list[Problem]:
        """Return the few-shot examples."""
        return self.task.shots(self.shots, SHOTS_SEED)

    def solution_prompts(self, problems: Sequence[Problem]) -> list[Prompt]:
        """Return the prompt of every problem, without its reference."""
        shots = self.draw_shots()
        return [solution_prompt(self.task, blind(problem), shots) for problem in problems]

    @property
    def bootstrap_seed(self) -> int:
        return derive(self.seed, "bootstrap")

    @property
    def parts(self) -> int:
        """The number of parts."""
        return -(-self.problems // self.part_problems)  # rounded up

    def divide(self, problems: Sequence[Problem]) -> list[Part]:
        """Divide the problems into parts."""
        return [
            Part(number, problems[number * self.part_problems : (number + 1) * self.part_problems])
            for number in range(self.parts)
        ]


def _task_from_record(asked: dict[str, Any]) -> Task:
    settings = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in asked["task_settings"].items()
    }
    return (TASKS | ELSEWHERE)[asked["task"]](**settings)
