"""What the page tells of one run of ``strop gap``: thresholds, calibration, ensembles, best of N, diversity ("Mind the Gap", section 6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from strop.report.blocks import Block, Chapter, Chart, Claim, Group, WordTable
from strop.report.charts import GAP, Axes, Mark, drawn, interval_chart, line_chart, mark
from strop.report.extra_tables import (
    choice_table,
    correlations_table,
    diversity_table,
    ensembles_table,
)
from strop.report.formatting import clean, entries, interval, known, number, visible
from strop.report.headline import headline_of

_PHRASES = {
    "majority": "majority vote",
    "cot-binary": "cot-binary verdict",
    "cot-score": "cot-score",
}
_SHARE = "accuracy, %"

Sweeps = Mapping[str, Sequence[Mapping[str, Any]]]


def gap_chapter(title: str, document: Mapping[str, Any], sweeps: Sweeps) -> Chapter:
    """The verdict, a sentence a verifier, and the charts of one run. ``sweeps`` as in ``ReportRun``."""
    document = clean(document)
    return Chapter(
        title,
        headline_of(document),
        verdicts(document),
        [group for group in _groups(document, sweeps) if group.blocks],
    )


def verdicts(document: Mapping[str, Any]) -> list[Claim]:
    """A sentence per verifier: what filtering by it does to the accuracy, in plain words and with the interval."""
    document = clean(document)
    found = []
    for stage, entry in document["verifiers"].items():
        kind, claim = _claim(judge_of(document, stage), document.get("accuracy"), entry)
        found.append(Claim(kind, claim[0].upper() + claim[1:]))
    return found


def judge_of(document: Mapping[str, Any], stage: str) -> str:
    """Whose opinion, in words: "the model's own cot-binary verdict"."""
    entry = document["verifiers"].get(stage, {})
    model, name = (
        entry.get("verifier_model", document.get("verifier_model")),
        entry.get("name", stage),
    )
    owner = "the model's own" if model in (None, document["model"]) else f"{model}'s"
    return (
        "the oracle (the reference itself)"
        if name == "oracle"
        else f"{owner} {_PHRASES.get(name, f'{name} score')}"
    )


def _claim(
    judge: str, accuracy: Mapping[str, Any] | None, entry: Mapping[str, Any]
) -> tuple[Any, str]:
    gap, kept = entry.get("gap"), entry.get("accuracy_kept")
    value, low, high = (known(gap, key) for key in ("value", "low", "high"))
    why = (gap or {}).get("why") or "no reason was recorded"
    points = f"{number(gap, '+')} points {interval(gap)}".strip().replace(
        " ", "\u00a0"
    )  # on one line
    change = f"from {number(accuracy)}% to {number(kept)}%: {points}"
    if value is None:
        return "unknown", f"what filtering by {judge} changes is unknown: {why}"
    if low is None or high is None:
        return "unknown", f"filtering by {judge} moves accuracy {change}, with no interval: {why}"
    if low > 0:
        return "gain", f"filtering by {judge} raises accuracy {change}"
    if high < 0:
        return "loss", f"filtering by {judge} lowers accuracy {change}"
    return "none", f"filtering by {judge} brings no measurable gain: {points}"


def _groups(document: Mapping[str, Any], sweeps: Sweeps) -> Iterator[Group]:
    analysis = document.get("analysis") or {}
    note = "Accuracy of all responses, and of those that each verifier keeps under its weight."
    yield Group("What filtering changes", note, list(_accuracies(document)), wide=True)
    note = "How the gap changes as the filter gets stricter; the band is its interval, the straight line is no gain."
    yield Group(
        "Gap against threshold",
        f"{note} A verifier with a single threshold has no curve.",
        list(_curves(sweeps)),
    )
    yield Group(
        "Ensembles",
        "Keep a response only if every verifier keeps it.",
        list(_ensembles(document, analysis)),
        wide=True,
    )
    note = "Are scores what they say? A calibrated verifier lies on the diagonal. Where scores are no probabilities, look for a rising line."
    yield Group("Calibration", note, list(_calibrations(analysis)))
    yield Group(
        "Best of N, and pass@N",
        "What choosing one response of N brings, and what a perfect choice would.",
        list(_best_of(analysis)),
        wide=True,
    )
    yield Group("How alike the verifiers are", "", _filled(correlations_table(analysis)), wide=True)
    yield Group("Diversity", "", _filled(diversity_table(analysis)), wide=True)
    yield Group(
        "Choosing the verifier and its weight", "", _filled(choice_table(analysis)), wide=True
    )


def _filled(tables: Iterator[WordTable]) -> list[Block]:
    return [table for table in tables if table.rows]


def _accuracies(document: Mapping[str, Any]) -> Iterator[Block]:
    from strop.report.figures import accuracy_figure

    specification = accuracy_figure(document)
    if specification is None:
        return
    named = [("all responses", document.get("accuracy")), ("greedy", document.get("greedy"))]
    named += [
        (f"kept by {row['verifier']}@{row.get('weigh', '')}", row.get("accuracy_kept"))
        for row in entries(dict(document))
    ]
    shown = interval_chart(
        "Accuracy before and after filtering",
        "",
        [mark(found, name=name) for name, found in named],
        Axes(_SHARE),
    )
    note = "Points are estimates, lines their intervals; the dashed line is the accuracy of all responses."
    yield Chart(shown.title, note, specification, shown.description, shown.table)
    gaps = [
        mark(row.get("gap"), name=f"{row['verifier']}@{row.get('weigh', '')}")
        for row in entries(dict(document))
    ]
    if drawn(gaps):
        yield interval_chart(
            "Gap by verifier and weight",
            "Points right of zero keep what is more often right.",
            gaps,
            GAP,
        )


def _curves(sweeps: Sweeps) -> Iterator[Block]:
    from strop.report.figures import drawable, gap_figure, shared_domain

    curves = {
        name: rows
        for name, rows in ((name, drawable(rows)) for name, rows in sweeps.items())
        if rows
    }
    domain = shared_domain(curves) if curves else (0.0, 0.0)
    for name, rows in curves.items():
        marks = [mark(row["gap"], x=row["threshold"], series="") for row in rows]
        told = line_chart(visible(name), "", marks, Axes("gap, points", "threshold", "+"))
        yield Chart(told.title, "", gap_figure(rows, domain), told.description, told.table)


def _ensembles(document: Mapping[str, Any], analysis: Mapping[str, Any]) -> Iterator[Block]:
    together, blind = (
        analysis.get("ensembles") or {},
        analysis.get("calibration") or {},
    )  # neither holds the controls
    if not together:
        return
    alone = [
        mark(entry.get("gap"), name=name, series="alone")
        for name, entry in document["verifiers"].items()
        if name in blind
    ]
    marks = [
        *alone,
        *(
            mark(found["gap"], name=_without_weights(spec), series="all of them")
            for spec, found in together.items()
        ),
    ]
    marks = sorted(drawn(marks), key=lambda one: -float(one["value"]))[:16]
    note = "The sixteen with the largest gap, each verifier under its default weight."
    if marks:
        yield interval_chart(
            "Gap of ensembles and of verifiers alone",
            note,
            [one | {"series": ""} for one in marks],
            GAP,
        )
    yield from ensembles_table(analysis)


def _without_weights(spec: str) -> str:
    return " & ".join(factor.split("@")[0] for factor in spec.split("&"))


def _calibrations(analysis: Mapping[str, Any]) -> Iterator[Block]:
    for name, found in (analysis.get("calibration") or {}).items():
        if len(found["bins"]) > 1:
            yield _calibration(name, found)


def _calibration(name: str, found: Mapping[str, Any]) -> Chart:
    """Share of right responses against score, a point a bin, with the diagonal where scores are probabilities."""
    from strop.report.figures import calibration_figure

    marks = [
        mark(one["right"], x=round(one["score"], 4), series="", responses=one["responses"])
        for one in found["bins"]
    ]
    told = line_chart(name, "", marks, Axes("right, %", "mean score"))
    error = found.get("ece") or {}
    note = (
        f"Calibration error {number(error)}% {interval(error)}."
        if known(error, "value") is not None
        else ""
    )
    return Chart(
        name,
        note,
        calibration_figure(drawn(marks), probability=bool(note)),
        told.description,
        _with_counts(told.table, marks),
    )


def _with_counts(table: WordTable, marks: list[Mark]) -> WordTable:
    from strop.report.blocks import Cell

    count = {f"{one['x']:g}": f"{one['responses']:,}" for one in marks}
    rows = [(place, [*cells, Cell(count[place], "")]) for place, cells in table.rows]
    return WordTable(table.title, "", [*table.header, "responses"], rows)


def _best_of(analysis: Mapping[str, Any]) -> Iterator[Block]:
    """Selection curves and pass@k in one chart: what is chosen, and what could be."""
    curves = {
        **(analysis.get("selection") or {}),
        "pass@N: any right": analysis.get("pass_at_k") or {},
    }
    marks = [
        mark(found, x=int(size), series=name)
        for name, curve in curves.items()
        for size, found in curve.items()
        if doubling(size, curve)
    ]
    if len({one["x"] for one in drawn(marks)}) > 1:
        note = "Expected accuracy over subsets of the samples. Click a name in the legend to see it alone."
        yield line_chart(
            "Accuracy of the best of N", note, marks, Axes(_SHARE, "responses, N", log=True)
        )


def doubling(size: str, curve: Mapping[str, Any]) -> bool:
    """1, 2, 4, ... and the last."""
    number = int(size)
    return number & (number - 1) == 0 or number == max(map(int, curve))
