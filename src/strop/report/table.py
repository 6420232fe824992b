"""The terminal table of gaps, in 80 columns with two lines per row."""

from __future__ import annotations

from rich import box
from rich.table import Table
from rich.text import Text

from strop.report.formatting import Document, counted, interval, number
from strop.report.gap_notes import notes
from strop.report.gap_rows import GapRow, gap_rows

__all__ = ["accuracy_lines", "gap_table", "notes"]

_VERIFIER = "verifier\n@weight"
_HEADERS = (
    "acc.\n%",
    _VERIFIER,
    "kept\nacc.",
    "gap\npoints",
    "rel.\ngap",
    "tpr\nfpr",
    "kept\nshare",
)


def gap_table(documents: list[Document]) -> Table:
    """Return one table of one or more JSON documents: a row per task, verifier and weight.

    Rates are per cent and gaps percentage points, with the interval on the second line. ``*`` marks
    an interval that excludes zero. An undefined number is a dash; ``notes`` gives the reason.
    """
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("task\nmodel", overflow="fold", max_width=16)
    for header in _HEADERS:
        if header == _VERIFIER:
            table.add_column(header, overflow="fold", max_width=18)
        else:
            # A number stays on one line; long names wrap instead.
            table.add_column(header, justify="right", overflow="fold", no_wrap=True)
    previous = None
    for row in gap_rows(documents):
        # Task and model stand once, in the first of their rows.
        run = f"{row.task}\n{row.model}"
        first_cell = "" if run == previous else run
        table.add_row(Text(first_cell), *_cells(row))
        previous = run
    return table


def accuracy_lines(document: Document, responses: int) -> list[str]:
    """Return the accuracy of all responses, strict and flexible: the numbers without verifiers."""
    lines = []
    for name, label in (("accuracy", "strict"), ("accuracy_flexible", "flexible")):
        if name in document:
            estimate = document[name]
            lines.append(f"Accuracy, {label}: {number(estimate)}% {interval(estimate)}".rstrip())
    of_responses = counted(responses, "response", "responses")
    of_problems = counted(document["problems"], "problem", "problems")
    return [*lines, f"of {of_responses} to {of_problems}"]


def _cells(row: GapRow) -> list[Text]:
    """Return a row's cells in the order of ``_HEADERS``."""
    gap = f"{row.starred_gap}\n{row.gap_interval}"
    return [
        Text(row.accuracy),
        Text(f"{row.verifier}\n@{row.weigh}\n{row.unreadable}".rstrip()),
        Text(row.kept),
        Text(gap, style="bold" if row.clear else ""),
        Text(row.relative_gap),
        Text(f"{row.tpr}\n{row.fpr}"),
        Text(row.kept_share),
    ]
