"""The same round with the library: one call, a run folder, a report.

Run it with  python examples/2_with_the_library.py [FOLDER]
"""

from __future__ import annotations

import sys

import strop

out = sys.argv[1] if len(sys.argv) > 1 else "runs/example"
run = strop.gap(model="ladder/40k", task="signs", problems=50, samples=16, out=out)
print(run.estimates.filter(quantity="gap").select("verifier", "weigh", "value", "low", "high"))
print(run.responses.group_by("finish").len())
print("report:", run.report())
