"""The same conditions for every test: one BLAS thread a worker, no network, a plain wide terminal, the same examples each time."""

from __future__ import annotations

import os

from hypothesis import settings

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(
        variable, "1"
    )  # read when NumPy is first imported, which is after this file
for variable in ("FORCE_COLOR", "PY_COLORS", "CLICOLOR_FORCE", "GITHUB_ACTIONS"):
    os.environ.pop(variable, None)
os.environ.update(HF_HUB_OFFLINE="1", NO_COLOR="1", COLUMNS="140")

settings.register_profile("strop", deadline=None, derandomize=True)
settings.load_profile("strop")
