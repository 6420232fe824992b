"""The page of the embedded models' evaluation as Markdown.

docs/ladder.md holds these tables between two markers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from typing import Any

import altair as alt
import polars as pl

from strop.measure.scaling import Trend
from strop.records import Estimate
from strop.studies.frame.data import as_frame, estimate_row, known_values
from strop.studies.frame.figures import COLUMN, HEIGHT, by_family, flops_axis, level
from strop.studies.frame.findings import Finding
from strop.studies.frame.numbers import ALPHA
from strop.studies.ladder_cells import EVALUATED, LEVELS, OF_MODEL, PROMPTED, SCALED, Cell
from strop.studies.ladder_evaluation import MEASURED_BY, SCALED_CELLS, Evaluation
from strop.text import listed

PAPER = (
    "the relative gap grows with pre-training compute, about linearly in its logarithm"
    " (Mind the Gap, section 4.1)."
)
BEGIN = "<!-- written by strop ladder eval: begin -->"
END = "<!-- written by strop ladder eval: end -->"
ALL_SCALED = f"{', '.join(SCALED)}, each {', '.join(LEVELS)}"


def page(evaluation: Evaluation, problems: int, samples: int) -> str:
    """Return all tables, and the sentences that follow from them."""
    introduction = (
        f"Every number: {problems} held-out problems x {samples} samples in each cell,"
        " temperature 0.7, top-p 0.9; the mean over the training seeds named in the first table,"
        " with a 95% interval over seeds and problems together (Satterthwaite's; three seeds give"
        " little information about their spread, so the interval is wide if they differ). Per cent;"
        " gaps in points; relative gaps as shares. A dash has no value: no response was right, or"
        " none wrong. A number without an interval is the same for every problem and seed."
    )
    parts = [introduction, *_models(evaluation)]
    for task in EVALUATED:
        parts += _generation(evaluation, task, samples)
        parts += _verification(evaluation, task)
    parts += _scaling(evaluation)
    parts += _sentences(evaluation)
    return "\n".join(parts) + "\n"


def finding(evaluation: Evaluation, tables: str) -> Finding:
    """Return the growth of the relative gap with compute; ``tables`` holds everything else."""
    correlations = []
    rises = []
    for verifier in MEASURED_BY:
        trend = evaluation.scaling(verifier)["pooled"]
        spearman = _share(trend.spearman)
        correlations.append(
            f"{verifier}: Spearman {spearman}, p {_p(trend)}, over {trend.sizes} sizes"
        )
        if trend.p_rising is not None and trend.p_rising <= ALPHA:
            rises.append(verifier)
    if rises:
        answer = f"Yes: it rises under {listed(rises)} (p of Kendall's tau at most 0.05)."
    else:
        answer = "Not shown: p of Kendall's tau is above 0.05 or unknown under every verifier."
    seed_counts = sorted(set(map(len, evaluation.sizes.values())))
    data = _growth(evaluation)
    return Finding(
        "ladder",
        "The relative gap of the embedded models against compute",
        PAPER,
        f"mean relative gap over {ALL_SCALED}, of the full family: {'; '.join(correlations)}."
        f" Training seeds of a size: {listed(map(str, seed_counts))}.",
        f"{answer} Seeds of one size can differ widely: docs/ladder.md has all.",
        data,
        _figure(data),
        tables,
    )


def _growth(evaluation: Evaluation) -> pl.DataFrame:
    """Return the scaling measure of every size under every verifier."""
    rows = []
    for name, verifier in product(evaluation.sizes, MEASURED_BY):
        model = evaluation.first(name)
        row = estimate_row(
            evaluation.mean_relative_gap(name, verifier),
            model=name,
            family=model.card["family"],
            flops=model.flops,
            verifier=verifier,
            seeds=len(evaluation.sizes[name]),
        )
        rows.append(row)
    return as_frame(rows)


def _figure(data: pl.DataFrame) -> Any:
    x = flops_axis("pre-training FLOPs")
    colour = alt.Color("verifier:N", title=None)
    layers, legend = by_family(known_values(data), x, colour, title="mean relative gap")
    chart = alt.layer(level(0), *layers)
    return chart.properties(width=COLUMN, height=HEIGHT, title=legend)


def insert(document: str, text: str) -> str:
    """Return the document with the text between the markers replaced."""
    before, rest = document.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    return f"{before}{BEGIN}\n\n{text}\n{END}{after}"


# --- tables ---


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield ""
    yield f"| {' | '.join(header)} |"
    yield "|---" * len(header) + "|"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def _models(evaluation: Evaluation) -> Iterator[str]:
    yield "\n### Models"
    header = ["model", "family", "parameters", "tokens", "FLOPs", "training seeds", "shipped"]
    header += [f"mean rel. gap, {verifier}" for verifier in MEASURED_BY]
    rows = []
    for name in evaluation.sizes:
        # The cards of a size differ in the seed only.
        model = evaluation.first(name)
        row = [
            name,
            model.card["family"],
            f"{model.card['parameters']:,}",
            f"{model.card['recipe']['tokens'] / 1e6:g}M",
            f"{model.flops:.1e}",
            " ".join(map(str, evaluation.seeds(name))),
            str(evaluation.median_seed(name).seed),
        ]
        for verifier in MEASURED_BY:
            row.append(_share(evaluation.mean_relative_gap(name, verifier)))
        rows.append(row)
    yield from _table(header, rows)


def _generation(evaluation: Evaluation, task: str, samples: int) -> Iterator[str]:
    yield f"\n### {task}: generation"
    header = ["model", "difficulty", "accuracy", "greedy"]
    header += [f"pass@{samples}", f"best of {samples} by log-prob"]
    rows = []
    for name, difficulty in product(evaluation.sizes, LEVELS):
        row = [name, difficulty]
        # These quantities have no verifier.
        for quantity in OF_MODEL:
            row.append(_percent(evaluation.estimate(name, (task, difficulty), "", quantity)))
        rows.append(row)
    yield from _table(header, rows)


def _verification(evaluation: Evaluation, task: str) -> Iterator[str]:
    yield f"\n### {task}: verification"
    header = ["model", "difficulty"]
    header += [f"{verifier}: gap; relative" for verifier in PROMPTED]
    header.append("cot-binary: TPR; FPR")
    rows = []
    for name, difficulty in product(evaluation.sizes, LEVELS):
        cell = (task, difficulty)
        row = [name, difficulty]
        for verifier in PROMPTED:
            gap = evaluation.estimate(name, cell, verifier, "gap")
            relative_gap = evaluation.estimate(name, cell, verifier, "relative_gap")
            row.append(f"{_percent(gap)}; {_share(relative_gap)}")
        tpr = evaluation.estimate(name, cell, "cot-binary", "tpr")
        fpr = evaluation.estimate(name, cell, "cot-binary", "fpr")
        row.append(f"{_percent(tpr)}; {_percent(fpr)}")
        rows.append(row)
    yield from _table(header, rows)


def _scaling(evaluation: Evaluation) -> Iterator[str]:
    yield "\n### Does the relative gap grow with compute?"
    yield (
        f"\nThe mean relative gap over {ALL_SCALED}, against log10 FLOPs over the full family."
        " Intervals: problems resampled jointly over the sizes, and seeds within each size for"
        " `pooled`. p: permutation test of Kendall's tau, one-sided."
    )
    header = ("verifier", "seeds", "sizes", "Spearman", "Kendall", "slope per decade", "p")
    rows = []
    for verifier in MEASURED_BY:
        for label, trend in evaluation.scaling(verifier).items():
            row = [verifier, label, str(trend.sizes)]
            row += map(_share, (trend.spearman, trend.kendall, trend.slope))
            row.append(_p(trend))
            rows.append(row)
    yield from _table(header, rows)


# --- sentences ---


def _sentences(evaluation: Evaluation) -> Iterator[str]:
    """Yield the sentences whose content the numbers decide."""
    yield "\n### What appears and what does not\n"
    # Models stand family by family, smallest first.
    smallest = next(iter(evaluation.sizes))
    for verifier in MEASURED_BY:
        gaps = _gaps(evaluation, [smallest], SCALED_CELLS, [verifier])
        above = _count(gaps, 1)
        yield (
            f"- {smallest}, {verifier}: {above} of {len(gaps)} gaps have an interval above zero;"
            f" the largest is {_largest(gaps)}."
        )
    recall = [("recall", difficulty) for difficulty in LEVELS]
    gaps = _gaps(evaluation, evaluation.sizes, recall, MEASURED_BY)
    values = [100 * (gap.value or 0.0) for gap in gaps]
    above = _count(gaps, 1)
    yield (
        f"- recall, {' and '.join(MEASURED_BY)}, every size and difficulty: gaps from"
        f" {min(values):.1f} to {max(values):.1f} points; {above} of {len(gaps)} intervals lie"
        " above zero."
    )
    for verifier in PROMPTED:
        gaps = _gaps(evaluation, evaluation.sizes, SCALED_CELLS, [verifier])
        above = _count(gaps, 1)
        below = _count(gaps, -1)
        yield (
            f"- {verifier}, all models on {', '.join(SCALED)}: {above} of {len(gaps)} gaps have an"
            f" interval above zero, {below} below; the largest is {_largest(gaps)}."
        )


def _gaps(
    evaluation: Evaluation, names: Iterable[str], cells: Sequence[Cell], verifiers: Sequence[str]
) -> list[Estimate]:
    """Return the gaps of these sizes in these cells under these verifiers."""
    gaps = []
    for name, cell, verifier in product(names, cells, verifiers):
        gaps.append(evaluation.estimate(name, cell, verifier, "gap"))
    return gaps


def _count(gaps: Sequence[Estimate], sign: int) -> int:
    """Count the intervals on one side of zero."""
    return sum(gap.interval_sign == sign for gap in gaps)


def _largest(gaps: Sequence[Estimate]) -> str:
    largest = max(gaps, key=lambda gap: gap.value or 0.0)
    return f"{_percent(largest)} points"


def _percent(estimate: Estimate) -> str:
    return _interval(estimate, 100, 1)


def _share(estimate: Estimate) -> str:
    return _interval(estimate, 1, 2)


def _interval(estimate: Estimate, times: float, digits: int) -> str:
    if estimate.value is None:
        return "-"
    value = _number(estimate.value * times, digits)
    if estimate.low is None or estimate.high is None:
        return value
    low = _number(estimate.low * times, digits)
    high = _number(estimate.high * times, digits)
    return f"{value} [{low}, {high}]"


def _number(value: float, digits: int) -> str:
    # Adding 0.0 turns a negative zero into zero.
    return f"{round(value, digits) + 0.0:.{digits}f}"


def _p(trend: Trend) -> str:
    if trend.p_rising is None:
        return "-"
    return f"{trend.p_rising:.3f}"
