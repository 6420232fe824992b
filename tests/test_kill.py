"""A run that is killed and resumed is the run that was never killed: same rows in the same order, none lost, none twice.

``python tests/test_kill.py`` does it with ten kills at the default size.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl

STAGES = ("responses", "greedy", "scores/mc", "scores/cot-binary")


def command(out: Path, problems: int, samples: int, workers: int = 2) -> list[str]:
    options = f"gap --task arithmetic --problems {problems} --samples {samples} --workers {workers} --out".split()
    return [sys.executable, "-m", "strop", *options, str(out)]


def run(arguments: list[str]) -> float:
    """Run to the end; the seconds it took."""
    started = time.monotonic()
    subprocess.run(arguments, check=True, capture_output=True)
    return time.monotonic() - started


def run_killed(arguments: list[str], kills: int, life: float, rng: random.Random) -> int:
    """Start it again and again, killing it at random moments of its ``life``, then let it finish. How often it was really killed."""
    killed = 0
    for _ in range(kills):
        process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(timeout=rng.uniform(0.3, life))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed += 1
    run(arguments)
    return killed


def rows(folder: Path, stage: str) -> pl.DataFrame:
    return pl.concat([pl.read_parquet(path) for path in sorted((folder / stage).glob("part-*.parquet"))])


def assert_same(one: Path, other: Path, count: int) -> None:
    for stage in STAGES:
        ours, theirs = rows(one, stage), rows(other, stage)
        assert ours.equals(theirs), stage
        assert ours.select("problem", "sample").n_unique() == len(ours) == (count if stage != "greedy" else count // ours_per_problem(one))
    assert not list(one.rglob(".*.partial"))


def ours_per_problem(folder: Path) -> int:
    return int(rows(folder, "responses")["sample"].max()) + 1  # type: ignore[arg-type]


def compare(folder: Path, problems: int, samples: int, kills: int, seed: int) -> int:
    """Undisturbed with two workers; killed and resumed; undisturbed with one worker."""
    life = run(command(folder / "whole", problems, samples))
    killed = run_killed(command(folder / "killed", problems, samples), kills, life, random.Random(seed))
    assert_same(folder / "killed", folder / "whole", problems * samples)
    run(command(folder / "single", problems, samples, workers=1))
    assert_same(folder / "single", folder / "whole", problems * samples)
    return killed


def test_killed_and_resumed_is_undisturbed(tmp_path: Path) -> None:
    compare(tmp_path, problems=64, samples=8, kills=3, seed=1)


def test_interrupted_says_how_to_go_on(tmp_path: Path) -> None:
    arguments = command(tmp_path / "run", 200, 32)
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "run" / "responses" / "part-00000.parquet").exists():
        assert process.poll() is None, process.stderr
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and out == ""
    last = err.strip().splitlines()[-1]
    assert "To go on:" in last and str(tmp_path / "run") in last and "Traceback" not in err


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        really = compare(Path(place), problems=200, samples=32, kills=10, seed=int(sys.argv[1]) if len(sys.argv) > 1 else 0)
        print(f"killed {really} times of 10 (the others had finished before their moment came); all rows identical; one worker too")
