"""What the page tells of ``strop cross``: who verifies whom ("Mind the Gap", section 4.2)."""

from __future__ import annotations

from collections.abc import Iterator

from strop.report.blocks import (
    Block,
    Cell,
    Chapter,
    Claim,
    Group,
    WordTable,
    kind_of,
    points,
    points_cell,
    rate_cell,
    shaded,
)
from strop.report.charts import GAP, drawn, interval_chart, mark
from strop.report.formatting import Document, excludes_zero, interval, known, number, visible


def cross_chapter(document: Document) -> Chapter:
    matrices = [
        _matrix(document, verifier)
        for verifier in dict.fromkeys(cell["verifier"] for cell in document["cells"])
    ]
    marks = [
        mark(
            cell["gap"],
            name=f"{cell['generator']} by {cell['verifier_model']}",
            series=cell["verifier"],
        )
        for cell in document["cells"]
    ]
    note = "Points right of zero: this judge keeps what is more often right."
    cells: list[Block] = (
        [interval_chart("Every cell with its interval", note, marks, GAP)] if drawn(marks) else []
    )
    transfers: list[Block] = [table for table in [_transfers(document)] if table.rows]
    groups = [
        Group(
            "Who verifies whom",
            "Each generator's responses, filtered by each verifying model.",
            cells,
            wide=True,
        ),
        Group("What is chosen on one model, judged on another", "", transfers, wide=True),
    ]
    label = visible(f"{document['task']} · matrix")
    return Chapter(
        label,
        None,
        list(_cross_claims(document)),
        [group for group in groups if group.blocks],
        matrices,
    )


def _cross_claims(document: Document) -> Iterator[Claim]:
    """For each generator the judge with the largest gap, and its own judgement beside it."""
    for generator in document["generators"]:
        cells = [
            cell
            for cell in document["cells"]
            if cell["generator"] == generator and known(cell["gap"], "value") is not None
        ]
        if not cells:
            yield Claim("unknown", f"No gap of {generator} is known")
            continue
        best = max(cells, key=lambda cell: known(cell["gap"], "value") or 0.0)
        own = [
            cell
            for cell in cells
            if cell["verifier_model"] == generator
            and cell["verifier"] == best["verifier"]
            and cell is not best
        ]
        beside = f" (its own judgement: {points(own[0]['gap'])})" if own else ""
        judge = "itself" if best["verifier_model"] == generator else best["verifier_model"]
        yield Claim(
            kind_of(best["gap"]),
            f"{generator} gains most when {judge} verifies it by {best['verifier']}: {points(best['gap'])}{beside}",
        )


def _matrix(document: Document, verifier: str) -> WordTable:
    cells = {
        (c["generator"], c["verifier_model"]): c
        for c in document["cells"]
        if c["verifier"] == verifier
    }
    judges = document["verifier_models"]
    largest = max(
        (abs(known(cell["gap"], "value") or 0.0) for cell in document["cells"]), default=0.0
    )
    rows = []
    for generator in document["generators"]:
        row = [rate_cell(document["accuracy"][generator])]
        for judge in judges:
            gap = cells[generator, judge]["gap"]
            star = "*" if excludes_zero(gap) else ""
            row.append(
                shaded(Cell(number(gap, "+") + star, interval(gap)), known(gap, "value"), largest)
            )
        rows.append((generator, row))
    weigh = next(iter(cells.values()))["weigh"]
    note = "Gap in points; * where the interval excludes zero. The darker, the larger."
    return WordTable(
        f"{verifier}@{weigh}",
        note,
        ["Generator", "Accuracy, %", *(f"verified by {judge}" for judge in judges)],
        rows,
    )


def _transfers(document: Document) -> WordTable:
    header = ["Chosen on", "Judged on", "Filter", "Gap, points"]
    rows = [
        (
            one["chosen_on"],
            [
                Cell(one["judged_on"], ""),
                Cell(one.get("chosen") or "–", ""),
                points_cell(one.get("gap_cross_fitted")),
            ],
        )
        for one in document.get("transfers") or []
    ]
    note = "The verifier and weight that are best on one model, used on the other; no problem has a part in both."
    return WordTable("Does the best filter carry over?", note, header, rows)
