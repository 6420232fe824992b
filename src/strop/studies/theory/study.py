"""The theory laboratory: statements of the second paper on small exact worlds (docs/theory.md)."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from strop.studies.frame.base import Study
from strop.studies.frame.findings import write_findings
from strop.studies.theory.findings import first_findings, last_findings
from strop.studies.theory.growth import Grids, growth_findings
from strop.studies.theory.sphere import sphere_finding
from strop.studies.theory.words import INTRODUCTION


@dataclass(frozen=True)
class TheoryStudy(Study):
    """Experiments on the theorems of the sharpening paper.

    Every fitted exponent comes from ``runs`` runs of each learner at ``points`` values of the
    varied quantity; ``sphere_runs`` and ``dimensions`` are those of the experiment on the sphere.
    ``models``, ``trials``, ``bases`` and ``graphs`` count random worlds. ``workers`` processes
    share the runs; 0 stands for one on each core.
    """

    runs: int = 24
    points: int = 5
    sphere_runs: int = 16
    dimensions: tuple[int, ...] = (3, 4, 5, 6, 7, 8, 9, 10, 11, 12)
    models: int = 20_000
    trials: int = 4_000
    bases: int = 2_000
    graphs: int = 300
    workers: int = 0

    name: ClassVar[str] = "theory"
    description: ClassVar[str] = (
        "the sharpening paper's theorems on exact small worlds, with fitted exponents beside the"
        " theory's"
    )
    beyond: ClassVar[str] = "simulations of small exact worlds, which use no model"

    @classmethod
    def quick(cls) -> TheoryStudy:
        return cls(
            runs=6,
            sphere_runs=6,
            dimensions=(3, 4, 5, 6, 7, 8),
            models=3_000,
            trials=1_000,
            bases=200,
            graphs=30,
        )

    def run(self, out: Path, tell: Callable[[str], None]) -> Path:
        workers = self.workers or os.cpu_count() or 1
        findings = [
            *first_findings(self.models, self.trials, tell),
            *growth_findings(self.runs, Grids().first(self.points), workers, tell),
            sphere_finding(self.dimensions, self.sphere_runs, workers, tell),
            *last_findings(self.bases, self.graphs, tell),
        ]
        return write_findings(out, "The theory laboratory", INTRODUCTION, findings, self.name)
