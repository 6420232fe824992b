"""One row per task, verifier and weight, in words: shared by the terminal table and the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from strop.report.formatting import Document, clean, interval, models, number, sign_of

MANY_UNREADABLE = 0.1
"""A larger share of checks that could not be read is said in the row."""


@dataclass(frozen=True, slots=True)
class GapRow:
    """One task under one verifier and weight, with every number already in words.

    ``clear`` says that the gap's interval excludes zero. ``unreadable`` is the share of checks that
    could not be read, "" for a small one.
    """

    task: str
    model: str
    verifier: str
    weigh: str
    accuracy: str
    accuracy_interval: str
    kept: str
    kept_interval: str
    gap: str
    gap_interval: str
    clear: bool
    relative_gap: str
    tpr: str
    fpr: str
    kept_share: str
    unreadable: str = ""

    @property
    def starred_gap(self) -> str:
        """The gap, with a star if its interval excludes zero."""
        if self.clear:
            return f"{self.gap}*"
        return self.gap


def entries(document: Document) -> list[Document]:
    """Return one entry per verifier and weight: ``estimates``, or ``verifiers`` if it is empty."""
    estimates: list[Document] = document.get("estimates") or []
    if estimates:
        return estimates
    return [{"verifier": name, **entry} for name, entry in document["verifiers"].items()]


def gap_rows(documents: Sequence[Document]) -> list[GapRow]:
    """Return a row per task, verifier and weight, in the order of the documents."""
    rows = []
    for document in map(clean, documents):
        rows += [_row(document, entry) for entry in entries(document)]
    return rows


def _row(document: Document, entry: Document) -> GapRow:
    accuracy = document.get("accuracy")
    kept = entry.get("accuracy_kept")
    gap = entry.get("gap")
    return GapRow(
        task=str(document["task"]),
        model=models(document),
        verifier=str(entry["verifier"]),
        weigh=str(entry.get("weigh", "")),
        accuracy=number(accuracy),
        accuracy_interval=interval(accuracy),
        kept=number(kept),
        kept_interval=interval(kept),
        gap=number(gap, "+"),
        gap_interval=interval(gap),
        clear=sign_of(gap) != 0,
        relative_gap=number(entry.get("relative_gap"), "+"),
        tpr=number(entry.get("tpr")),
        fpr=number(entry.get("fpr")),
        kept_share=number(entry.get("kept_share")),
        unreadable=_unreadable(entry),
    )


def _unreadable(entry: Document) -> str:
    share = entry.get("unparsed_share") or 0.0
    return f"{share:.0%} unreadable" if share > MANY_UNREADABLE else ""
