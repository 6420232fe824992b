"""Tests of run/loop and executors: kills, interrupts and workers never change the rows."""

from __future__ import annotations

import resource
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.kill_resume import TIMEOUT, assert_same_rows, finish, kill_often, parts_of, rows, start

ASKED = [
    "--model",
    "ladder/40k",
    "--task",
    "arithmetic",
    "--problems",
    "40",
    "--samples",
    "8",
    "--verifier",
    "mc",
    "--verifier",
    "cot-binary",
]
PARTS = 4 * 3  # responses, greedy and two verifiers, 40 problems in parts of 16


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nobody disturbed, by one worker."""
    out = tmp_path_factory.mktemp("alone") / "run"
    finish([*ASKED, "--workers", "1"], out)
    assert len(parts_of(out)) == PARTS
    assert {stage: frame.height for stage, frame in rows(out).items()} == {
        "responses": 320,
        "greedy": 40,
        "scores/mc": 320,
        "scores/cot-binary": 320,
    }
    return out


def test_killed_and_resumed_three_times(alone: Path, tmp_path: Path) -> None:
    """SIGKILL at random moments loses nothing and changes nothing."""
    assert kill_often([*ASKED, "--workers", "1"], tmp_path / "run", PARTS, kills=3, seed=1) >= 1
    assert_same_rows(alone, tmp_path / "run")
    assert not list((tmp_path / "run").rglob("*.partial"))


def test_workers_do_not_matter(alone: Path, tmp_path: Path) -> None:
    """One worker or two: the same rows."""
    finish([*ASKED, "--workers", "2"], tmp_path / "run")
    assert_same_rows(alone, tmp_path / "run")


def test_interrupt_says_how_to_go_on(alone: Path, tmp_path: Path) -> None:
    """SIGINT gives exit code 130 and prints the command that resumes, which then finishes."""
    out = tmp_path / "a run's folder"  # with what a shell would trip over
    process = start(ASKED, out)
    while process.poll() is None and not parts_of(out):
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    said = errors.strip().splitlines()[-1]
    assert said.startswith("strop: interrupted")
    command = shlex.split(said.split("To go on:")[1])
    assert command[0] == "strop"
    again = subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, timeout=TIMEOUT
    )
    assert again.returncode == 0, again.stderr
    assert_same_rows(alone, out)


def test_disk_full_at_the_end(alone: Path, tmp_path: Path) -> None:
    """A full disk at the report gives one line and exit code 2; every part is kept.

    RLIMIT_FSIZE makes the system refuse the write.
    """
    limit = (
        max(path.stat().st_size for path in parts_of(alone)) + 1_000
    )  # a part's size varies by the digits of the seconds it took
    assert limit < (alone / "report.html").stat().st_size
    out = tmp_path / "run"
    command = [sys.executable, "-m", "strop", "gap", *ASKED, "--out", str(out)]

    def limit_files() -> None:
        """Limit the file size. Python ignores SIGXFSZ, so a longer write fails with EFBIG."""
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    full = subprocess.run(
        command, capture_output=True, text=True, timeout=TIMEOUT, preexec_fn=limit_files
    )
    assert full.returncode == 2 and "Traceback" not in full.stderr, full.stderr
    said = [line for line in full.stderr.splitlines() if line.startswith("strop:")]
    assert len(said) == 1 and "cannot write" in said[0] and "File too large" in said[0]
    assert not list(out.rglob("*.partial"))
    stood = {path: path.stat().st_mtime_ns for path in parts_of(out)}
    assert len(stood) == PARTS
    finish(ASKED, out)
    assert {path: path.stat().st_mtime_ns for path in parts_of(out)} == stood
    assert_same_rows(alone, out)
