"""Throughput of two workers of a Ray cluster against one, as ratios; each has one core and thread.

Run it with  python benchmarks/cluster.py [MODEL] [ROUNDS]  on two cores that are otherwise idle.
All stages of a run count, from the start of a stage until its last part is in the run folder.
Starting Ray, loading the model and measuring do not.
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
    """A watcher that adds up the time of the stages."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.tokens = 0
        self._since = 0.0

    def begin(self, stage: str, total: int, done: int) -> None:
        self._since = time.perf_counter()

    def advance(self, usage: Usage) -> None:
        now = time.perf_counter()
        self.seconds += now - self._since
        self._since = now
        self.tokens += usage.prompt_tokens + usage.generated_tokens


def rate(model: str, cluster: RayCluster) -> float:
    """Return the tokens per second of one run."""
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
    # Three workers in all; those that wait take no time of the others.
    ray.init(address="local", num_cpus=3, include_dashboard=False, log_to_driver=False)
    one_rates, two_rates = [], []
    with RayCluster(workers=1) as one, RayCluster(workers=2) as two:
        for number in range(rounds + 1):
            rates = rate(model, one), rate(model, two)
            if number:  # the first round warms up
                one_rates.append(rates[0])
                two_rates.append(rates[1])
    ratios = sorted(both / alone for alone, both in zip(one_rates, two_rates, strict=True))
    print(
        f"{model}: {PROBLEMS} problems x {SAMPLES} samples, two verifiers, {rounds} rounds; "
        "medians, and ratios round by round"
    )
    spread = f"{statistics.median(ratios):.2f}x [{ratios[0]:.2f}, {ratios[-1]:.2f}]"
    print(f"{statistics.median(one_rates):>9,.0f} tok/s   one worker")
    print(
        f"{statistics.median(two_rates):>9,.0f} tok/s   two workers: {spread}, "
        f"expected at least {LEAST}x"
    )


if __name__ == "__main__":
    main()
