"""What was gained, give or take? NumPy only: arrays in, estimates out."""

from __future__ import annotations

from strop.measure.gap import GAP_DEFINITION, accuracy, gap, kept_accuracy, relative_gap
from strop.measure.intervals import Ratio, estimate, resample_counts
from strop.measure.summary import Samples, Summary, fill_grid, summarise, sweep

__all__ = [
    "GAP_DEFINITION", "Ratio", "Samples", "Summary", "accuracy", "estimate", "fill_grid", "gap", "kept_accuracy", "relative_gap",
    "resample_counts", "summarise", "sweep",
]  # fmt: skip
