"""The notes below a table of gaps: definitions, counts of what was dropped, missing numbers."""

from __future__ import annotations

from collections.abc import Sequence

from strop.report.formatting import (
    DASH,
    Document,
    EstimateJson,
    clean,
    counted,
    known,
    models,
    sign_of,
)
from strop.report.gap_rows import entries

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
_VOTELESS = (
    "response has no answer to vote for (scored 0)",
    "responses have no answer to vote for (scored 0)",
)
_DIFFERENT_SAMPLES = (
    "these runs have different numbers of samples, so their gaps are different quantities: "
    "do not compare them"
)


def notes(documents: Sequence[Document]) -> list[str]:
    """Return the notes below the table, one per line.

    They give each definition once, count what was dropped or set by convention, and give the
    reason for each missing number.
    """
    cleaned = [clean(document) for document in documents]
    lines = _definitions([document for document in cleaned if entries(document)])
    if _has_clear_gap(cleaned):
        lines.append("* the interval of the gap excludes zero")
    sample_counts = {document["samples"] for document in cleaned if "samples" in document}
    if len(sample_counts) > 1:
        lines.append(_DIFFERENT_SAMPLES)
    # A note names the models only where the runs differ in them.
    several_models = len({models(document) for document in cleaned}) > 1
    for document in cleaned:
        lines += _document_notes(document, several_models)
    return lines


def _definitions(documents: Sequence[Document]) -> list[str]:
    """Return the definition of the gap; runs of different versions may have several."""
    texts = [str(document["definition"]) for document in documents if document.get("definition")]
    return list(dict.fromkeys(texts))  # each once, in order


def _has_clear_gap(documents: Sequence[Document]) -> bool:
    for document in documents:
        for entry in entries(document):
            if sign_of(entry.get("gap")) != 0:
                return True
    return False


def _document_notes(document: Document, several_models: bool) -> list[str]:
    """Return the notes on one run, then those on each of its verifiers and weights."""
    run = str(document["task"])
    if several_models:
        run = f"{run}, {models(document)}"
    lines = []
    why = _why(document.get("accuracy"))
    if why:
        is_known = known(document.get("accuracy"), "value") is not None
        missing = "has no interval" if is_known else DASH
        lines.append(f"{run}: accuracy {missing}: {why}")
    lines += [f"{run}: {note}" for note in document.get("notes") or []]
    truncated = document.get("truncated") or 0
    if truncated:
        text = counted(truncated, "response was truncated", "responses were truncated")
        lines.append(f"{run}: {text}")
    for entry in entries(document):
        weigh = entry.get("weigh", "")
        row = f"{run}, {entry['verifier']}@{weigh}"
        lines += _entry_notes(row, entry)
    return lines


def _entry_notes(row: str, entry: Document) -> list[str]:
    """Return the counts of what was dropped, the reasons of missing numbers, and the cautions."""
    lines = []
    counts = []
    for key, (singular, plural) in _COUNTS.items():
        if key == "unparsed" and entry.get("name") == "majority":
            singular, plural = _VOTELESS
        if entry.get(key):
            counts.append(counted(entry[key], singular, plural))
    if counts:
        all_counts = "; ".join(counts)
        lines.append(f"{row}: {all_counts}")
    # Quantities that share a reason share a line.
    quantities_of: dict[str, list[str]] = {}
    for key in _QUANTITIES:
        why = _why(entry.get(key))
        if not why:
            continue
        missing = "has no interval"
        if known(entry.get(key), "value") is None:
            missing = DASH
        quantity = key.replace("_", " ")
        quantities_of.setdefault(f"{missing}: {why}", []).append(quantity)
    caution = (entry.get("gap") or {}).get("caution")
    if caution:
        quantities_of.setdefault(f"with caution: {caution}", []).append("gap")
    for reason, quantities in quantities_of.items():
        names = ", ".join(quantities)
        lines.append(f"{row}: {names} {reason}")
    return lines


def _why(estimate: EstimateJson | None) -> str | None:
    """Return the reason for a missing value or interval, or None if nothing is missing."""
    if estimate is None:
        return None
    if all(known(estimate, key) is not None for key in ("value", "low", "high")):
        return None
    return str(estimate.get("why") or "no reason was recorded")
