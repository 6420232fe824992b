"""Terminal tables of what concerns many models or many sizes: ``strop cross``, ``strop scale``, ``strop plan``. Eighty columns each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from strop.report.formatting import DASH, Document, clean, excludes_zero, interval, known, number


def cross_tables(document: Document) -> Iterator[Table | Text]:
    """One matrix a verifier: generators down, verifying models across, the gap in points with its interval below. Then notes."""
    document = clean(document)
    for verifier in dict.fromkeys(cell["verifier"] for cell in document["cells"]):
        cells = {
            (c["generator"], c["verifier_model"]): c
            for c in document["cells"]
            if c["verifier"] == verifier
        }
        weigh = next(iter(cells.values()))["weigh"]
        judges = document["verifier_models"]
        table = plain_table(
            f"gap in points, {verifier}@{weigh}, {document['task']}",
            ["generator\nacc. %", *(f"verified by\n{j}" for j in judges)],
        )
        for generator in document["generators"]:
            head = f"{generator}\n{number(document['accuracy'][generator])}"
            table.add_row(
                Text(head), *(gap_cell(cells[generator, judge]["gap"]) for judge in judges)
            )
        yield table
    yield from notes_on(
        (f"{c['generator']} verified by {c['verifier_model']}, {c['verifier']}", c["gap"])
        for c in document["cells"]
    )


def scale_tables(document: Document) -> Iterator[Table | Text]:
    """The points, and the trend of each family, task and verifier. Then notes."""
    document = clean(document)
    points = plain_table(
        "relative gap, %",
        ["model\ntask", "FLOPs", "verifier\n@weight", "relative\ngap", "gap\npoints"],
    )
    for p in document["points"]:
        flops = f"{p['pretraining']['flops']:.1e}"
        cells = [f"{p['model']}\n{p['task']}", flops, f"{p['verifier']}\n@{p['weigh']}"]
        points.add_row(*map(Text, cells), gap_cell(p["relative_gap"]), gap_cell(p["gap"]))
    yield points
    trends = plain_table(
        "relative gap against log10 FLOPs",
        ["family\ntask", "verifier", "slope\npoints", "Kendall\ntau", "p, rising", "sizes"],
    )
    for t in document["trends"]:
        rising = DASH if t["p_rising"] is None else f"{t['p_rising']:.3f}"
        tau = known(t["kendall"], "value")
        cells = [DASH if tau is None else f"{tau:.2f}", rising, str(t["sizes"])]
        trends.add_row(
            Text(f"{t['family']}\n{t['task']}"),
            Text(t["verifier"]),
            gap_cell(t["slope"]),
            *map(Text, cells),
        )
    yield trends
    points_of = [
        (f"{p['model']}, {p['task']}, {p['verifier']}", p[name])
        for p in document["points"]
        for name in ("relative_gap", "gap")
    ]
    trends_of = [
        (f"slope of {t['family']}, {t['task']}, {t['verifier']}", t["slope"])
        for t in document["trends"]
    ]
    yield from map(Text, dict.fromkeys(t["definition"] for t in document["trends"]))
    yield from notes_on([*points_of, *trends_of])


def plan_table(plans: Sequence[Document]) -> Table:
    """Problems needed at each number of samples; ``plan_notes`` says what the cheapest costs."""
    samples = [need["samples"] for need in plans[0]["needs"]]
    table = plain_table(
        "problems needed",
        [f"± {100 * plans[0]['half_width']:g} points", *(f"K = {k}" for k in samples)],
    )
    for plan in clean(list(plans)):
        table.add_row(
            Text(plan["quantity"]), *(_whole(need.get("problems")) for need in plan["needs"])
        )
    return table


def plan_notes(plans: Sequence[Document]) -> Iterator[Text]:
    """The cheapest plan of each quantity with its cost, then what the plans rest on, each said once."""
    for plan in clean(list(plans)):
        cheapest = plan["cheapest"]
        if cheapest.get("responses") is None:
            yield Text(f"{plan['quantity']}: {DASH}: {cheapest['why']}")
            continue
        tokens = cheapest.get("prompt_tokens", 0) + cheapest.get("generated_tokens", 0)
        cost = (
            f", about {tokens:,} tokens and {cheapest['flops']:.1e} FLOPs with all verifications"
            if tokens
            else ""
        )
        size = f"{cheapest['problems']:,} problems x {cheapest['samples']} samples = {cheapest['responses']:,} responses"
        yield Text(f"{plan['quantity']}: fewest responses: {size}{cost}")
    yield from _said_once(
        (note, plan["quantity"]) for plan in clean(list(plans)) for note in plan["notes"]
    )


def notes_on(estimates: Iterable[tuple[str, dict[str, Any]]]) -> Iterator[Text]:
    """Why there is a dash or no interval, and why an interval may miss."""
    yield from _said_once(
        (text, place)
        for place, one in estimates
        for text in (one.get("why"), one.get("caution"))
        if text
    )


def _said_once(notes: Iterable[tuple[str, str]]) -> Iterator[Text]:
    """Each note with the places that it is about."""
    places: dict[str, dict[str, None]] = {}
    for note, place in notes:
        places.setdefault(note, {})[place] = None
    for note, about in places.items():
        yield Text(f"{'; '.join(about)}: {note}")


def plain_table(title: str, headers: Sequence[str]) -> Table:
    table = Table(
        title=Text(title),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
    )
    for place, header in enumerate(headers):
        table.add_column(Text(header), justify="left" if place == 0 else "right", overflow="fold")
    return table


def gap_cell(estimate: dict[str, Any]) -> Text:
    clear = excludes_zero(estimate)
    return Text(
        f"{number(estimate, '+')}{'*' if clear else ''}\n{interval(estimate)}",
        style="bold" if clear else "",
    )


def _whole(count: float | None) -> str:
    return DASH if count is None else f"{count:,.0f}"
