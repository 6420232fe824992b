"""A killed fit ends with the same weights, and two processes end with the weights of one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from safetensors.torch import load_file

from tests.small_fit import CHECKPOINT_EVERY, STEPS, fit_small

torch.set_num_threads(1)
SCRIPT = Path(__file__).parents[1] / "small_fit.py"
TIMEOUT = 120
FITS = {"sft": 0, "rpo": 0, "reward-dpo": 4, "xpo": 0}


def start(command: Sequence[str]) -> subprocess.Popen[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )


@pytest.mark.parametrize(("name", "rank"), [("sft", 0), ("rpo", 0), ("xpo", 4)])
def test_a_killed_fit_ends_with_the_same_weights(name: str, rank: int, tmp_path: Path) -> None:
    killed, alone = tmp_path / "killed" / name, fit_small(tmp_path / "alone", name, rank)
    process = start([str(SCRIPT), str(tmp_path / "killed"), f"{name}:{rank}"])
    done = killed / "fit" / f"checkpoint-{2 * CHECKPOINT_EVERY}" / "done"
    deadline = time.monotonic() + TIMEOUT
    while process.poll() is None and not done.exists() and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    output, _ = process.communicate(timeout=TIMEOUT)
    assert done.exists() and not (killed / "training.json").exists(), (
        f"killed too late or too early: {output}"
    )
    torn = killed / "fit" / f"checkpoint-{STEPS - 1}"
    torn.mkdir()
    (torn / "model.safetensors").write_bytes(b"half of it")
    fit_small(killed, name, rank)
    assert (killed / "model.safetensors").read_bytes() == (alone / "model.safetensors").read_bytes()
    one, other = (json.loads((folder / "training.json").read_text()) for folder in (alone, killed))
    curve = [
        [(step["step"], step["loss"], step["learning_rate"]) for step in record["steps"]]
        for record in (one, other)
    ]
    assert curve[0] == curve[1] and len(curve[0]) == STEPS
    assert not (killed / "fit").exists()


def test_two_processes_come_to_the_weights_of_one(tmp_path: Path) -> None:
    """Each of two processes takes half of every batch; one process takes the halves in turn."""
    launcher = [
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        str(SCRIPT),
        str(tmp_path / "two"),
    ]
    process = start([*launcher, *(f"{name}:{rank}:1:8" for name, rank in FITS.items())])
    output, _ = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0, output
    for name, rank in FITS.items():
        folder = fit_small(tmp_path / "one" / name, name, rank, accumulation=2, steps=8)
        one, two = (
            load_file(path / "model.safetensors") for path in (folder, tmp_path / "two" / name)
        )
        worst = max(float((one[key] - two[key]).abs().max()) for key in one)
        assert one.keys() == two.keys() and worst < 1e-6, f"{name}: a weight differs by {worst}"
        record = json.loads((tmp_path / "two" / name / "training.json").read_text())
        assert record["processes"] == 2 and len(record["steps"]) == 8
        assert record["tokens"] == json.loads((folder / "training.json").read_text())["tokens"]
