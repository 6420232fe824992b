"""Rounds of self-improvement ("Mind the Gap", Algorithm 1, section 5 and Figure 4): does it help, when does it stop, what does it cost?

The gap of the model's own verification and of the frozen base model's; accuracy and pass@k, round by round; and the controls: filtering by
what is right, and by a fixed larger verifier.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from strop.api import find_task
from strop.course import Course
from strop.studies.base import Study
from strop.tasks import Task

PLAIN = "own"
SIZES: dict[str, Any] = {"train_problems": 800, "train_samples": 8, "problems": 200, "samples": 16}


@dataclass(frozen=True)
class ImprovementStudy(Study):
    """``tasks`` run with every control; those of ``alone`` with the model's own verification only. ``judge`` is the fixed verifier."""

    model: str = "ladder/125k"
    tasks: tuple[str | Task, ...] = ("arithmetic", "sudoku4")
    alone: tuple[str | Task, ...] = ("signs",)
    judge: str = "ladder/400k"
    rounds: int = 4
    seeds: int = 3
    sizes: dict[str, Any] = field(default_factory=lambda: dict(SIZES))

    name: ClassVar[str] = "improvement"
    description: ClassVar[str] = "rounds of self-improvement: gaps, accuracy and pass@k, with an oracle and a fixed verifier as controls"

    @classmethod
    def quick(cls) -> ImprovementStudy:
        small = {"train_problems": 64, "train_samples": 4, "problems": 32, "samples": 8}
        return cls(model="ladder/40k", tasks=("recall",), alone=(), judge="ladder/125k", rounds=2, seeds=2, sizes=small)

    def courses(self) -> dict[tuple[str, str], list[Course]]:
        """By task and arm, one for each seed."""
        controls: dict[str, dict[str, Any]] = {PLAIN: {}, "oracle": {"filter_by": "oracle"}, "fixed": {"verify_with": self.judge}}
        found = {}
        for task in (*self.tasks, *self.alone):
            for arm, settings in controls.items() if task in self.tasks else [(PLAIN, controls[PLAIN])]:
                found[find_task(task).label, arm] = [self._course(task, seed, settings) for seed in range(self.seeds)]
        return found

    def _course(self, task: str | Task, seed: int, settings: dict[str, Any]) -> Course:
        return Course(self.model, find_task(task), "rft", self.rounds, seed=seed, **self.sizes, **settings)


__all__: Sequence[str] = ["PLAIN", "SIZES", "ImprovementStudy"]
