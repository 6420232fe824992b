"""Terminal tables about several models or sizes, in 80 columns.

``strop cross``, ``strop scale`` and ``strop plan``; the helpers at the end serve other tables too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from strop.report.formatting import DASH, Document, clean, interval, known, number, sign_of


def cross_tables(document: Document) -> Iterator[Table | Text]:
    """Yield one matrix per verifier, generators down and verifying models across; then notes."""
    document = clean(document)
    for verifier in dict.fromkeys(cell["verifier"] for cell in document["cells"]):
        yield _matrix(document, verifier)
    estimates = []
    for cell in document["cells"]:
        pair = f"{cell['generator']} verified by {cell['verifier_model']}"
        estimates.append((f"{pair}, {cell['verifier']}", cell["gap"]))
    yield from notes_on(estimates)


def _matrix(document: Document, verifier: str) -> Table:
    """Return one verifier's gaps: a row per generator, a column per verifying model."""
    cells = [cell for cell in document["cells"] if cell["verifier"] == verifier]
    gap_of = {(cell["generator"], cell["verifier_model"]): cell["gap"] for cell in cells}
    judges = document["verifier_models"]
    weigh = cells[0]["weigh"]
    title = f"gap in points, {verifier}@{weigh}, {document['task']}"
    header = ["generator\nacc. %"]
    for judge in judges:
        header.append(f"verified by\n{judge}")
    table = plain_table(title, header)
    for generator in document["generators"]:
        accuracy = number(document["accuracy"][generator])
        row = [Text(f"{generator}\n{accuracy}")]
        for judge in judges:
            row.append(gap_cell(gap_of[generator, judge]))
        table.add_row(*row)
    return table


def scale_tables(document: Document) -> Iterator[Table | Text]:
    """Yield the points, the trend of each family, task and verifier, and notes."""
    document = clean(document)
    yield _points_table(document["points"])
    yield _trends_table(document["trends"])
    definitions = dict.fromkeys(trend["definition"] for trend in document["trends"])
    yield from map(Text, definitions)
    estimates = []
    for point in document["points"]:
        name = f"{point['model']}, {point['task']}, {point['verifier']}"
        estimates += [(name, point["relative_gap"]), (name, point["gap"])]
    for trend in document["trends"]:
        name = f"slope of {trend['family']}, {trend['task']}, {trend['verifier']}"
        estimates.append((name, trend["slope"]))
    yield from notes_on(estimates)


def _points_table(points: Sequence[Document]) -> Table:
    """Return a row per model, task and verifier."""
    header = ["model\ntask", "FLOPs", "verifier\n@weight", "relative\ngap", "gap\npoints"]
    table = plain_table("relative gap, %", header)
    for point in points:
        flops = point["pretraining"]["flops"]
        table.add_row(
            Text(f"{point['model']}\n{point['task']}"),
            Text(f"{flops:.1e}"),
            Text(f"{point['verifier']}\n@{point['weigh']}"),
            gap_cell(point["relative_gap"]),
            gap_cell(point["gap"]),
        )
    return table


def _trends_table(trends: Sequence[Document]) -> Table:
    """Return a row per family, task and verifier."""
    header = ["family\ntask", "verifier", "slope\npoints", "Kendall\ntau", "p, rising", "sizes"]
    table = plain_table("relative gap against log10 FLOPs", header)
    for trend in trends:
        tau = known(trend["kendall"], "value")
        p_rising = trend["p_rising"]
        tau_text = DASH if tau is None else f"{tau:.2f}"
        p_text = DASH if p_rising is None else f"{p_rising:.3f}"
        table.add_row(
            Text(f"{trend['family']}\n{trend['task']}"),
            Text(trend["verifier"]),
            gap_cell(trend["slope"]),
            Text(tau_text),
            Text(p_text),
            Text(str(trend["sizes"])),
        )
    return table


def plan_table(plans: Sequence[Document]) -> Table:
    """Return the problems needed at each number of samples; ``plan_notes`` adds the cost."""
    # All plans have the same half-width and consider the same K.
    first = plans[0]
    half_width = 100 * first["half_width"]
    header = [f"± {half_width:g} points"]
    for need in first["needs"]:
        header.append(f"K = {need['samples']}")
    table = plain_table("problems needed", header)
    for plan in clean(list(plans)):
        cells = [_whole(need.get("problems")) for need in plan["needs"]]
        table.add_row(Text(plan["quantity"]), *cells)
    return table


def plan_notes(plans: Sequence[Document]) -> Iterator[Text]:
    """Yield the cheapest plan of each quantity with its cost, then what the plans assume."""
    cleaned: list[Document] = clean(list(plans))
    for plan in cleaned:
        cheapest = _cheapest(plan["cheapest"])
        yield Text(f"{plan['quantity']}: {cheapest}")
    assumptions = []
    for plan in cleaned:
        assumptions += [(note, plan["quantity"]) for note in plan["notes"]]
    yield from _grouped_notes(assumptions)


def _cheapest(cheapest: Document) -> str:
    """Return the cheapest plan in words, with its cost if that is known; or why there is none."""
    if cheapest.get("responses") is None:
        return f"{DASH}: {cheapest['why']}"
    problems = f"{cheapest['problems']:,} problems"
    samples = f"{cheapest['samples']} samples"
    text = f"fewest responses: {problems} x {samples} = {cheapest['responses']:,} responses"
    tokens = cheapest.get("prompt_tokens", 0) + cheapest.get("generated_tokens", 0)
    if tokens:
        cost = f"{tokens:,} tokens and {cheapest['flops']:.1e} FLOPs"
        text += f", about {cost} with all verifications"
    return text


def notes_on(estimates: Iterable[tuple[str, Document]]) -> Iterator[Text]:
    """Yield the reasons for dashes and missing intervals, and the cautions about intervals.

    ``estimates`` are pairs of a name and an estimate.
    """
    notes = []
    for name, estimate in estimates:
        for text in (estimate.get("why"), estimate.get("caution")):
            if text:
                notes.append((text, name))
    yield from _grouped_notes(notes)


def _grouped_notes(notes: Iterable[tuple[str, str]]) -> Iterator[Text]:
    """Yield each note once, after the names of all that it is about."""
    names_of: dict[str, list[str]] = {}
    for note, name in notes:
        names = names_of.setdefault(note, [])
        if name not in names:
            names.append(name)
    for note, names in names_of.items():
        all_names = "; ".join(names)
        yield Text(f"{all_names}: {note}")


def plain_table(title: str, headers: Sequence[str]) -> Table:
    """Return an empty table whose first column is text and whose others are numbers."""
    table = Table(
        title=Text(title),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
    )
    # "fold" breaks a long word; the default, an ellipsis, would hide digits.
    name, *numbers = headers
    table.add_column(Text(name), overflow="fold")
    for header in numbers:
        table.add_column(Text(header), justify="right", overflow="fold")
    return table


def gap_cell(estimate: dict[str, Any]) -> Text:
    """Return a difference with its interval below; bold with a star if that excludes zero."""
    value = number(estimate, "+")
    ends = interval(estimate)
    if sign_of(estimate) != 0:
        return Text(f"{value}*\n{ends}", style="bold")
    return Text(f"{value}\n{ends}")


def _whole(count: float | None) -> str:
    if count is None:
        return DASH
    return f"{count:,.0f}"
