"""Kill and resume ``strop gap`` many times, and compare with a run that was not disturbed.

    python tests/kill_resume.py [--kills 10] [--seed 0] [strop gap options]

By default it kills the default run on arithmetic ten times. ``tests/run/test_resume.py`` uses the
same functions on a small run. One kill falls at a random moment of each of equal stretches of the
run, counted in written parts. A further random wait lets kills fall inside a part or a write.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import polars as pl

TIMEOUT = 600


def start(arguments: Sequence[str], out: Path) -> subprocess.Popen[str]:
    """``strop gap`` in a process of its own."""
    command = [sys.executable, "-m", "strop", "gap", *arguments, "--out", str(out)]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"COLUMNS": "140"},
    )


def finish(arguments: Sequence[str], out: Path) -> None:
    """Run to the end."""
    process = start(arguments, out)
    _, errors = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0, errors


def parts_of(out: Path) -> list[Path]:
    """All parts that are whole."""
    return sorted(path for path in out.rglob("part-*.parquet") if not path.name.startswith("."))


def kill_when(process: subprocess.Popen[str], out: Path, parts: int, wait: float) -> bool:
    """Send SIGKILL once ``parts`` parts exist and ``wait`` seconds have passed.

    Return False if the run ended before.
    """
    while process.poll() is None and len(parts_of(out)) < parts:
        time.sleep(0.002)
    deadline = time.monotonic() + wait
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    alive = process.poll() is None
    process.send_signal(signal.SIGKILL) if alive else None
    process.communicate(timeout=TIMEOUT)
    return alive


def kill_often(arguments: Sequence[str], out: Path, total_parts: int, kills: int, seed: int) -> int:
    """Start and kill ``kills`` times, then run to the end. Return how many kills hit a living run.

    Parts that exist must never change.
    """
    rng = random.Random(seed)
    landed, before = 0, dict[Path, bytes]()
    for number in range(kills):
        # The last stretch lies in measuring and reporting, when all parts exist.
        parts = int((number + rng.random()) / kills * (total_parts + 1))
        landed += kill_when(start(arguments, out), out, parts, rng.random() * 0.3)
        now = {path: path.read_bytes() for path in parts_of(out)}
        assert before.items() <= now.items(), "a part that stood was changed or lost"
        before = now
    finish(arguments, out)
    return landed


def rows(out: Path) -> dict[str, pl.DataFrame]:
    """Every stage's rows, in the order of the parts."""
    stages: dict[str, list[pl.DataFrame]] = {}
    for path in parts_of(out):
        stages.setdefault(str(path.parent.relative_to(out)), []).append(pl.read_parquet(path))
    return {stage: pl.concat(frames) for stage, frames in stages.items()}


def assert_same_rows(left: Path, right: Path) -> None:
    """Same rows in the same order, none lost, none twice."""
    one, other = rows(left), rows(right)
    assert one.keys() == other.keys()
    for stage, frame in one.items():
        assert frame.equals(other[stage], null_equal=True), f"{stage} differs"
        keys = [name for name in ("problem", "sample", "draw") if name in frame.columns]
        assert not frame.select(keys).is_duplicated().any(), f"{stage} holds a row twice"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options, arguments = parser.parse_known_args()
    arguments = arguments or ["--task", "arithmetic"]
    with tempfile.TemporaryDirectory() as folder:
        alone, killed = Path(folder, "alone"), Path(folder, "killed")
        finish(arguments, alone)
        landed = kill_often(arguments, killed, len(parts_of(alone)), options.kills, options.seed)
        assert_same_rows(alone, killed)
        counts = {stage: frame.height for stage, frame in rows(killed).items()}
        print(
            f"{landed} of {options.kills} kills hit a living run; "
            f"rows identical to the run left alone: {counts}"
        )


if __name__ == "__main__":
    main()
