"""Give every test the same conditions: one BLAS thread, no network, a plain wide terminal.

Hypothesis draws the same examples each time.
"""

from __future__ import annotations

import os

from hypothesis import settings

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")  # NumPy reads it when it is first imported, later
for variable in ("FORCE_COLOR", "PY_COLORS", "CLICOLOR_FORCE", "GITHUB_ACTIONS"):
    os.environ.pop(variable, None)
os.environ.update(HF_HUB_OFFLINE="1", NO_COLOR="1", COLUMNS="140")

settings.register_profile("strop", deadline=None, derandomize=True)
settings.load_profile("strop")
