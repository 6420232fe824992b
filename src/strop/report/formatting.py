"""The lines that the terminal table and the page share: numbers as words, one row per task and verifier, and the notes below.

Rates and gaps come in as fractions and go out as per cent or percentage points with one decimal. Unknown is a dash, never zero.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]

DASH = "–"
_QUANTITIES = ("accuracy_kept", "gap", "relative_gap", "tpr", "fpr", "kept_share")
_COUNTS = {
    "unparsed": (
        "verification could not be read (scored 0)",
        "verifications could not be read (scored 0)",
    ),
    "left_out": (
        "response had no score (never kept, never chosen)",
        "responses had no score (never kept, never chosen)",
    ),
    "no_survivor": (
        "problem had no survivor (kept all its responses)",
        "problems had no survivor (kept all their responses)",
    ),
    "no_room": (
        "problem had no room (left out of the relative gap)",
        "problems had no room (left out of the relative gap)",
    ),
}
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
)


@dataclass(frozen=True, slots=True)
class GapRow:
    """One task under one verifier and weight, every number already in words. ``clear``: the gap's interval excludes zero."""

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


def visible(text: str) -> str:
    """The text with its control, zero-width and direction marks made visible: the escape character becomes ⟨U+001B⟩."""
    return _HIDDEN.sub(lambda match: f"⟨U+{ord(match.group()):04X}⟩", text)


def clean(value: Any) -> Any:
    """A JSON value with every text in it made visible, keys too."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, Mapping):
        return {visible(str(key)): clean(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [clean(item) for item in value]
    return value


def number(estimate: Mapping[str, Any] | None, sign: str = "") -> str:
    """A fraction as per cent, "41.2"; a dash where it is undefined. ``sign`` "+" shows the sign of a rise."""
    value = known(estimate, "value")
    return DASH if value is None else _per_cent(value, sign)


def interval(estimate: Mapping[str, Any] | None) -> str:
    """The interval as per cent, "[36.0, 46.4]"; empty where there is none."""
    low, high = known(estimate, "low"), known(estimate, "high")
    return "" if low is None or high is None else f"[{_per_cent(low)}, {_per_cent(high)}]"


def known(estimate: Mapping[str, Any] | None, key: str) -> float | None:
    """One field of an estimate as a finite float, or None."""
    value = (estimate or {}).get(key)
    return float(value) if value is not None and math.isfinite(value) else None


def excludes_zero(estimate: Mapping[str, Any] | None) -> bool:
    """Whether the interval lies wholly above or wholly below zero."""
    low, high = known(estimate, "low"), known(estimate, "high")
    return low is not None and high is not None and (low > 0 or high < 0)


def _per_cent(value: float, sign: str = "") -> str:
    text = format(100 * value, f"{sign}.1f")
    return text.replace("-", "−") if float(text) else "0.0"


def entries(document: Document) -> list[Document]:
    """What is known of each verifier and weight: the rows of ``estimates``, or of ``verifiers`` where there are none."""
    rows: list[Document] = document.get("estimates") or [
        {"verifier": name, **entry} for name, entry in document["verifiers"].items()
    ]
    return rows


def models(document: Document) -> str:
    """The model, and the verifier's model where it is another."""
    generator, verifier = document["model"], document.get("verifier_model")
    return (
        str(generator) if verifier in (None, generator) else f"{generator} verified by {verifier}"
    )


def gap_rows(documents: Sequence[Document]) -> list[GapRow]:
    """A row per task, verifier and weight, in the order of the documents."""
    return [
        _row(document, entry) for document in map(clean, documents) for entry in entries(document)
    ]


def _row(document: Document, entry: Document) -> GapRow:
    accuracy, kept, gap = document.get("accuracy"), entry.get("accuracy_kept"), entry.get("gap")
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
        clear=excludes_zero(gap),
        relative_gap=number(entry.get("relative_gap"), "+"),
        tpr=number(entry.get("tpr")),
        fpr=number(entry.get("fpr")),
        kept_share=number(entry.get("kept_share")),
    )


def notes(documents: Sequence[Document]) -> list[str]:
    """What stands below the table: each definition once, whatever was dropped or set by convention, and why a number is missing."""
    cleaned = [clean(document) for document in documents]
    lines = list(
        dict.fromkeys(
            str(document["definition"]) for document in cleaned if document.get("definition")
        )
    )
    if any(excludes_zero(entry.get("gap")) for document in cleaned for entry in entries(document)):
        lines.append("* the interval of the gap excludes zero")
    if len({document["samples"] for document in cleaned if "samples" in document}) > 1:
        lines.append(
            "runs have different numbers of samples: their gaps are different quantities, and are not to be compared"
        )
    for document in cleaned:
        lines += _document_notes(document, several=len({models(other) for other in cleaned}) > 1)
    return lines


def _document_notes(document: Document, several: bool) -> list[str]:
    place = f"{document['task']}, {models(document)}" if several else str(document["task"])
    lines = [f"{place}: accuracy {DASH}: {why}" for why in [_why(document.get("accuracy"))] if why]
    lines += [f"{place}: {note}" for note in document.get("notes") or []]
    truncated = document.get("truncated") or 0
    if truncated:
        lines.append(
            f"{place}: {_counted(truncated, 'response was truncated', 'responses were truncated')}"
        )
    for entry in entries(document):
        lines += _entry_notes(f"{place}, {entry['verifier']}@{entry.get('weigh', '')}", entry)
    return lines


def _entry_notes(place: str, entry: Document) -> list[str]:
    counts = [_counted(entry[key], *words) for key, words in _COUNTS.items() if entry.get(key)]
    reasons: dict[str, list[str]] = {}
    for key in _QUANTITIES:
        if why := _why(entry.get(key)):
            missing = DASH if known(entry.get(key), "value") is None else "has no interval"
            reasons.setdefault(f"{missing}: {why}", []).append(key.replace("_", " "))
    caution = (entry.get("gap") or {}).get("caution")
    if caution:
        reasons.setdefault(f"with caution: {caution}", []).append("gap")
    return [f"{place}: {'; '.join(counts)}"] * bool(counts) + [
        f"{place}: {', '.join(keys)} {why}" for why, keys in reasons.items()
    ]


def _why(estimate: Mapping[str, Any] | None) -> str | None:
    """The reason given for a missing value or interval, if one is missing."""
    missing = any(known(estimate, key) is None for key in ("value", "low", "high"))
    return (
        str((estimate or {}).get("why") or "no reason was recorded")
        if estimate is not None and missing
        else None
    )


def _counted(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"
