"""The rest of what a run's samples tell, as tables of words: best-of-N, ensembles, correlations, and what choosing would bring."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from strop.report.rows import DASH, Document, clean, interval, known, number


@dataclass(frozen=True, slots=True)
class Cell:
    """A number in words and its interval."""

    value: str
    interval: str


@dataclass(frozen=True, slots=True)
class WordTable:
    """A table for the page; ``note`` says how to read it."""

    title: str
    note: str
    header: list[str]
    rows: list[tuple[str, list[Cell]]]


def more_tables(document: Document) -> list[WordTable]:
    """The tables of one run; none for a document without an analysis."""
    analysis = clean(document.get("analysis") or {})
    makers = (_choice, _selection, _ensembles, _correlations, _diversity)
    return [table for make in makers for table in make(analysis) if table.rows]


def _choice(analysis: Mapping[str, Any]) -> Iterator[WordTable]:
    choice = analysis.get("choice") or {}
    if not choice.get("chosen"):
        return
    note = (
        f"Best of {choice['candidates']} verifiers and weights. {choice['note'].capitalize()}. "
        "In-sample is optimistic: the best on the very problems it was chosen on."
    )
    cells = [_points(choice[key]) for key in ("gap_cross_fitted", "gap_in_sample_optimistic")]
    yield WordTable("Choosing the verifier and its weight", note, ["", "Gap, cross-fitted", "Gap, in-sample"], [(choice["chosen"], cells)])


def _selection(analysis: Mapping[str, Any]) -> Iterator[WordTable]:
    passes = analysis.get("pass_at_k") or {}
    sizes = [size for size in passes if (n := int(size)) & (n - 1) == 0 or n == len(passes)]
    rows = [(name, [_rate(curve[size]) for size in sizes]) for name, curve in (analysis.get("selection") or {}).items()]
    rows += [("pass@N: any right", [_rate(passes[size]) for size in sizes])] if passes else []
    note = "Accuracy, %, of the best-scored of N responses, in expectation over subsets; majority takes the vote anew in each subset."
    yield WordTable("Best of N", note, ["Chosen by", *(f"N = {size}" for size in sizes)], rows)


def _ensembles(analysis: Mapping[str, Any]) -> Iterator[WordTable]:
    note = "A response is kept only if every verifier keeps it. A problem without a survivor keeps all its responses."
    rows = [
        (spec, [_points(found["gap"]), _rate(found["accuracy_kept"]), _rate(found["kept_share"]), _rate(found["with_survivors"])])
        for spec, found in (analysis.get("ensembles") or {}).items()
    ]
    header = ["Ensemble", "Gap, points", "Accuracy kept, %", "Kept share, %", "Problems with survivors, %"]
    yield WordTable("Ensembles", note, header, rows)


def _correlations(analysis: Mapping[str, Any]) -> Iterator[WordTable]:
    note = "Correlation of two verifiers' scores: within problems, which is what a filter sees, and over all responses pooled."
    rows = [
        (" and ".join(pair["verifiers"]), [_plain(pair[key]) for key in ("pearson", "spearman", "pearson_pooled", "spearman_pooled")])
        for pair in analysis.get("correlations") or []
    ]
    header = ["Verifiers", "Pearson, within", "Spearman, within", "Pearson, pooled", "Spearman, pooled"]
    yield WordTable("How alike the verifiers are", note, header, rows)


def _diversity(analysis: Mapping[str, Any]) -> Iterator[WordTable]:
    note = "Means over problems; they depend on the number of samples, so compare runs with the same number only."
    rows = [(name.replace("_", " "), [_plain(value)]) for name, value in (analysis.get("diversity") or {}).items()]
    yield WordTable("Diversity", note, ["", "Mean over problems"], rows)


def _points(estimate: Mapping[str, Any]) -> Cell:
    return Cell(number(estimate, "+"), interval(estimate))


def _rate(estimate: Mapping[str, Any]) -> Cell:
    return Cell(number(estimate), interval(estimate))


def _plain(estimate: Mapping[str, Any]) -> Cell:
    """As it is, with two decimals: a correlation, a count, nats."""
    value, low, high = (known(estimate, key) for key in ("value", "low", "high"))
    return Cell(DASH if value is None else _two(value), "" if low is None or high is None else f"[{_two(low)}, {_two(high)}]")


def _two(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")
