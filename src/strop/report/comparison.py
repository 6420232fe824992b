"""Several runs side by side, and what differs between those that share problems, paired by problem."""

from __future__ import annotations

from collections.abc import Sequence

from strop.report.blocks import Block, Cell, Group, WordTable, kind_of, points_cell
from strop.report.charts import GAP, Axes, Mark, drawn, interval_chart, mark
from strop.report.formatting import Document, clean
from strop.report.reader import ReportRun


def comparison_groups(runs: Sequence[ReportRun], comparison: Sequence[Document]) -> list[Group]:
    """Every run's accuracy and gaps side by side, and what differs between runs that share problems, paired by problem."""
    documents = [clean(run.document) for run in runs]
    named = list(zip([run.title for run in runs], documents, strict=True))
    blocks: list[Block] = []
    accuracies = [mark(document.get("accuracy"), name=name) for name, document in named]
    if len(drawn(accuracies)) > 1:
        blocks.append(interval_chart("Accuracy of every run", "", accuracies, Axes("accuracy, %")))
    gaps: list[Mark] = [
        mark(entry.get("gap"), name=name, series=f"{stage}@{entry.get('weigh', '')}")
        for name, document in named
        for stage, entry in document["verifiers"].items()
    ]
    if len({one["name"] for one in drawn(gaps)}) > 1:
        note = "Compare gaps at the same number of samples only."
        blocks.append(interval_chart("Gap of every run", note, gaps, GAP))
    groups = [Group("Side by side", "", blocks, wide=True)] if blocks else []
    paired: list[Block] = [_paired(clean(one)) for one in comparison]
    return groups + (
        [
            Group(
                "Paired by problem",
                "What differs between two runs on the problems that both answered.",
                paired,
                wide=True,
            )
        ]
        if paired
        else []
    )


def _paired(one: Document) -> WordTable:
    title = f"{one['other']} minus {one['one']}"
    note = f"{one['shared']:,} problems in both." + (f" {one['why']}." if one.get("why") else "")
    rows = []
    for row in one["rows"]:
        name = (
            row["quantity"]
            if not row.get("verifier")
            else f"{row['quantity']}, {row['verifier']}@{row['weigh']}"
        )
        estimate = row["estimate"]
        why = Cell(estimate.get("why") or "", "")
        rows.append((name, [points_cell(estimate), Cell(_words(estimate), ""), why]))
    return WordTable(title, note, ["", "Difference, points", "In words", "If unknown, why"], rows)


def _words(estimate: Document) -> str:
    return {"gain": "higher", "loss": "lower", "none": "not told apart", "unknown": "unknown"}[
        kind_of(estimate)
    ]
