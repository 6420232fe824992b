"""The terminal table of ``strop sharpen``: accuracy of the chosen response against N."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from strop.report.formatting import (
    DASH,
    Document,
    EstimateJson,
    clean,
    decimal,
    interval,
    known,
    models,
    number,
    sign_of,
    span,
    with_interval,
)
from strop.report.model_tables import gap_cell, notes_on, plain_table

MOST_SIZES = 3
"""Number of sizes N that have a column; all of them are in the JSON."""


def sharpen_tables(documents: Sequence[Document]) -> Iterator[Table | Text]:
    """Yield one table per run, in 80 columns, with its notes below; then the definition."""
    for document in clean(list(documents)):
        run = f"{document['task']}, {models(document)}"
        if document["design"] == "fixed":
            yield _selection_table(document, run)
        yield from map(Text, _lines(document))
        yield from notes_on(_estimates(document, run))
    yield Text(str(documents[0]["definition"]))


def _selection_table(document: Document, run: str) -> Table:
    sizes = _sizes(document)
    header = [
        "chosen by",
        *(f"N = {n}" for n in sizes),
        "gain over\ngreedy",
        "log-lik.\nlift, nats",
    ]
    table = plain_table(f"{run}: accuracy of the chosen of N, %", header)
    table.columns[0].no_wrap = True
    for name, entry in document["selection"].items():
        curve = entry["accuracy"]
        cells = [f"{number(curve.get(n))}\n{interval(curve.get(n))}" for n in sizes]
        gain, lift = entry["gain_over_greedy"], _nats(entry.get("likelihood_lift"))
        table.add_row(Text(name), *map(Text, cells), gap_cell(gain), Text(lift))
    caption = [
        f"greedy {with_interval(document['greedy'])}",
        f"one sample {with_interval(document['accuracy'])}",
        f"coverage (any of {document['samples']} right) {with_interval(document['coverage'])}",
    ]
    table.caption = Text(", ".join(caption))
    table.caption_justify = "left"
    return table


def _sizes(document: Document) -> list[str]:
    """Return N = 1 and the largest N, with evenly spaced ones between them."""
    sizes = sorted({int(n) for entry in document["selection"].values() for n in entry["accuracy"]})
    step = max(1, -(-len(sizes) // MOST_SIZES))  # rounded up
    # From the largest downwards, so that the largest is among them.
    largest = sizes[::-1][::step][: MOST_SIZES - 1]
    return [str(n) for n in sorted({1, *largest}) if n in sizes]


def _nats(estimate: EstimateJson | None) -> str:
    value = known(estimate, "value")
    if value is None:
        return DASH
    ends = span(estimate, digits=2)
    return f"{decimal(value, 2, '+')}\n{ends}" if ends else decimal(value, 2, "+")


def _lines(document: Document) -> Iterator[str]:
    """Yield warnings and the results that have no column."""
    for name, entry in document.get("selection", {}).items():
        if entry["falls"]:
            is_below = sign_of(entry["gain_over_sampling"]) < 0
            change = "lies below one sample's" if is_below else "falls as N grows"
            yield f"warning: {name}: accuracy {change}: {'; '.join(entry['why'])}"
    yield _adaptive_line(document)
    likelihoods = document.get("log_probabilities")
    if likelihoods is not None:
        subject = "log-probabilities of right and wrong responses"
        yield f"{subject} of all problems: {_dominance(likelihoods['pooled'])}"
        yield f"{subject} within a problem: {_dominance(likelihoods['within_problem'])}"
    if document["truncated"]:
        yield f"{document['truncated']:,} responses were truncated: never chosen by log-probability"
    yield from document["notes"]


def _adaptive_line(document: Document) -> str:
    adaptive = document["adaptive"]
    if "why" in adaptive:
        return f"adaptive best-of-N: {DASH}: {adaptive['why']}"
    rule = f"until k max pi >= {adaptive['mu']:.2f}, delta {adaptive['delta']:g}"
    drawn = f"{known(adaptive['samples'], 'value'):.1f} samples a problem"
    saved = f"{number(adaptive['saved'])}% of {document['samples']} saved"
    stopping = f"{number(adaptive['reached'])}% of problems stop"
    accuracy = f"accuracy {with_interval(adaptive['accuracy'])}"
    gain = f"over greedy {with_interval(adaptive['gain_over_greedy'], '+')}"
    return f"adaptive best-of-N ({rule}): {drawn}, {saved}, {stopping}; {accuracy}, {gain}"


def _dominance(test: dict[str, Any]) -> str:
    if test["why"]:
        return f"{test['verdict']} ({test['why']})"
    right, wrong = f"p {test['right_p']:.3f}", f"p {test['wrong_p']:.3f}"
    return f"{test['verdict']} (right dominates: {right}; wrong dominates: {wrong})"


def _estimates(document: Document, run: str) -> list[tuple[str, Document]]:
    """Return every printed estimate with its name, for the notes."""
    estimates = [
        (f"{run}, {name}", document[name])
        for name in ("greedy", "accuracy", "coverage")
        if name in document
    ]
    for name, entry in document.get("selection", {}).items():
        for key in ("gain_over_greedy", "likelihood_lift"):
            if key in entry:
                estimates.append((f"{run}, {name}", entry[key]))
    return estimates
