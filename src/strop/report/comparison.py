"""Compare runs: numbers side by side, and paired differences of runs that share problems."""

from __future__ import annotations

from collections.abc import Sequence

from strop.report.blocks import Block, Cell, Group, WordTable, filled, kind_of, points_cell
from strop.report.charts import interval_chart
from strop.report.formatting import Document, clean
from strop.report.marks import GAP, Axes, Mark, drawn, mark
from strop.report.reader import ReportRun

_IN_WORDS = {
    "gain": "higher",
    "loss": "lower",
    "none": "no clear difference",
    "unknown": "unknown",
}


def comparison_groups(runs: Sequence[ReportRun], comparison: Sequence[Document]) -> list[Group]:
    """Return charts of every run side by side, and tables of paired differences.

    ``comparison`` is the result of ``strop.run.comparison.compare``.
    """
    paired = [_paired_table(clean(pair)) for pair in comparison]
    note = "Differences between two runs on the problems that both answered."
    groups = [
        Group("Side by side", "", _charts(runs), wide=True),
        Group("Paired by problem", note, paired, wide=True),
    ]
    return filled(groups)


def _charts(runs: Sequence[ReportRun]) -> list[Block]:
    """Return the accuracy and the gap of every run; a chart of a single run says nothing."""
    accuracies: list[Mark] = []
    gaps: list[Mark] = []
    for run in runs:
        document = clean(run.document)
        accuracies.append(mark(document.get("accuracy"), name=run.title))
        for stage, entry in document["verifiers"].items():
            # One series for each verifier and weight: its gaps of all runs have one colour.
            weigh = entry.get("weigh", "")
            series = f"{stage}@{weigh}"
            gaps.append(mark(entry.get("gap"), name=run.title, series=series))
    charts: list[Block] = []
    if len(drawn(accuracies)) > 1:
        charts.append(interval_chart("Accuracy of every run", "", accuracies, Axes("accuracy, %")))
    runs_with_gap = {mark["name"] for mark in drawn(gaps)}
    if len(runs_with_gap) > 1:
        note = "Compare gaps only at the same number of samples."
        charts.append(interval_chart("Gap of every run", note, gaps, GAP))
    return charts


def _paired_table(pair: Document) -> WordTable:
    """Return the differences of two runs, a row per quantity and verifier."""
    note = f"{pair['shared']:,} problems in both."
    if pair.get("why"):
        note += f" {pair['why']}."
    rows = []
    for row in pair["rows"]:
        name = row["quantity"]
        if row.get("verifier"):
            name = f"{name}, {row['verifier']}@{row['weigh']}"
        estimate = row["estimate"]
        cells = [
            points_cell(estimate),
            Cell(_IN_WORDS[kind_of(estimate)]),
            Cell(estimate.get("why") or ""),
        ]
        rows.append((name, cells))
    header = ["", "Difference, points", "In words", "If unknown, why"]
    return WordTable(f"{pair['other']} minus {pair['one']}", note, header, rows)
