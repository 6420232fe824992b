"""The gap on the terminal: one table in 80 columns, two lines a row, and the notes that belong under it."""

from __future__ import annotations

from collections.abc import Callable

from rich import box
from rich.table import Table
from rich.text import Text

from strop.report.formatting import Document, GapRow, gap_rows, notes

__all__ = ["gap_table", "notes"]

_COLUMNS: list[tuple[str, Callable[[GapRow], str]]] = [
    ("acc.\n%", lambda row: row.accuracy),
    ("verifier\n@weight", lambda row: f"{row.verifier}\n@{row.weigh}"),
    ("kept\nacc.", lambda row: row.kept),
    ("gap\npoints", lambda row: f"{row.gap}{'*' if row.clear else ''}\n{row.gap_interval}"),
    ("rel.\ngap", lambda row: row.relative_gap),
    ("tpr\nfpr", lambda row: f"{row.tpr}\n{row.fpr}"),
    ("kept\nshare", lambda row: row.kept_share),
]


def gap_table(documents: list[Document]) -> Table:
    """One table for the terminal from one or more documents of the JSON contract: a row per task, verifier and weight.

    Rates are per cent and gaps percentage points, with the interval on the second line; ``*`` marks an interval that excludes
    zero, and undefined numbers are a dash whose reason ``notes`` gives.
    """
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("task\nmodel", overflow="fold", max_width=16)
    for header, _ in _COLUMNS:
        text = header.startswith("verifier")
        table.add_column(
            header,
            justify="left" if text else "right",
            overflow="fold",
            no_wrap=not text,
            max_width=18 if text else None,
        )
    before = None
    for row in gap_rows(documents):
        place = (row.task, row.model)
        task = "" if place == before else "\n".join(place)
        table.add_row(
            Text(task),
            *(
                Text(cell(row), style="bold" if row.clear and "gap" in header[:3] else "")
                for header, cell in _COLUMNS
            ),
        )
        before = place
    return table
