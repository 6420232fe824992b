"""The chapter about ``strop cross``: which model verifies which ("Mind the Gap", section 4.2)."""

from __future__ import annotations

from collections.abc import Iterator

from strop.report.blocks import (
    Block,
    Cell,
    Chapter,
    Claim,
    Group,
    WordTable,
    filled,
    kind_of,
    points_cell,
    rate_cell,
    shaded,
)
from strop.report.charts import interval_chart
from strop.report.formatting import (
    DASH,
    Document,
    interval,
    known,
    number,
    points,
    sign_of,
    visible,
)
from strop.report.marks import GAP, drawn, mark


def cross_chapter(document: Document) -> Chapter:
    """Return the chapter of one matrix of generators and verifying models."""
    verifiers = dict.fromkeys(cell["verifier"] for cell in document["cells"])
    matrices = [_matrix(document, verifier) for verifier in verifiers]
    groups = [
        Group(
            "Who verifies whom",
            "Each generator's responses, filtered by each verifying model.",
            list(_cell_charts(document)),
            wide=True,
        ),
        Group(
            "A filter chosen on one model and used on another",
            "",
            list(_transfer_tables(document)),
            wide=True,
        ),
    ]
    label = visible(f"{document['task']} · matrix")
    return Chapter(label, None, list(_claims(document)), filled(groups), matrices)


def _claims(document: Document) -> Iterator[Claim]:
    """Yield, for each generator, the judge with the largest gap, beside its own judgement."""
    for generator in document["generators"]:
        cells = []
        for cell in document["cells"]:
            is_known = known(cell["gap"], "value") is not None
            if cell["generator"] == generator and is_known:
                cells.append(cell)
        if not cells:
            yield Claim("unknown", f"No gap of {generator} is known")
            continue
        best = max(cells, key=lambda cell: known(cell["gap"], "value") or 0.0)
        judge = f"{best['verifier_model']} verifies it"
        if best["verifier_model"] == generator:
            judge = "it verifies itself"
        claim = f"{generator} gains most when {judge} by {best['verifier']}: {points(best['gap'])}"
        for cell in cells:
            # The same verifier, by the generator itself.
            is_own = cell["verifier_model"] == generator and cell["verifier"] == best["verifier"]
            if is_own and cell is not best:
                claim += f" (its own judgement: {points(cell['gap'])})"
        yield Claim(kind_of(best["gap"]), claim)


def _matrix(document: Document, verifier: str) -> WordTable:
    """Return a row per generator and a column per verifying model, shaded by the gap."""
    cells = [cell for cell in document["cells"] if cell["verifier"] == verifier]
    gap_of = {(cell["generator"], cell["verifier_model"]): cell["gap"] for cell in cells}
    judges = document["verifier_models"]
    # One scale of shades for all verifiers, so that their matrices can be compared.
    sizes = [abs(known(cell["gap"], "value") or 0.0) for cell in document["cells"]]
    largest = max(sizes, default=0.0)
    rows = []
    for generator in document["generators"]:
        row = [rate_cell(document["accuracy"][generator])]
        for judge in judges:
            gap = gap_of[generator, judge]
            star = "*" if sign_of(gap) else ""
            cell = Cell(number(gap, "+") + star, interval(gap))
            row.append(shaded(cell, known(gap, "value"), largest))
        rows.append((generator, row))
    note = "Gap in points; * if the interval excludes zero. A darker cell is a larger gap."
    header = ["Generator", "Accuracy, %"]
    for judge in judges:
        header.append(f"verified by {judge}")
    weigh = cells[0]["weigh"]
    return WordTable(f"{verifier}@{weigh}", note, header, rows)


def _cell_charts(document: Document) -> Iterator[Block]:
    """Yield one chart of all known gaps, with a row per pair of generator and verifying model."""
    marks = []
    for cell in document["cells"]:
        name = f"{cell['generator']} by {cell['verifier_model']}"
        marks.append(mark(cell["gap"], name=name, series=cell["verifier"]))
    if drawn(marks):
        note = "To the right of zero: the responses that this judge keeps are right more often."
        yield interval_chart("Every cell with its interval", note, marks, GAP)


def _transfer_tables(document: Document) -> Iterator[Block]:
    """Yield the gaps of filters chosen on one model and used on another, if there are any."""
    rows = []
    for transfer in document.get("transfers") or []:
        cells = [
            Cell(transfer["judged_on"]),
            Cell(transfer.get("chosen") or DASH),
            points_cell(transfer.get("gap_cross_fitted")),
        ]
        rows.append((transfer["chosen_on"], cells))
    if rows:
        note = (
            "The best verifier and weight of one model, used on the other. Choosing and measuring "
            "use different problems."
        )
        header = ["Chosen on", "Measured on", "Filter", "Gap, points"]
        yield WordTable("Does the best filter carry over?", note, header, rows)
