"""The evaluation of the embedded models as Markdown: what docs/ladder.md holds between its two markers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import altair as alt
import polars as pl

from strop.measure.replicates import over_seeds
from strop.measure.scaling import Trend
from strop.records import Estimate
from strop.studies.frame.base import Finding
from strop.studies.frame.figures import COLUMN, HEIGHT, by_family, level
from strop.studies.frame.numbers import listed, told
from strop.studies.ladder import (
    EVALUATED,
    LEVELS,
    MEASURED_BY,
    PROMPTED,
    SCALED,
    Cell,
    Evaluation,
    scaling_measure,
)

PAPER = "the relative gap grows with pre-training compute, about linearly in its logarithm (Mind the Gap, section 4.1)."
BEGIN, END = (
    "<!-- written by strop ladder eval: begin -->",
    "<!-- written by strop ladder eval: end -->",
)


def page(found: Evaluation, problems: int, samples: int) -> str:
    """All tables and what follows from them."""
    parts = [
        f"Every number: {problems} held-out problems x {samples} samples in each cell, temperature 0.7, top-p 0.9; the mean over the "
        "training seeds named in the first table, with a 95% interval over seeds and problems together (Satterthwaite's; three seeds say "
        "little of their own spread, so it is wide where they differ). Per cent; gaps in points; relative gaps as shares. A dash has no "
        "value: no response was right, or none wrong. A number without an interval is the same for every problem and seed.",
        *_models(found),
        *(part for task in EVALUATED for part in _task(found, task, samples)),
        *_scaling(found),
        *_findings(found),
    ]
    return "\n".join(parts) + "\n"


def finding(found: Evaluation, tables: str) -> Finding:
    """The growth of the relative gap with compute; ``tables`` are everything else."""
    rows = [
        {
            "model": name,
            "family": card["family"],
            "flops": found.models[places[0]].flops,
            "verifier": verifier,
            "seeds": len(places),
        }
        | told(over_seeds([scaling_measure(found.ratios[place], verifier) for place in places]))
        for name, places in found.sizes.items()
        for card in [found.models[places[0]].card]
        for verifier in MEASURED_BY
    ]
    data = pl.DataFrame(rows, infer_schema_length=None)
    trends = {verifier: found.scaling(verifier)["pooled"] for verifier in MEASURED_BY}
    seen = "; ".join(
        f"{verifier}: Spearman {_share(one.spearman)}, p {_p(one)}, over {one.sizes} sizes"
        for verifier, one in trends.items()
    )
    seeds = sorted({len(places) for places in found.sizes.values()})
    rises = [
        verifier
        for verifier, one in trends.items()
        if one.p_rising is not None and one.p_rising <= 0.05
    ]
    return Finding(
        "ladder",
        "The relative gap of the embedded models against compute",
        PAPER,
        f"mean relative gap over {', '.join(SCALED)}, each {', '.join(LEVELS)}, of the full family: {seen}. "
        f"Training seeds of a size: {listed(map(str, seeds))}.",
        f"{'Yes: it' if rises else 'Not shown; it'} rises with {listed(rises)} (p of Kendall's tau at most 0.05). Seeds of one size can "
        "differ widely: docs/ladder.md has all.",
        data,
        _figure(data),
        tables,
    )


def _figure(data: pl.DataFrame) -> Any:
    shown = data.filter(pl.col("value").is_not_null())
    x = alt.X(
        "flops:Q",
        scale=alt.Scale(type="log", nice=False, padding=10),
        title="pre-training FLOPs",
        axis=alt.Axis(format=".0e", tickCount=4),
    )
    layers, drawn = by_family(
        shown, x, alt.Color("verifier:N", title=None), title="mean relative gap"
    )
    return alt.layer(level(0), *layers).properties(width=COLUMN, height=HEIGHT, title=drawn)


def insert(document: str, text: str) -> str:
    """The document with what stands between the markers replaced."""
    before, rest = document.split(BEGIN, 1)
    return f"{before}{BEGIN}\n\n{text}\n{END}{rest.split(END, 1)[1]}"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield ""
    yield f"| {' | '.join(header)} |"
    yield "|---" * len(header) + "|"
    yield from (f"| {' | '.join(row)} |" for row in rows)
    yield ""


def _models(found: Evaluation) -> Iterator[str]:
    yield "\n### Models"
    header = (
        "model",
        "family",
        "parameters",
        "tokens",
        "FLOPs",
        "training seeds",
        "shipped",
        *(f"mean rel. gap, {v}" for v in MEASURED_BY),
    )
    rows = []
    for name, places in found.sizes.items():
        card = found.models[places[0]].card
        seeds = " ".join(str(found.models[place].seed) for place in places)
        measures = [
            over_seeds([scaling_measure(found.ratios[place], verifier) for place in places])
            for verifier in MEASURED_BY
        ]
        numbers = (
            f"{card['parameters']:,}",
            f"{card['recipe']['tokens'] / 1e6:g}M",
            f"{found.models[places[0]].flops:.1e}",
        )
        rows.append(
            (
                name,
                card["family"],
                *numbers,
                seeds,
                str(found.median_seed(name).seed),
                *(_share(one) for one in measures),
            )
        )
    yield from _table(header, rows)


def _task(found: Evaluation, task: str, samples: int) -> Iterator[str]:
    cells = [(name, (task, level)) for name in found.sizes for level in LEVELS]
    yield f"\n### {task}: generation"
    header = (
        "model",
        "difficulty",
        "accuracy",
        "greedy",
        f"pass@{samples}",
        f"best of {samples} by log-prob",
    )
    wanted = ("accuracy", "greedy", "pass@K", "best-of-K")
    yield from _table(
        header,
        (
            (name, cell[1], *(_percent(found.estimate(name, cell, "", q)) for q in wanted))
            for name, cell in cells
        ),
    )
    yield f"\n### {task}: verification"
    judged = (
        "model",
        "difficulty",
        *(f"{verifier}: gap; relative" for verifier in PROMPTED),
        "cot-binary: TPR; FPR",
    )
    yield from _table(judged, (_verification(found, name, cell) for name, cell in cells))


def _verification(found: Evaluation, name: str, cell: Cell) -> tuple[str, ...]:
    def of(verifier: str, quantity: str) -> Estimate:
        return found.estimate(name, cell, verifier, quantity)

    gaps = (
        f"{_percent(of(verifier, 'gap'))}; {_share(of(verifier, 'relative_gap'))}"
        for verifier in PROMPTED
    )
    return (
        name,
        cell[1],
        *gaps,
        f"{_percent(of('cot-binary', 'tpr'))}; {_percent(of('cot-binary', 'fpr'))}",
    )


def _scaling(found: Evaluation) -> Iterator[str]:
    yield "\n### Does the relative gap grow with compute?"
    yield (
        f"\nThe mean relative gap over {', '.join(SCALED)}, each {', '.join(LEVELS)}, against log10 FLOPs over the full family. "
        "Intervals: problems resampled jointly over the sizes, and seeds within each size for `pooled`. p: permutation test of Kendall's "
        "tau, one-sided."
    )
    rows = [
        (
            verifier,
            label,
            str(one.sizes),
            _share(one.spearman),
            _share(one.kendall),
            _share(one.slope),
            _p(one),
        )
        for verifier in MEASURED_BY
        for label, one in found.scaling(verifier).items()
    ]
    yield from _table(
        ("verifier", "seeds", "sizes", "Spearman", "Kendall", "slope per decade", "p"), rows
    )


def _findings(found: Evaluation) -> Iterator[str]:
    """Sentences that the numbers decide."""
    yield "\n### What appears and what does not\n"
    smallest = next(iter(found.sizes))
    for verifier in MEASURED_BY:
        small = [
            found.estimate(smallest, (task, level), verifier, "gap")
            for task in SCALED
            for level in LEVELS
        ]
        above = f"{_count_above(small)} of {len(small)} gaps have an interval above zero"
        yield f"- {smallest}, {verifier}: {above}; the largest is {_largest(small)}."
    recall = [(name, level, v) for name in found.sizes for level in LEVELS for v in MEASURED_BY]
    gaps = [
        found.estimate(name, ("recall", level), verifier, "gap") for name, level, verifier in recall
    ]
    low, high = (f(100 * (gap.value or 0.0) for gap in gaps) for f in (min, max))
    yield (
        f"- recall, {' and '.join(MEASURED_BY)}, every size and difficulty: gaps from {low:.1f} to {high:.1f} points; "
        f"{_count_above(gaps)} of {len(gaps)} intervals lie above zero."
    )
    for verifier in PROMPTED:
        cells = [
            found.estimate(name, (task, level), verifier, "gap")
            for name in found.sizes
            for task in SCALED
            for level in LEVELS
        ]
        below = sum(gap.high is not None and gap.high < 0 for gap in cells)
        yield (
            f"- {verifier}, all models on {', '.join(SCALED)}: {_count_above(cells)} of {len(cells)} gaps have an interval above zero, "
            f"{below} below; the largest is {_largest(cells)}."
        )


def _count_above(gaps: Sequence[Estimate]) -> int:
    return sum(gap.low is not None and gap.low > 0 for gap in gaps)


def _largest(gaps: Sequence[Estimate]) -> str:
    return f"{_percent(max(gaps, key=lambda gap: gap.value or 0.0))} points"


def _percent(one: Estimate) -> str:
    return _interval(one, 100, 1)


def _share(one: Estimate) -> str:
    return _interval(one, 1, 2)


def _interval(one: Estimate, times: float, digits: int) -> str:
    if one.value is None:
        return "-"
    value = _number(one.value * times, digits)
    if one.low is None or one.high is None:
        return value
    return f"{value} [{_number(one.low * times, digits)}, {_number(one.high * times, digits)}]"


def _number(value: float, digits: int) -> str:
    """Never minus zero."""
    return f"{round(value, digits) + 0.0:.{digits}f}"


def _p(one: Trend) -> str:
    return "-" if one.p_rising is None else f"{one.p_rising:.3f}"
