"""Measurement: gaps and accuracies with intervals. NumPy only: arrays in, estimates out."""

from __future__ import annotations

from strop.measure.gap import GAP_DEFINITION, accuracy, gap, kept_accuracy, relative_gap
from strop.measure.intervals import Ratio, difference, estimate, estimate_all, resample_counts
from strop.measure.summary import Samples, Summary, Weighed, fill_grid, summarise, undefined_summary

__all__ = [
    "GAP_DEFINITION",
    "Ratio",
    "Samples",
    "Summary",
    "Weighed",
    "accuracy",
    "difference",
    "estimate",
    "estimate_all",
    "fill_grid",
    "gap",
    "kept_accuracy",
    "relative_gap",
    "resample_counts",
    "summarise",
    "undefined_summary",
]
