"""The chapter about ``strop sharpen``: best of N by the model's own judgement.

"Self-Improvement in Language Models: The Sharpening Mechanism", sections 2 and 4.
"""

from __future__ import annotations

from collections.abc import Iterator

from strop.report.blocks import (
    Block,
    Cell,
    Chapter,
    Claim,
    Group,
    Headline,
    Kind,
    Tile,
    WordTable,
    filled,
    kind_of,
    plain_cell,
    points_cell,
    rate_cell,
)
from strop.report.charts import interval_chart, line_chart
from strop.report.formatting import DASH, Document, interval, known, number, points, run_title
from strop.report.marks import Axes, drawn, mark

_LIKELIER = (
    "Choosing the likeliest response can only help if right responses are likelier than wrong ones."
)
_ANSWERS: dict[Kind, str] = {
    "gain": "Yes",
    "loss": "No",
    "none": "Not measurably",
    "unknown": "Unknown",
}


def sharpen_chapter(document: Document) -> Chapter:
    """Return the chapter of one sharpening."""
    selection = document.get("selection") or {}
    claims = [_claim(name, entry, document) for name, entry in selection.items()]
    groups = [
        Group(
            "Best of N",
            "Each curve chooses one of N responses by one self-reward.",
            list(_selection_blocks(document)),
            wide=True,
        ),
        Group(
            "Log-probabilities of right and wrong responses",
            _LIKELIER,
            list(_likelihood_blocks(document)),
            wide=True,
        ),
        Group("Stopping early", "", list(_adaptive_blocks(document)), wide=True),
    ]
    return Chapter(run_title(document), _sharpen_headline(document), claims, filled(groups))


def _claim(name: str, entry: Document, document: Document) -> Claim:
    """Return what choosing by one self-reward changes, compared with greedy decoding."""
    gain = entry["gain_over_greedy"]
    largest = max(entry["accuracy"], key=int)
    accuracy = number(entry["accuracy"][largest])
    greedy = number(document["greedy"])
    chosen = f"The best of {document['samples']} by {name} is right in {accuracy}% of the problems"
    text = f"{chosen}, greedy decoding in {greedy}%: {points(gain)}"
    if entry.get("falls"):
        reasons = "; ".join(entry["why"])
        text += f". Accuracy falls as N grows: {reasons}"
    return Claim(kind_of(gain), text)


def _sharpen_headline(document: Document) -> Headline:
    """Return whether the best of the choosers beats greedy decoding."""
    gains = _known_gains(document)
    question = (
        f"Does choosing the best of N by its own opinion help {document['model']} on "
        f"{document['task']}?"
    )
    if not gains:
        sentence = "No gain over greedy decoding is known"
        return Headline("unknown", question, "Unknown", sentence)
    best = max(gains, key=lambda name: known(gains[name], "value") or 0.0)
    kind = kind_of(gains[best])
    sentence = (
        f"Compared with greedy decoding, choosing by {best} brings {points(gains[best])} with "
        f"{document['samples']} samples"
    )
    tiles = list(_tiles(document, gains))
    # The best of several was picked by its result here, so its gain is optimistic.
    unknown = []
    if len(gains) > 1:
        unknown.append(
            f"the gain of the best of these {len(gains)} choosers on other problems: it was picked "
            "by its result on these"
        )
    return Headline(kind, question, _ANSWERS[kind], sentence, tiles, _steps(document), unknown)


def _known_gains(document: Document) -> dict[str, Document]:
    """Return the known gains over greedy decoding, by the name of what chooses."""
    choosers = document.get("selection")
    if not choosers:
        # A run with adaptive stopping has no selection curves, only this one choice.
        choosers = {"the likeliest, with adaptive stopping": document["adaptive"]}
    gains = {}
    for name, entry in choosers.items():
        gain = entry.get("gain_over_greedy")
        if known(gain, "value") is not None:
            gains[name] = gain
    return gains


def _tiles(document: Document, gains: dict[str, Document]) -> Iterator[Tile]:
    """Yield greedy accuracy, the gain of each chooser, and the accuracy of a perfect choice."""
    greedy = document["greedy"]
    yield _rate_tile("greedy decoding", greedy)
    for name, gain in gains.items():
        change = number(gain, "+")
        yield Tile(f"gain of {name}", f"{change} points", interval(gain))
    if "coverage" in document:
        yield _rate_tile("any of them right", document["coverage"])


def _rate_tile(label: str, estimate: Document) -> Tile:
    """Return a tile with a rate in per cent, and its interval below."""
    return Tile(label, f"{number(estimate)}%", interval(estimate))


def _steps(document: Document) -> list[str]:
    """Return how the gains were measured, a sentence a step."""
    return [
        f"{document['model']} answered {document['problems']:,} problems {document['samples']} "
        f"times each at temperature {document['temperature']:g}, and once greedily",
        "For each N the expected accuracy of the chosen response is computed over all subsets of "
        "the samples; nothing is drawn anew",
        "Differences are paired by problem; intervals resample problems",
    ]


def _selection_blocks(document: Document) -> Iterator[Block]:
    """Yield the curves of accuracy and of log-likelihood over N, then the table of gains."""
    selection = document.get("selection") or {}
    accuracies = []
    likelihoods = []
    for name, entry in selection.items():
        for n, estimate in entry["accuracy"].items():
            accuracies.append(mark(estimate, x=int(n), series=name))
        for n, estimate in (entry.get("log_likelihood") or {}).items():
            likelihoods.append(mark(estimate, scale=1.0, x=int(n), series=name))
    greedy = known(document.get("greedy"), "value")
    if drawn(accuracies):
        level = None
        if greedy is not None:
            level = ("greedy", 100 * greedy)
        title = "Accuracy of the chosen response"
        note = "Dashed: greedy decoding."
        axes = Axes("accuracy, %", "responses, N", log=True)
        yield line_chart(title, note, accuracies, axes, level)
    if drawn(likelihoods):
        title = "Log-likelihood of the chosen response"
        note = "Under the model itself, in nats."
        axes = Axes("log-likelihood, nats", "responses, N", digits=2, log=True)
        yield line_chart(title, note, likelihoods, axes)
    if selection:
        yield _gains_table(selection)


def _gains_table(selection: Document) -> WordTable:
    header = ["Chosen by", "Gain over greedy, points", "Gain over one sample, points"]
    header += ["Last doubling, points", "Log-likelihood lift, nats", "AUROC"]
    rows = []
    for name, entry in selection.items():
        cells = [
            points_cell(entry.get("gain_over_greedy")),
            points_cell(entry.get("gain_over_sampling")),
            points_cell(entry.get("late_gain")),
            plain_cell(entry.get("likelihood_lift")),
            plain_cell(entry.get("auroc")),
        ]
        rows.append((name, cells))
    note = "Last doubling: the gain from the second half of the samples."
    return WordTable("Gains at the largest N", note, header, rows)


def _likelihood_blocks(document: Document) -> Iterator[Block]:
    """Yield the quantiles of right and of wrong responses, then the tests of dominance."""
    likelihoods = document.get("log_probabilities")
    if not likelihoods:
        return
    marks = []
    for group in ("right", "wrong"):
        quantiles = likelihoods[group]["quantiles"]
        responses = likelihoods[group]["responses"]
        if quantiles:
            mark_of_group = {
                "name": f"{group} ({responses:,})",
                "value": quantiles["0.5"],
                "low": quantiles["0.05"],
                "high": quantiles["0.95"],
            }
            marks.append(mark_of_group)
    if marks:
        note = "Median, and the range from the 5th to the 95th percentile of the responses."
        axes = Axes("log-probability, nats", digits=2)
        yield interval_chart("Sequence log-probability", note, marks, axes)
    yield _dominance_table(likelihoods)


def _dominance_table(likelihoods: Document) -> WordTable:
    """Return the tests of dominance, pooled and within problems, with both p-values."""
    header = ["", "Which dominates", "p, right dominates", "p, wrong dominates"]
    rows = []
    for name, key in (("all problems together", "pooled"), ("within a problem", "within_problem")):
        test = likelihoods[key]
        cells = [Cell(test["verdict"])]
        for p in (test.get("right_p"), test.get("wrong_p")):
            text = DASH if p is None else f"{p:.3f}"
            cells.append(Cell(text))
        rows.append((name, cells))
    note = (
        "Stochastic dominance between the log-probabilities of right responses and of wrong ones."
    )
    return WordTable("Are right or wrong responses likelier?", note, header, rows)


def _adaptive_blocks(document: Document) -> Iterator[Block]:
    """Yield the table of adaptive stopping, if it was measured."""
    adaptive = document.get("adaptive") or {}
    if "accuracy" not in adaptive:
        return
    note = (
        "Drawing stops for a problem once k times the likeliest response's probability reaches "
        f"{adaptive['mu']:.2f} (with probability at most {adaptive['delta']:g} the likeliest is "
        "missed)."
    )
    header = ["", "Samples a problem", "Saved, %", "Problems that stop, %", "Accuracy, %"]
    header.append("Gain over greedy, points")
    cells = [
        plain_cell(adaptive["samples"]),
        rate_cell(adaptive["saved"]),
        rate_cell(adaptive["reached"]),
        rate_cell(adaptive["accuracy"]),
        points_cell(adaptive["gain_over_greedy"]),
    ]
    rows = [("the likeliest at the stopping time", cells)]
    yield WordTable("Adaptive best of N", note, header, rows)
