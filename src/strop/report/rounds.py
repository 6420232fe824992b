"""``strop improve`` on the terminal: a row for each model, in 80 columns."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from strop.report.many import gap_cell, notes_on, plain_table
from strop.report.rows import DASH, Document, clean, interval, known, number


def rounds_tables(document: Document) -> Iterator[Table | Text]:
    """Held-out accuracy, gaps under both verifiers, and pass@K round by round; then what was forecast, and why it ended."""
    document = clean(document)
    k = max(map(int, document["rounds"][0]["pass_at_k"]))
    table = plain_table(
        f"{document['method']} of {document['model']} on {document['task']}, filtered by {document['filter_by']}; held-out problems, %",
        ["round", "accuracy", "gain", "greedy", "gap, own\nverifier", "gap, base\nverifier", f"pass@{k}", "train\nacc."],
    )
    for one in document["rounds"]:
        accuracy = f"{number(one['accuracy'])}\n{interval(one['accuracy'])}"
        gain = gap_cell(one["gain"]) if "gain" in one else Text(DASH)
        table.add_row(
            Text(str(one["round"])), Text(accuracy), gain, Text(number(one["greedy"])), gap_cell(one["gap"]),
            gap_cell(one["gap_base_verifier"]), Text(number(one["pass_at_k"][str(k)])), Text(number(one["train_accuracy"])),
        )  # fmt: skip
    yield table
    for before, one in zip(document["rounds"], document["rounds"][1:], strict=False):
        yield Text(_came(before, one))
    yield Text(f"ended: {document['stopped']}")
    rounds = document["rounds"]
    named = [(f"round {one['round']}, {name}", one[name]) for one in rounds for name in ("gap", "gap_base_verifier", "gain") if name in one]
    yield from notes_on(named)


def _came(before: Document, one: Document) -> str:
    """What was to be expected of a round, and what came."""
    expected = known(before["forecast"], "value")
    told = f"at most {number(before['forecast'])} was forecast" if expected is not None else "nothing was forecast"
    rows = before["trained_on"]
    taught = f"{rows['rows']:,} rows of {rows['problems']:,} problems ({rows['problems_without']:,} gave none)"
    eps = f"eps_update {number(one['eps_update'], '+')} {interval(one['eps_update'])}"
    return f"round {one['round']}: {taught}; {told}, {number(one['accuracy'])} came: {eps} points"
