"""Runs on several machines: an executor over Ray. It is no scheduler.

    with RayCluster("auto", workers=8, gpus_per_worker=1) as cluster:
        strop.gap("my/model", "gsm8k", workers=cluster, out="/shared/runs/mine")

Workers are Ray actors. They hold the models, make parts and write them into the run folder, which
all machines must see. This process hands out part numbers, watches, and repeats the parts of lost
workers. ``ray`` is imported in ``executor.py`` alone, and only when it is used.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from strop.cluster.executor import RayCluster
from strop.errors import UsageError
from strop.run.executors import Executor


def open_executor(
    workers: int | None, ray: str | None, gpus_per_worker: float | None
) -> AbstractContextManager[Executor | int | None]:
    """Return the executor for ``--workers``, ``--ray`` and ``--gpus-per-worker``.

    A cluster if ``ray`` is given, else the number of threads in this process.
    """
    if ray is not None:
        return RayCluster(ray, workers, gpus_per_worker or 0.0)
    if gpus_per_worker is not None:
        raise UsageError(
            "--gpus-per-worker is for workers of a cluster; "
            "name it with --ray, or leave the option out"
        )
    return nullcontext(workers)


__all__ = ["RayCluster", "open_executor"]
