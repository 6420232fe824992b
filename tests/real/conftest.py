"""Fixtures of the tests on two real models: their folders, engines, and a llama.cpp server.

They need packages that strop itself does not: `make test-real` makes an environment with them. The
ordinary `pytest` leaves this folder out (norecursedirs in pyproject.toml). If the folder is given
by its path, it is collected, and without the packages it fails rather than skips.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from strop.engines.transformers import TransformersEngine
from tests.real.data import source
from tests.real.models import GEMMA3, SMOLLM2, gguf_file, hf_folder

START_LIMIT = 120.0


def pytest_report_header() -> str:
    return f"rows: {source('gsm8k')}, {source('natural-questions')}"


@pytest.fixture(scope="session")
def smollm2() -> str:
    """The folder of SmolLM2-135M-Instruct."""
    return str(hf_folder(SMOLLM2))


@pytest.fixture(scope="session")
def gemma3() -> str:
    """The folder of Gemma 3 270M, a base model."""
    return str(hf_folder(GEMMA3))


@pytest.fixture(scope="module")
def smollm2_engine(smollm2: str) -> TransformersEngine:
    return TransformersEngine(smollm2)


@pytest.fixture(scope="module")
def gemma3_engine(gemma3: str) -> TransformersEngine:
    return TransformersEngine(gemma3)


@pytest.fixture(scope="session")
def llama_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of SmolLM2 on a llama.cpp server: openai:NAME@URL."""
    path = gguf_file(SMOLLM2)
    port = free_port()
    log = tmp_path_factory.mktemp("llama") / "log.txt"
    program = Path(__file__).with_name("llama_server.py")
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, str(program), str(path), str(port)],
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for_health(process, port, log)
        yield f"openai:{path}@http://127.0.0.1:{port}/v1"
    finally:
        process.kill()
        process.wait()


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
    pytest.fail(f"llama.cpp's server did not start:\n{log.read_text(errors='replace')[-4000:]}")
