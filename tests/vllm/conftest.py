"""Fixtures of the tests against a real vLLM: models, engines, and `vllm serve` on loopback.

They need an environment of their own, since vLLM pins its own torch: `make test-vllm` makes it. The
ordinary `pytest` leaves this folder out (norecursedirs in pyproject.toml). If the folder is given
by its path, it is collected, and without vLLM it fails rather than skips.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# GiB. By default vLLM takes much of the machine's memory.
os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")

from strop.engines import LADDER
from strop.engines.llama import LlamaEngine
from strop.engines.vllm import VllmEngine
from strop.prompts import INCORRECT

MODEL = LADDER / "250k"
SERVED_NAME = "m"
START_LIMIT = 300.0


@pytest.fixture(scope="session")
def folder() -> Path:
    """The embedded model that most tests use."""
    return MODEL


@pytest.fixture(scope="session")
def split_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model with a tokenizer that has " Correct" in one token, " Incorrect" in ten."""
    folder = tmp_path_factory.mktemp("split") / "model"
    shutil.copytree(MODEL, folder)
    path = folder / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    tokenizer["added_tokens"] = [
        token for token in tokenizer["added_tokens"] if token["content"] != INCORRECT
    ]
    path.write_text(json.dumps(tokenizer))
    return folder


@pytest.fixture(scope="session")
def ours(folder: Path) -> LlamaEngine:
    """The same model in the ladder's engine."""
    return LlamaEngine(folder)


@pytest.fixture(scope="session")
def engine(folder: Path) -> VllmEngine:
    return VllmEngine(str(folder))


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path], str]]:
    """Starts `vllm serve` on a model folder, once per folder, and returns its base URL.

    The model is served as "m".
    """
    started: dict[Path, tuple[subprocess.Popen[bytes], str]] = {}

    def start(folder: Path) -> str:
        if folder not in started:
            log = tmp_path_factory.mktemp("server") / "log.txt"
            port = free_port()
            with log.open("wb") as file:
                process = subprocess.Popen(
                    server_command(folder, port), stdout=file, stderr=subprocess.STDOUT
                )
            started[folder] = process, f"http://127.0.0.1:{port}/v1"
            wait_for_health(process, port, log)
        return started[folder][1]

    yield start
    for process, _ in started.values():
        stop(process)


@pytest.fixture(scope="session")
def vllm_server(serve: Callable[[Path], str], folder: Path) -> str:
    """Base URL (.../v1) of a server of ``folder``; the model's name there is "m"."""
    return serve(folder)


def server_command(folder: Path, port: int) -> list[str]:
    """Return the command that `vllm serve` runs.

    `vllm serve` itself looks up the version of a package "vllm", which has another name in the CPU
    build. Chunked prefill is off for the reason given in the vLLM engine: the CPU build fails on a
    seeded request that it reads in two parts.
    """
    return [
        sys.executable,
        "-m",
        "vllm.entrypoints.openai.api_server",
        "--model",
        str(folder),
        "--served-model-name",
        SERVED_NAME,
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--dtype",
        "float32",
        "--enforce-eager",
        "--no-enable-chunked-prefill",
    ]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_health(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Wait until /health answers; fail with the end of the log if the server dies or is slow."""
    limit = time.monotonic() + START_LIMIT
    while time.monotonic() < limit and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    code = process.poll()
    stop(process)
    what = (
        f"did not answer within {START_LIMIT:.0f} s"
        if code is None
        else f"ended with exit code {code}"
    )
    pytest.fail(f"vllm serve {what}; its last lines:\n{log.read_text(errors='replace')[-6000:]}")


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
