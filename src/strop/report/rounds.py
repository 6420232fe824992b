"""``strop improve`` on the terminal: a row for each model, in 80 columns."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from rich.table import Table
from rich.text import Text

from strop.report.formatting import DASH, Document, clean, interval, known, number
from strop.report.model_tables import gap_cell, notes_on, plain_table


def rounds_table(document: Document) -> Table:
    """Held-out accuracy, gaps under both verifiers, and pass@K, round by round."""
    document = clean(document)
    k = max(map(int, document["rounds"][0]["pass_at_k"]))
    with_model = f" of {document['verify_with']}" if document["verify_with"] else ""
    table = plain_table(
        f"{document['method']} of {document['model']} on {document['task']}, filtered by {document['filter_by']}{with_model}; "
        "held-out problems, %",
        [
            "round",
            "accuracy",
            "gain",
            "greedy",
            "gap, own\nverifier",
            "gap, base\nverifier",
            f"pass@{k}",
            "train\nacc.",
        ],
    )
    for one in document["rounds"]:
        accuracy = f"{number(one['accuracy'])}\n{interval(one['accuracy'])}"
        gain = gap_cell(one["gain"]) if "gain" in one else Text(DASH)
        table.add_row(
            Text(str(one["round"])),
            Text(accuracy),
            gain,
            Text(number(one["greedy"])),
            gap_cell(one["gap"]),
            gap_cell(one["gap_base_verifier"]),
            Text(number(one["pass_at_k"][str(k)])),
            Text(number(one["train_accuracy"])),
        )
    return table


def round_line(document: Document) -> str:
    """The last round in a line, for logs."""
    one = clean(document)["rounds"][-1]
    numbers = (
        f"{name} {number(one[key])} {interval(one[key])}"
        for name, key in (("accuracy", "accuracy"), ("gap", "gap"))
    )
    return f"round {one['round']}: {', '.join(numbers)}"


def rounds_tables(document: Document) -> Iterator[Table | Text]:
    """The table; then what was forecast of each round and what came, what changed since the base model, and why it ended."""
    yield rounds_table(document)
    document = clean(document)
    rounds = document["rounds"]
    for before, one in pairwise(rounds):
        yield Text(_came(before, one))
    if len(rounds) > 1:
        last = rounds[-1]
        changes = [
            f"{name} {number(last[key], '+')} {interval(last[key])}"
            for name, key in (
                ("accuracy", "accuracy_since_base"),
                (f"pass@{len(last['pass_at_k'])}", "pass_at_k_since_base"),
            )
        ]
        yield Text(f"against the base model, paired by problem: {', '.join(changes)} points")
    yield Text(f"ended: {document['stopped']}")
    named = [
        (f"round {one['round']}, {name}", one[name])
        for one in rounds
        for name in ("gap", "gap_base_verifier", "gain")
        if name in one
    ]
    yield from notes_on(named)


def _came(before: Document, one: Document) -> str:
    """What was to be expected of a round, and what came."""
    forecast = before["forecast"]
    told = "nothing was forecast"
    if known(forecast, "value") is not None:
        is_upper = known(forecast, "low") is None
        told = (
            f"at most {number(forecast)} was forecast"
            if is_upper
            else f"{number(forecast)} {interval(forecast)} was forecast"
        )
    rows = before["trained_on"]
    taught = f"{rows['rows']:,} rows of {rows['problems']:,} problems ({rows['problems_without']:,} gave none)"
    replayed = f", {rows['replayed']:,} replayed" if rows["replayed"] else ""
    eps = f"eps_update {number(one['eps_update'], '+')} {interval(one['eps_update'])}, {number(one['gain_in_format'], '+')} in format alone"
    return f"round {one['round']}: {taught}{replayed}; {told}, {number(one['accuracy'])} came: {eps}, points"
