"""Printing results on stdout: one JSON document, or tables and lines for people."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from strop.run.run import Run

PIPED_WIDTH = 80
"""Width of tables that go to a file or a pipe, where there is no terminal to ask."""


def print_result(document: dict[str, Any], parts: Sequence[Any], as_json: bool) -> None:
    """Print the document as JSON, or the tables and lines for people."""
    if as_json:
        # NaN is not JSON: a NaN in a document is a fault, undefined numbers are null.
        print(json.dumps(document, allow_nan=False))
        return
    console = _console()
    for part in parts:
        # A line may be a path to copy, so it is not broken; tables fit themselves to the width.
        console.print(part, markup=False, soft_wrap=isinstance(part, str))


def print_rows(rows: dict[str, str], as_json: bool) -> None:
    """Print names and their descriptions, a line each, or as one JSON document."""
    if as_json:
        print(json.dumps(rows))
        return
    width = max(map(len, rows))
    for name, text in rows.items():
        print(f"{name:<{width}}  {text}")


def one_or_all(documents: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the only document, or ``{"runs": [...]}``."""
    return documents[0] if len(documents) == 1 else {"runs": documents}


def print_runs(runs: list[Run], page_folder: Path | None, as_json: bool) -> None:
    """Write the report page of measured runs, then print the gap table or the document.

    ``page_folder`` gets the page of several runs; None puts it into the folder of the only run.
    """
    page = write_report(runs, page_folder)
    documents = [run.document for run in runs]
    if as_json:
        print(json.dumps(one_or_all(documents), allow_nan=False))
        return
    from strop.report.cost import cost_table
    from strop.report.table import accuracy_lines, gap_table, notes
    from strop.report.verdict import unknown_line, verdict_lines

    console = _console()
    # Words first: the verdict is what a reader acts on, the numbers say why.
    for document in documents:
        for line in verdict_lines(document):
            # A command to copy is not broken into lines.
            console.print(line, markup=False, soft_wrap="  Next: " in line)
    # Without a verifier that was chosen, nothing is forecast.
    if any("verifier" in document["verdict"] for document in documents):
        console.print(unknown_line(documents[0]), markup=False)
    if any(document["verifiers"] for document in documents):
        console.print("", gap_table(documents))
    else:
        for run in runs:
            lines = accuracy_lines(run.document, run.responses.height)
            console.print("", *lines, sep="\n", markup=False)
    for note in notes(documents):
        console.print(note, markup=False)
    costs = cost_table(documents)
    if costs is not None:
        console.print("", costs)
    console.print(f"\nReport: {page}", soft_wrap=True, markup=False)


def write_report(runs: list[Run], page_folder: Path | None) -> Path:
    """Write report.html about the runs and return its path."""
    from strop.run.pages import PAGE, page_of
    from strop.run.store import RunFolder

    if page_folder is None:
        return runs[0].report()
    RunFolder(page_folder).write_text(PAGE, page_of(runs))
    return page_folder / PAGE


def print_progress(line: str) -> None:
    """Print a line on stderr: stdout holds results alone."""
    print(line, file=sys.stderr, flush=True)


def _console() -> Console:
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else PIPED_WIDTH, highlight=False)
