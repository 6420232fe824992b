"""Runs on a real Ray cluster, started here: same rows as without it, even if processes are killed.

Covers executor.py, remote.py, worker.py and open_executor.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import psutil
import pytest

import strop
from strop import errors
from strop.cluster import RayCluster, executor, open_executor
from strop.cluster.worker import Worker
from strop.errors import (
    CorruptPartError,
    ModelError,
    RunLockedError,
    StoreError,
    StropError,
    TokenLimitError,
    UsageError,
)
from strop.progress import Silent
from strop.records import Usage
from strop.run.executors import Stage
from strop.run.plan import Part
from strop.run.store import RunFolder
from strop.tasks import Arithmetic
from tests.kill_resume import TIMEOUT, assert_same_rows, kill_often, kill_when, parts_of, start

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.xdist_group("ray")  # one cluster for all

MODEL = "ladder/40k"
OPTIONS: dict[str, Any] = {"problems": 40, "samples": 8}
ASKED = [
    "--model",
    MODEL,
    "--task",
    "arithmetic",
    "--problems",
    "40",
    "--samples",
    "8",
    "--workers",
    "2",
]
PARTS = 4 * 3  # responses, greedy, mc and cot-binary; 40 problems in parts of 16


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A cluster of this machine, with room for these tests and for commands that they start."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(
        address="local",
        num_cpus=6,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        object_store_memory=100_000_000,
    )
    yield ray.get_runtime_context().gcs_address
    ray.shutdown()


@pytest.fixture(scope="module")
def cluster(address: str) -> Iterator[RayCluster]:
    with RayCluster(address, workers=2) as opened:
        yield opened


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of one worker without Ray, undisturbed."""
    return strop.gap(MODEL, **OPTIONS, out=tmp_path_factory.mktemp("alone") / "run", workers=1).path


def workers_of(cluster: RayCluster) -> list[int]:
    return [
        arrival.process
        for arrival in ray.get([worker.arrive.remote() for worker in cluster._workers])
    ]


def at_work() -> list[psutil.Process]:
    """Return the processes of this cluster that are making parts, for any driver."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            found += [process] if "ray::Worker.do" in process.cmdline() else []
    return found


# --- the same rows, even if processes are killed ---


def test_the_rows_of_a_run_without_ray(alone: Path, cluster: RayCluster, tmp_path: Path) -> None:
    run = strop.gap(MODEL, **OPTIONS, out=tmp_path / "run", workers=cluster)
    assert_same_rows(alone, run.path)
    assert (run.path / "run.json").read_bytes() == (alone / "run.json").read_bytes()
    assert run.problems.equals(strop.Run(alone).problems)
    assert (
        run.document["usage"]["generated_tokens"]
        == strop.Run(alone).document["usage"]["generated_tokens"]
    )


def test_a_verifier_with_a_model_of_its_own(cluster: RayCluster, tmp_path: Path) -> None:
    """Workers hold both models, run verifiers without a model, and continue a run of threads."""
    runs = [
        strop.gap(
            MODEL,
            **OPTIONS,
            verifiers=["mc", "majority"],
            verify_with="ladder/25k",
            out=tmp_path / name,
            workers=workers,
        )
        for name, workers in (("here", 1), ("there", cluster))
    ]
    assert_same_rows(runs[0].path, runs[1].path)
    for run, workers in zip(runs, (cluster, 1), strict=True):
        strop.add_verifier(run.path, "cot-score", workers=workers)
    assert_same_rows(runs[0].path, runs[1].path)


class Killer(Silent):
    """Kills a worker with SIGKILL, once a part is done and others are in progress."""

    def __init__(self, workers: list[int]) -> None:
        self.workers, self.killed = workers, 0

    def advance(self, usage: Usage) -> None:
        busy = (
            [] if self.killed else [process for process in at_work() if process.pid in self.workers]
        )
        if busy:
            busy[0].kill()
            self.killed = busy[0].pid


def test_a_killed_workers_part_is_done_again(
    alone: Path, cluster: RayCluster, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before, killer = cluster.lost, Killer(workers_of(cluster))
    run = strop.gap(MODEL, **OPTIONS, out=tmp_path / "run", workers=cluster, watcher=killer)
    assert killer.killed and cluster.lost == before + 1
    assert [record.message for record in caplog.records if "is done again" in record.message]
    assert_same_rows(alone, run.path)
    assert len(set(workers_of(cluster)) - {killer.killed}) == 2  # a new one came in its place


def test_a_lost_part_goes_to_a_worker_that_is_free(cluster: RayCluster, tmp_path: Path) -> None:
    """The successor of the lost worker does not get it: there may be no room for one."""

    class DeadlyOnce(Stage):
        name = "responses"

        def rows(self, part: Part, engine: Any, folder: RunFolder) -> tuple[pl.DataFrame, Usage]:
            marks = folder.path / "processes"
            first = not marks.exists()
            with marks.open("a") as file:
                print(os.getpid(), file=file)
            if first:
                time.sleep(1)  # until the other worker has arrived
                os.kill(os.getpid(), signal.SIGKILL)
            return pl.DataFrame({"problem": ["one"]}), Usage()

    before = workers_of(cluster)
    (tmp_path / "run.json").touch()
    cluster.work(DeadlyOnce(), [Part(0, [])], None, RunFolder(tmp_path), lambda _: None)
    assert sorted(map(int, (tmp_path / "processes").read_text().split())) == sorted(before)


def test_a_part_that_kills_every_worker_ends_the_run(cluster: RayCluster, tmp_path: Path) -> None:
    class Deadly(Stage):
        name = "responses"

        def rows(self, part: Part, engine: Any, folder: RunFolder) -> Any:
            os.kill(os.getpid(), signal.SIGKILL)

    (tmp_path / "run.json").touch()
    with pytest.raises(
        StropError,
        match=r"3 workers in turn were lost at part 7 of responses.*run the same command again",
    ):
        cluster.work(Deadly(), [Part(7, [])], None, RunFolder(tmp_path), lambda _: None)


def test_a_killed_driver_and_a_killed_worker(
    alone: Path, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kill the driver midway, then a worker of the repeated command; other writers are refused."""
    monkeypatch.setenv("RAY_AUTH_MODE", "token")  # Ray brings a token to its own processes alone
    out, asked = tmp_path / "run", [*ASKED, "--ray", address, "--json"]
    process = start(asked, out)
    while process.poll() is None and not parts_of(out):
        time.sleep(0.002)
    with pytest.raises(RunLockedError):
        strop.gap(MODEL, **OPTIONS, out=out, workers=1)
    assert kill_when(process, out, 1, 0.0)
    psutil.wait_procs(at_work(), timeout=30)
    assert not at_work()  # workers end with their driver
    stood = {path: path.read_bytes() for path in parts_of(out)}
    assert 1 <= len(stood) < PARTS

    process = start(asked, out)
    while process.poll() is None and not (len(parts_of(out)) > len(stood) and (busy := at_work())):
        time.sleep(0.002)
    busy[0].kill()
    document, messages = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0 and "a worker was lost; part" in messages, messages
    assert json.loads(document)["model"] == MODEL  # and nothing else on stdout
    assert {path: path.read_bytes() for path in stood} == stood
    assert len(parts_of(out)) == PARTS
    assert_same_rows(alone, out)
    assert not list(out.rglob("*.partial"))


@pytest.mark.skipif("STROP_RAY" not in os.environ, reason="half a minute; make test-ray runs it")
def test_a_cluster_started_here_killed_often(alone: Path, tmp_path: Path) -> None:
    """Kill the driver and its cluster (--ray local) at random moments."""
    asked = [*ASKED, "--ray", "local"]
    assert kill_often(asked, tmp_path / "run", PARTS, kills=4, seed=2) >= 1
    assert_same_rows(alone, tmp_path / "run")


# --- errors ---


def refusal_of(*arguments: str) -> str:
    """Run a command that ends with exit code 2, and return its one line."""
    done = subprocess.run(
        [sys.executable, "-m", "strop", *arguments], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1, (
        done.returncode,
        done.stderr,
    )
    return done.stderr


def test_no_server_at_the_address(tmp_path: Path) -> None:
    """Ray alone would try for minutes."""
    started = time.monotonic()
    line = refusal_of("gap", *ASKED, "--out", str(tmp_path / "run"), "--ray", "127.0.0.1:9")
    assert "--ray 127.0.0.1:9 does not answer (Connection refused); start the cluster" in line
    assert time.monotonic() - started < 30 and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("workers", "ray_", "gpus", "word"),
    [
        (0, "auto", None, "--workers 0: expected 1 or more"),
        (1, None, 1.0, "name it with --ray"),
        (1, "auto", 1.5, "--gpus-per-worker 1.5: expected a whole number"),
        (1, "auto", -1.0, "--gpus-per-worker -1: expected"),
    ],
)
def test_options_that_cannot_be_used(
    workers: int, ray_: str | None, gpus: float | None, word: str
) -> None:
    with pytest.raises(UsageError, match=word):
        open_executor(workers, ray_, gpus)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(errors.MissingExtraError, match=r"strop\[ray\]"), RayCluster("auto"):
        pass


def test_more_than_the_cluster_has(address: str) -> None:
    with (
        RayCluster(address, workers=1, gpus_per_worker=1, placed_seconds=1) as cluster,
        pytest.raises(UsageError, match=r"1 GPUs.*0 GPUs in all"),
    ):
        cluster.load(MODEL)


def test_a_workers_error_is_the_users(alone: Path, cluster: RayCluster, tmp_path: Path) -> None:
    """An error is raised as in the worker: of the same class, in one line."""
    with pytest.raises(ModelError, match="there is no embedded model 'ladder/huge'"):
        cluster.load("ladder/huge")
    run = strop.gap(MODEL, **OPTIONS, verifiers=[], out=tmp_path / "run", workers=cluster)
    run.folder.part_path("responses", 1).write_bytes(b"no part")
    with pytest.raises(CorruptPartError, match=r"part-00001\.parquet cannot be read"):
        strop.add_verifier(run.path, "majority", workers=cluster)


def test_a_workers_error_ends_the_command(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    assert "no embedded model 'ladder/huge'" in refusal_of(
        "gap", "--model", "ladder/huge", "--task", "signs", "--workers", "1", "--ray", address
    )
    assert not list(tmp_path.iterdir())


@dataclass(frozen=True)
class Guarded(Arithmetic):
    """A task that cannot be sent."""

    def __reduce__(self) -> str:
        raise TypeError("cannot pickle a guard")


def test_a_task_that_cannot_be_sent_is_refused(cluster: RayCluster, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"responses cannot be sent .*cannot pickle a guard"):
        strop.gap(MODEL, Guarded(), **OPTIONS, out=tmp_path / "run", workers=cluster)


def test_a_task_whose_module_the_workers_lack_is_refused(
    cluster: RayCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "only_here.py").write_text(
        "from dataclasses import dataclass\n"
        "from strop.tasks import Arithmetic\n"
        "@dataclass(frozen=True)\n"
        "class Sums(Arithmetic): pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    task = importlib.import_module("only_here").Sums()
    with pytest.raises(UsageError, match=r"cannot read what it was sent .*only_here"):
        strop.gap(MODEL, task, **OPTIONS, out=tmp_path / "run", workers=cluster)


def test_a_model_of_this_process_is_refused(cluster: RayCluster, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="give its name"):
        strop.gap(strop.load_engine(MODEL), **OPTIONS, out=tmp_path / "run", workers=cluster)


def test_a_folder_that_is_not_shared(
    cluster: RayCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker does not see the run folder, or its part is not visible here."""
    part = Part(0, [])
    with pytest.raises(StoreError, match="does not see the run folder"):
        Worker(str(tmp_path)).do(executor.Stage, part, None, "", str(tmp_path / "elsewhere"))  # type: ignore[arg-type]

    class Elsewhere(Stage):
        name = "responses"

        def do(self, part: Part, engine: Any, folder: RunFolder) -> Usage:
            return Usage()

        def rows(self, part: Part, engine: Any, folder: RunFolder) -> tuple[pl.DataFrame, Usage]:
            raise NotImplementedError

    (tmp_path / "run.json").touch()
    monkeypatch.setattr(executor, "SEEN_SECONDS", 0.3)
    with pytest.raises(StoreError, match="here it is not seen"):
        cluster.work(Elsewhere(), [part], None, RunFolder(tmp_path), lambda _: None)


def test_other_weights_under_the_same_name_are_refused(alone: Path) -> None:
    from strop.cluster.worker import Model

    with pytest.raises(ModelError, match="has other weights"):
        Worker(str(alone)).do(executor.Stage, Part(0, []), Model(MODEL), "0000", str(alone))  # type: ignore[arg-type]


def test_every_error_survives_the_way_back() -> None:
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, StropError)
    ]
    for kind in kinds:
        error = kind("--ray", "ray") if kind is errors.MissingExtraError else kind("told")
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is kind and str(again) == str(error)


def test_a_token_limit_ends_the_parts_that_are_handed_out(
    cluster: RayCluster, tmp_path: Path
) -> None:
    asked: dict[str, Any] = {
        "problems": 96,
        "samples": 2,
        "verifiers": ["mc"],
        "out": tmp_path / "run",
        "workers": cluster,
    }
    with pytest.raises(TokenLimitError, match="a higher limit goes on"):
        strop.gap("ladder/25k", "recall", max_tokens_total=500, **asked)
    assert 1 <= len(list((tmp_path / "run").rglob("part-*.parquet"))) <= 4
    assert (
        strop.gap("ladder/25k", "recall", max_tokens_total=10**9, **asked).responses.height == 192
    )
