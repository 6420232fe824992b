"""Throughput of two workers of a Ray cluster against one, of one core and one thread each, in turn, as ratios.

Run it with  python benchmarks/cluster.py [MODEL] [ROUNDS]  on two cores with nothing else to do. All stages of a run count, from
when a stage begins until its last part stands in the run folder; starting Ray, loading the model and measuring do not.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import ray

import strop
from strop.cluster import RayCluster
from strop.engines import DEFAULT_MODEL
from strop.records import Usage

PROBLEMS, SAMPLES = 320, 32  # 20 parts
LEAST = 1.6


class Clock:
    """Adds up what the stages took."""

    def __init__(self) -> None:
        self.seconds, self.tokens, self._begun = 0.0, 0, 0.0

    def begin(self, stage: str, total: int, done: int) -> None:
        self._begun = time.perf_counter()

    def advance(self, usage: Usage) -> None:
        now = time.perf_counter()
        self.seconds, self._begun = self.seconds + now - self._begun, now
        self.tokens += usage.prompt_tokens + usage.generated_tokens


def rate(model: str, cluster: RayCluster) -> float:
    """Tokens per second of one run."""
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        strop.gap(
            model,
            "arithmetic",
            problems=PROBLEMS,
            samples=SAMPLES,
            out=Path(folder) / "run",
            workers=cluster,
            watcher=clock,
        )
    return clock.tokens / clock.seconds


def main() -> None:
    model = sys.argv[1] if len(sys.argv) > 1 else DEFAULT_MODEL
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    ray.init(
        address="local", num_cpus=3, include_dashboard=False, log_to_driver=False
    )  # the workers that wait cost nothing
    with RayCluster(workers=1) as one, RayCluster(workers=2) as two:
        pairs = [(rate(model, one), rate(model, two)) for _ in range(rounds + 1)][
            1:
        ]  # the first round warms up
    ratios = sorted(both / alone for alone, both in pairs)
    print(
        f"{model}: {PROBLEMS} problems x {SAMPLES} samples, two verifiers, {rounds} rounds; medians, and ratios round by round"
    )
    print(f"{statistics.median(alone for alone, _ in pairs):>9,.0f} tok/s   one worker")
    spread = f"{statistics.median(ratios):.2f}x [{ratios[0]:.2f}, {ratios[-1]:.2f}]"
    print(
        f"{statistics.median(both for _, both in pairs):>9,.0f} tok/s   two workers: {spread}, expected at least {LEAST}x"
    )


if __name__ == "__main__":
    main()
