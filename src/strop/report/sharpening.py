"""The terminal table of ``strop sharpen``: accuracy of the chosen response against N."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil
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
        # Adaptive stopping breaks exchangeability: its samples have no curve over N.
        if document["design"] == "fixed":
            yield _selection_table(document, run)
        yield from map(Text, _lines(document))
        yield from notes_on(_estimates(document, run))
    yield Text(str(documents[0]["definition"]))


def _selection_table(document: Document, run: str) -> Table:
    """Return a row per self-reward: accuracy at a few N, the gain over greedy, and the lift."""
    sizes = _sizes(document)
    header = ["chosen by"]
    for n in sizes:
        header.append(f"N = {n}")
    header += ["gain over\ngreedy", "log-lik.\nlift, nats"]
    table = plain_table(f"{run}: accuracy of the chosen of N, %", header)
    table.columns[0].no_wrap = True
    for name, entry in document["selection"].items():
        row = [Text(name)]
        for n in sizes:
            accuracy = entry["accuracy"].get(n)
            row.append(Text(f"{number(accuracy)}\n{interval(accuracy)}"))
        row.append(gap_cell(entry["gain_over_greedy"]))
        row.append(Text(_nats(entry.get("likelihood_lift"))))
        table.add_row(*row)
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
    measured: set[int] = set()
    for entry in document["selection"].values():
        measured.update(map(int, entry["accuracy"]))
    falling = sorted(measured, reverse=True)
    step = max(1, ceil(len(falling) / MOST_SIZES))
    # From the largest downwards, so that the largest is among them; one column is left for N = 1.
    shown = set(falling[::step][: MOST_SIZES - 1])
    if 1 in measured:
        shown.add(1)
    return [str(n) for n in sorted(shown)]


def _nats(estimate: EstimateJson | None) -> str:
    """Return a difference of log-likelihoods, with its interval below where it has one."""
    value = known(estimate, "value")
    if value is None:
        return DASH
    text = decimal(value, 2, "+")
    ends = span(estimate, digits=2)
    if ends:
        text = f"{text}\n{ends}"
    return text


def _lines(document: Document) -> Iterator[str]:
    """Yield warnings and the results that have no column."""
    for name, entry in document.get("selection", {}).items():
        if entry["falls"]:
            change = "falls as N grows"
            if sign_of(entry["gain_over_sampling"]) < 0:
                change = "lies below one sample's"
            reasons = "; ".join(entry["why"])
            yield f"warning: {name}: accuracy {change}: {reasons}"
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
    """Return the results of adaptive stopping in one line, or why there are none."""
    adaptive = document["adaptive"]
    if "why" in adaptive:
        return f"adaptive best-of-N: {DASH}: {adaptive['why']}"
    rule = f"until k max pi >= {adaptive['mu']:.2f}, delta {adaptive['delta']:g}"
    samples = known(adaptive["samples"], "value")
    saved = number(adaptive["saved"])
    stopping = number(adaptive["reached"])
    accuracy = with_interval(adaptive["accuracy"])
    gain = with_interval(adaptive["gain_over_greedy"], "+")
    return (
        f"adaptive best-of-N ({rule}): {samples:.1f} samples a problem, "
        f"{saved}% of {document['samples']} saved, {stopping}% of problems stop; "
        f"accuracy {accuracy}, over greedy {gain}"
    )


def _dominance(test: dict[str, Any]) -> str:
    """Return the verdict of a test of dominance with both p-values, or why there is none."""
    if test["why"]:
        return f"{test['verdict']} ({test['why']})"
    right = f"p {test['right_p']:.3f}"
    wrong = f"p {test['wrong_p']:.3f}"
    return f"{test['verdict']} (right dominates: {right}; wrong dominates: {wrong})"


def _estimates(document: Document, run: str) -> list[tuple[str, Document]]:
    """Return every printed estimate with its name, for the notes."""
    estimates = []
    for name in ("greedy", "accuracy", "coverage"):
        if name in document:
            estimates.append((f"{run}, {name}", document[name]))
    for name, entry in document.get("selection", {}).items():
        for key in ("gain_over_greedy", "likelihood_lift"):
            if key in entry:
                estimates.append((f"{run}, {name}", entry[key]))
    return estimates
