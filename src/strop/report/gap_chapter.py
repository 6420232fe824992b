"""The chapter about one run of ``strop gap``: its verdict, a sentence per verifier, its charts.

The charts are those of "Mind the Gap", section 6: thresholds, calibration, ensembles, best of N,
diversity.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from strop.report.blocks import (
    Block,
    Cell,
    Chapter,
    Chart,
    Claim,
    Group,
    WordTable,
    filled,
    kind_of,
)
from strop.report.charts import interval_chart, line_chart
from strop.report.extra_tables import (
    choice_table,
    correlations_table,
    diversity_table,
    ensembles_table,
)
from strop.report.figures import (
    accuracy_figure,
    calibration_figure,
    drawable,
    gap_figure,
    shared_domain,
)
from strop.report.formatting import (
    EstimateJson,
    clean,
    interval,
    known,
    number,
    points,
    visible,
)
from strop.report.gap_rows import entries
from strop.report.headline import headline_of
from strop.report.marks import GAP, Axes, Mark, doublings, drawn, mark

_PHRASES = {
    "majority": "majority vote",
    "cot-binary": "cot-binary verdict",
    "cot-score": "cot-score",
}
_ACCURACY = "accuracy, %"
_MOST_ENSEMBLES = 16

Sweeps = Mapping[str, Sequence[Mapping[str, Any]]]


def gap_chapter(title: str, document: Mapping[str, Any], sweeps: Sweeps) -> Chapter:
    """Return the chapter of one run. ``sweeps`` is as in ``ReportRun``."""
    document = clean(document)
    groups = filled(list(_groups(document, sweeps)))
    return Chapter(title, headline_of(document), verdicts(document), groups)


def verdicts(document: Mapping[str, Any]) -> list[Claim]:
    """Return a sentence per verifier: what filtering by it does to the accuracy."""
    document = clean(document)
    claims = []
    for stage, entry in document["verifiers"].items():
        claims.append(_claim(_judge(document, stage), document.get("accuracy"), entry))
    return claims


def _judge(document: Mapping[str, Any], stage: str) -> str:
    """Return whose judgement a verifier's scores are: "the model's own cot-binary verdict"."""
    # In a matrix one verifier has a stage for each model: "cot-binary--MODEL".
    entry = document["verifiers"].get(stage, {})
    name = entry.get("name", stage)
    if name == "oracle":
        return "the oracle (the reference itself)"
    model = entry.get("verifier_model", document.get("verifier_model"))
    owner = f"{model}'s"
    if model in (None, document["model"]):
        owner = "the model's own"
    phrase = _PHRASES.get(name, f"{name} score")
    return f"{owner} {phrase}"


def _claim(judge: str, accuracy: EstimateJson | None, entry: Mapping[str, Any]) -> Claim:
    """Return the sentence about one verifier, in the words of its kind."""
    gap = entry.get("gap")
    kind = kind_of(gap)
    why = (gap or {}).get("why") or "no reason was recorded"
    before = number(accuracy)
    after = number(entry.get("accuracy_kept"))
    change = f"from {before}% to {after}%: {points(gap)}"
    if known(gap, "value") is None:
        return Claim("unknown", f"The effect of filtering by {judge} is unknown: {why}")
    sentences = {
        "unknown": f"moves accuracy {change}, with no interval: {why}",
        "gain": f"raises accuracy {change}",
        "loss": f"lowers accuracy {change}",
        "none": f"brings no measurable gain: {points(gap)}",
    }
    return Claim(kind, f"Filtering by {judge} {sentences[kind]}")


def _groups(document: Mapping[str, Any], sweeps: Sweeps) -> Iterator[Group]:
    """Yield the groups of the chapter, empty ones too; ``filled`` drops those."""
    analysis = document.get("analysis") or {}
    yield Group(
        "What filtering changes",
        "Accuracy of all responses, and of those that each verifier keeps under its weight.",
        list(_accuracies(document)),
        wide=True,
    )
    yield Group(
        "Gap against threshold",
        "The gap as the filter gets stricter. The band is its interval; the straight line marks no "
        "gain. A verifier with a single threshold has no curve.",
        list(_curves(sweeps)),
    )
    yield Group(
        "Ensembles",
        "An ensemble keeps a response only if every verifier keeps it.",
        list(_ensembles(document, analysis)),
        wide=True,
    )
    yield Group(
        "Calibration",
        "Share of right responses against the score. A calibrated verifier lies on the diagonal. "
        "If scores are not probabilities, look for a rising line.",
        list(_calibrations(analysis)),
    )
    yield Group(
        "Best of N, and pass@N",
        "Accuracy of one chosen response of N, and the accuracy of a perfect choice.",
        list(_best_of(analysis)),
        wide=True,
    )
    yield from _table_groups(analysis)


def _table_groups(analysis: Mapping[str, Any]) -> Iterator[Group]:
    """Yield a group for each table that the analysis has numbers for."""
    tables = [
        correlations_table(analysis),
        diversity_table(analysis),
        choice_table(analysis),
    ]
    for table in tables:
        if table is not None:
            yield Group(table.title, "", [table], wide=True)


def _accuracies(document: Mapping[str, Any]) -> Iterator[Block]:
    """Yield the accuracies before and after filtering, then the gaps."""
    specification = accuracy_figure(document)
    if specification is None:
        return
    rows = entries(dict(document))
    marks = [
        mark(document.get("accuracy"), name="all responses"),
        mark(document.get("greedy"), name="greedy"),
    ]
    marks += [mark(row.get("accuracy_kept"), name=f"kept by {_row_name(row)}") for row in rows]
    note = (
        "Points are estimates, lines their intervals; the dashed line is the accuracy of all "
        "responses."
    )
    # Here and below, the general chart gives the numbers and the description; what is drawn is
    # the more specific figure.
    chart = interval_chart("Accuracy before and after filtering", note, marks, Axes(_ACCURACY))
    yield replace(chart, specification=specification)
    gaps = [mark(row.get("gap"), name=_row_name(row)) for row in rows]
    if drawn(gaps):
        note = "To the right of zero: the kept responses are right more often."
        yield interval_chart("Gap by verifier and weight", note, gaps, GAP)


def _row_name(row: Mapping[str, Any]) -> str:
    return f"{row['verifier']}@{row.get('weigh', '')}"


def _curves(sweeps: Sweeps) -> Iterator[Block]:
    """Yield the gap over the filter's parameter, a chart per verifier, all on one scale."""
    curves = {}
    for name, rows in sweeps.items():
        drawn_rows = drawable(rows)
        if drawn_rows:
            curves[name] = drawn_rows
    domain = shared_domain(curves)
    for name, rows in curves.items():
        marks = [mark(row["gap"], x=row["threshold"], series="") for row in rows]
        axes = Axes("gap, points", "threshold", "+")
        chart = line_chart(visible(name), "", marks, axes)
        yield replace(chart, specification=gap_figure(rows, domain))


def _ensembles(document: Mapping[str, Any], analysis: Mapping[str, Any]) -> Iterator[Block]:
    """Yield the gaps of ensembles beside those of single verifiers, then the table of all."""
    ensembles = analysis.get("ensembles") or {}
    if not ensembles:
        return
    # Calibration leaves out the controls (oracle, chance), as ensembles do.
    verifiers = analysis.get("calibration") or {}
    marks = []
    for name, entry in document["verifiers"].items():
        if name in verifiers:
            marks.append(mark(entry.get("gap"), name=name))
    for spec, ensemble in ensembles.items():
        marks.append(mark(ensemble["gap"], name=_without_weights(spec)))
    largest = sorted(drawn(marks), key=lambda mark: -float(mark["value"]))[:_MOST_ENSEMBLES]
    if largest:
        note = "The sixteen with the largest gap, each verifier under its default weight."
        yield interval_chart("Gap of ensembles and of verifiers alone", note, largest, GAP)
    table = ensembles_table(analysis)
    if table is not None:
        yield table


def _without_weights(spec: str) -> str:
    """Return "mc & logprob" of "mc@threshold:0.5&logprob@best-of:K"."""
    names = [factor.split("@")[0] for factor in spec.split("&")]
    return " & ".join(names)


def _calibrations(analysis: Mapping[str, Any]) -> Iterator[Block]:
    """Yield a chart for each verifier whose scores have more than one bin."""
    calibrations = analysis.get("calibration") or {}
    for name, calibration in calibrations.items():
        if len(calibration["bins"]) > 1:
            yield _calibration_chart(name, calibration)


def _calibration_chart(name: str, calibration: Mapping[str, Any]) -> Chart:
    """Return the share of right responses against score, with a point per bin.

    The diagonal is drawn where scores are probabilities, which is where the calibration error is
    defined.
    """
    marks = []
    for score_bin in calibration["bins"]:
        x = round(score_bin["score"], 4)
        responses = score_bin["responses"]
        marks.append(mark(score_bin["right"], x=x, series="", responses=responses))
    error = calibration.get("ece") or {}
    is_probability = known(error, "value") is not None
    note = ""
    if is_probability:
        note = f"Calibration error {number(error)}% {interval(error)}."
    chart = line_chart(name, note, marks, Axes("right, %", "mean score"))
    return replace(
        chart,
        specification=calibration_figure(drawn(marks), is_probability),
        table=_with_counts(chart.table, marks),
    )


def _with_counts(table: WordTable, marks: list[Mark]) -> WordTable:
    """Return the table of a calibration chart with a column for each bin's number of responses."""
    # The rows of the table are named by x in words, as ``series_table`` writes it.
    count_at = {f"{mark['x']:g}": f"{mark['responses']:,}" for mark in marks}
    rows = []
    for x, cells in table.rows:
        rows.append((x, [*cells, Cell(count_at[x])]))
    return WordTable(table.title, "", [*table.header, "responses"], rows)


def _best_of(analysis: Mapping[str, Any]) -> Iterator[Block]:
    """Yield one chart of selection curves and pass@N: what is chosen, and what could be."""
    curves = dict(analysis.get("selection") or {})
    curves["pass@N: any right"] = analysis.get("pass_at_k") or {}
    marks = []
    for name, curve in curves.items():
        for size in doublings(curve):
            marks.append(mark(curve[size], x=int(size), series=name))
    sizes = {mark["x"] for mark in drawn(marks)}
    # A single size is no curve.
    if len(sizes) > 1:
        note = (
            "Expected accuracy over subsets of the samples. Click a name in the legend to see it "
            "alone."
        )
        axes = Axes(_ACCURACY, "responses, N", log=True)
        yield line_chart("Accuracy of the best of N", note, marks, axes)
