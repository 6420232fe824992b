"""``strop sharpen`` on the terminal: accuracy of the chosen response against N, what it gains over greedy decoding, and where it falls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from strop.report.formatting import DASH, Document, clean, interval, known, models, number
from strop.report.model_tables import gap_cell, notes_on, plain_table

SHOWN = 3
"""Sizes N that have a column; all of them are in the JSON."""


def sharpen_tables(documents: Sequence[Document]) -> Iterator[Table | Text]:
    """One table a run, in 80 columns, and what to know of it below."""
    for document in clean(list(documents)):
        place = f"{document['task']}, {models(document)}"
        if document["design"] == "fixed":
            yield _selection(document, place)
        yield from (Text(line) for line in _below(document))
        yield from notes_on(_estimates(document, place))
    yield Text(str(documents[0]["definition"]))


def _selection(document: Document, place: str) -> Table:
    k = document["samples"]
    sizes = _sizes(document)
    found = plain_table(
        f"{place}: accuracy of the chosen of N, %",
        ["chosen by", *(f"N = {n}" for n in sizes), "gain over\ngreedy", "log-lik.\nlift, nats"],
    )
    found.columns[0].no_wrap = True
    for name, entry in document["selection"].items():
        curve = entry["accuracy"]
        cells = [
            f"{number(curve.get(n))}\n{interval(curve.get(n))}" if n in curve else DASH
            for n in sizes
        ]
        found.add_row(
            Text(name),
            *map(Text, cells),
            gap_cell(entry["gain_over_greedy"]),
            Text(_nats(entry.get("likelihood_lift"))),
        )
    greedy, single, coverage = (
        f"{number(document[name])} {interval(document[name])}"
        for name in ("greedy", "accuracy", "coverage")
    )
    found.caption = Text(
        f"greedy {greedy}, one sample {single}, coverage (any of {k} right) {coverage}"
    )
    found.caption_justify = "left"
    return found


def _sizes(document: Document) -> list[str]:
    """The largest N, and some below it, evenly among those there are."""
    every = sorted({int(n) for entry in document["selection"].values() for n in entry["accuracy"]})
    step = max(1, -(-len(every) // SHOWN))
    return [str(n) for n in sorted({1, *every[::-1][::step][: SHOWN - 1]}) if n in every]


def _nats(estimate: dict[str, Any] | None) -> str:
    values = [known(estimate, key) for key in ("value", "low", "high")]
    if values[0] is None:
        return DASH
    shown = [f"{value:+.2f}".replace("-", "−") for value in values if value is not None]
    return shown[0] if len(shown) < 3 else f"{shown[0]}\n[{shown[1]}, {shown[2]}]"


def _below(document: Document) -> Iterator[str]:
    for name, entry in document.get("selection", {}).items():
        if entry["falls"]:
            below = known(entry["gain_over_sampling"], "high")
            what = (
                "lies below one sample's" if below is not None and below < 0 else "falls as N grows"
            )
            yield f"warning: {name}: accuracy {what}: {'; '.join(entry['why'])}"
    adaptive = document["adaptive"]
    if "why" in adaptive:
        yield f"adaptive best-of-N: {DASH}: {adaptive['why']}"
    else:
        accuracy, gain = (
            f"{number(adaptive[key], sign)} {interval(adaptive[key])}"
            for key, sign in (("accuracy", ""), ("gain_over_greedy", "+"))
        )
        yield (
            f"adaptive best-of-N (until k max pi >= {adaptive['mu']:.2f}, delta {adaptive['delta']:g}): "
            f"{known(adaptive['samples'], 'value'):.1f} samples a problem, {number(adaptive['saved'])}% of {document['samples']} saved, "
            f"{number(adaptive['reached'])}% of problems stop; accuracy {accuracy}, over greedy {gain}"
        )
    if (told := document.get("log_probabilities")) is not None:
        for name, kind in (("pooled", "of all problems"), ("within_problem", "within a problem")):
            yield f"log-probabilities of right and wrong responses {kind}: {told[name]['verdict']}{_chances(told[name])}"
    if document["truncated"]:
        yield f"{document['truncated']:,} responses were truncated: never chosen by log-probability"
    yield from document["notes"]


def _chances(found: dict[str, Any]) -> str:
    if found["why"]:
        return f" ({found['why']})"
    return (
        f" (right dominates: p {found['right_p']:.3f}; wrong dominates: p {found['wrong_p']:.3f})"
    )


def _estimates(document: Document, place: str) -> list[tuple[str, dict[str, Any]]]:
    found = [
        (f"{place}, {name}", document[name])
        for name in ("greedy", "accuracy", "coverage")
        if name in document
    ]
    for name, entry in document.get("selection", {}).items():
        found += [
            (f"{place}, {name}", entry[key])
            for key in ("gain_over_greedy", "likelihood_lift")
            if key in entry
        ]
    return found
