"""A course that was killed with SIGKILL ends with the numbers of one that was not."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

COURSE = """
import sys
from strop.improvement.course import Course
from strop.improvement.rounds import improve
from strop.tasks import Recall

settings = {"steps": 24, "batch_size": 8, "checkpoint_every": 2}
course = Course(
    "ladder/25k",
    Recall(),
    filter_by="mc",
    rounds=2,
    train_problems=48,
    problems=32,
    samples=8,
    settings=settings,
)
improve(course, out=sys.argv[1])
"""
KILLS = {
    "sampling": "round-0/train/responses/part-00000.parquet",
    "training": "round-1/model/fit/checkpoint-*/done",
    "between rounds": "round-1/model/training.json",
    "the second round": "round-2/model/fit/checkpoint-*/done",
}
"""Killed as soon as this exists."""


def begun(out: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", COURSE, str(out)], stderr=subprocess.DEVNULL)


def numbers(out: Path) -> Any:
    """All that improve.json holds, but for places and seconds."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                name: plain(one)
                for name, one in value.items()
                if name not in ("seconds", "run", "model")
            }
        return [plain(one) for one in value] if isinstance(value, list) else value

    return plain(json.loads((out / "improve.json").read_text()))


@pytest.mark.xdist_group("killed")
def test_a_killed_course_ends_with_the_same_numbers(tmp_path: Path) -> None:
    whole = begun(tmp_path / "whole")
    killed = []
    for stage, pattern in KILLS.items():
        process = begun(tmp_path / "killed")
        while not any((tmp_path / "killed").glob(pattern)) and process.poll() is None:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        killed += [stage] if process.wait() == -signal.SIGKILL else []
    assert killed == list(KILLS), "each process was to be killed before it was done"
    assert begun(tmp_path / "killed").wait() == 0 and whole.wait() == 0
    assert numbers(tmp_path / "killed") == numbers(tmp_path / "whole")
    for number in (1, 2):
        one, other = (
            load_file(tmp_path / name / f"round-{number}" / "model" / "model.safetensors")
            for name in ("whole", "killed")
        )
        assert all(np.array_equal(one[name], other[name]) for name in one)
