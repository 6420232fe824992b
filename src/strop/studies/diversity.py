"""Can diversity be kept (an open question of "Mind the Gap")? Options of rft, one at a time, against plain rft.

All train in large steps, in which plain rft gains accuracy and loses pass@K; a smaller step is one of the options. The option that does
best is chosen on these seeds, and judged on fresh seeds, which draw fresh problems.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from strop.api import find_task
from strop.course import Course
from strop.harvest import Keeping
from strop.replay import Replay
from strop.studies.base import Study
from strop.studies.improvement import SIZES

PLAIN = "plain"
LARGE_STEP = {"learning_rate": 1e-3}
OPTIONS: dict[str, dict[str, Any]] = {
    PLAIN: {},
    "cap": {"keeping": Keeping(cap=2)},
    "distinct": {"keeping": Keeping(distinct="answer")},
    "hard": {"keeping": Keeping(balance="hard")},
    "base": {"replay": (Replay("base", 0.3),)},
    "earlier": {"replay": (Replay("earlier", 0.5),)},
    "verification": {"replay": (Replay("verification", 0.3),)},
    "tilt": {"filter_by": "cot-binary@tilt:1"},
    "kl": {"settings": LARGE_STEP | {"base_kl": 0.3}},
    "warm": {"train_temperature": 1.0},
    "small step": {"settings": {"learning_rate": 3e-4}},
}
"""What each changes: at most two responses of a problem; one of each answer; weights by inverse accuracy as the verifier sees it; a share
of the weight from unfiltered base samples, from earlier rounds, or from verification documents; a tilt in place of the filter; a
divergence from the base model in the loss; training samples at temperature 1; a step size of 3e-4 in place of 1e-3."""


@dataclass(frozen=True)
class DiversityStudy(Study):
    """``options`` are names of OPTIONS, the plain one among them; ``seeds`` choose, as many fresh ones confirm."""

    model: str = "ladder/125k"
    task: str = "arithmetic"
    options: tuple[str, ...] = tuple(OPTIONS)
    rounds: int = 3
    seeds: int = 3
    sizes: dict[str, Any] = field(default_factory=lambda: dict(SIZES))

    name: ClassVar[str] = "diversity"
    description: ClassVar[str] = "pass@1 gained and pass@K lost after rounds of rft, under each option that may keep diversity"

    @classmethod
    def quick(cls) -> DiversityStudy:
        small = {"train_problems": 64, "train_samples": 4, "problems": 32, "samples": 8}
        return cls(model="ladder/40k", task="recall", options=(PLAIN, "base", "kl"), rounds=1, seeds=2, sizes=small)

    def courses(self, option: str, fresh: bool = False) -> list[Course]:
        """One for each seed; ``fresh`` seeds have problems of their own."""
        first = self.seeds if fresh else 0
        return [self._course(option, seed) for seed in range(first, first + self.seeds)]

    def _course(self, option: str, seed: int) -> Course:
        settings: dict[str, Any] = {"settings": LARGE_STEP} | OPTIONS[option]
        return Course(self.model, find_task(self.task), "rft", self.rounds, seed=seed, **self.sizes, **settings)
