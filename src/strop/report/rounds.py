"""The terminal table of ``strop improve``: a row for each round's model, in 80 columns."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from rich.table import Table
from rich.text import Text

from strop.report.formatting import (
    DASH,
    Document,
    clean,
    interval,
    known,
    number,
    with_interval,
)
from strop.report.model_tables import gap_cell, notes_on, plain_table

_HEADER = ["round", "accuracy", "gain", "greedy", "gap, own\nverifier", "gap, base\nverifier"]


def rounds_table(document: Document) -> Table:
    """Return held-out accuracy, gaps under both verifiers, and pass@K, round by round."""
    document = clean(document)
    k = max(map(int, document["rounds"][0]["pass_at_k"]))
    judge = document["filter_by"]
    if document["verify_with"]:
        judge = f"{judge} of {document['verify_with']}"
    course = f"{document['method']} of {document['model']} on {document['task']}"
    title = f"{course}, filtered by {judge}; held-out problems, %"
    table = plain_table(title, [*_HEADER, f"pass@{k}", "train\nacc."])
    for current in document["rounds"]:
        accuracy = current["accuracy"]
        table.add_row(
            Text(str(current["round"])),
            Text(f"{number(accuracy)}\n{interval(accuracy)}"),
            gap_cell(current["gain"]) if "gain" in current else Text(DASH),
            Text(number(current["greedy"])),
            gap_cell(current["gap"]),
            gap_cell(current["gap_base_verifier"]),
            Text(number(current["pass_at_k"][str(k)])),
            Text(number(current["train_accuracy"])),
        )
    return table


def round_line(document: Document) -> str:
    """Return the last round in a line, for logs."""
    last = clean(document)["rounds"][-1]
    accuracy, gap = with_interval(last["accuracy"]), with_interval(last["gap"])
    return f"round {last['round']}: accuracy {accuracy}, gap {gap}"


def rounds_tables(document: Document) -> Iterator[Table | Text]:
    """Yield the table, each round's forecast and result, the change since the base model, notes."""
    yield rounds_table(document)
    document = clean(document)
    rounds = document["rounds"]
    # A round records what the next model was trained on, and a forecast of that model's accuracy.
    for previous, current in pairwise(rounds):
        yield Text(_result_line(previous, current))
    if len(rounds) > 1:
        last = rounds[-1]
        accuracy = with_interval(last["accuracy_since_base"], "+")
        passes = with_interval(last["pass_at_k_since_base"], "+")
        k = len(last["pass_at_k"])
        changes = f"accuracy {accuracy}, pass@{k} {passes} points"
        yield Text(f"compared with the base model, paired by problem: {changes}")
    yield Text(f"ended: {document['stopped']}")
    estimates = []
    for current in rounds:
        for key in ("gap", "gap_base_verifier", "gain"):
            if key in current:
                estimates.append((f"round {current['round']}, {key}", current[key]))
    yield from notes_on(estimates)


def _result_line(previous: Document, current: Document) -> str:
    """Return what a round was trained on, its forecast, and its result."""
    rows = previous["trained_on"]
    without = f"{rows['problems_without']:,} gave none"
    trained_on = f"{rows['rows']:,} rows of {rows['problems']:,} problems ({without})"
    if rows["replayed"]:
        trained_on += f", {rows['replayed']:,} replayed"
    accuracy = number(current["accuracy"])
    in_format = f"{number(current['gain_in_format'], '+')} in format alone"
    eps = f"eps_update {with_interval(current['eps_update'], '+')}, {in_format}, points"
    forecast = _forecast(previous["forecast"])
    return f"round {current['round']}: {trained_on}; {forecast}; accuracy {accuracy}: {eps}"


def _forecast(forecast: Document) -> str:
    if known(forecast, "value") is None:
        return "no forecast"
    if known(forecast, "low") is None:
        return f"forecast at most {number(forecast)}"
    return f"forecast {number(forecast)} {interval(forecast)}"
