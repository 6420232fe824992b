"""What the page tells of ``strop sharpen``: best of N by the model's own opinion ("Sharpening", sections 2 and 4)."""

from __future__ import annotations

from collections.abc import Iterator

from strop.report.blocks import (
    Block,
    Cell,
    Chapter,
    Claim,
    Group,
    Headline,
    Tile,
    WordTable,
    kind_of,
    plain_cell,
    points,
    points_cell,
    rate_cell,
)
from strop.report.charts import Axes, drawn, interval_chart, line_chart, mark
from strop.report.formatting import DASH, Document, interval, known, models, number, visible

_LIKELIER = "If right responses are not the likelier ones, choosing the likeliest cannot help."


def sharpen_chapter(document: Document) -> Chapter:
    label = visible(f"{document['task']} · {models(document)}")
    selection = document.get("selection") or {}
    claims = [_chooser_claim(name, entry, document) for name, entry in selection.items()]
    groups = [
        Group(
            "Best of N",
            "Each curve chooses one of N responses by one self-reward.",
            list(_selection_charts(document)),
            wide=True,
        ),
        Group(
            "Log-probabilities of right and wrong responses",
            _LIKELIER,
            list(_likelihoods(document)),
            wide=True,
        ),
        Group("Stopping early", "", list(_adaptive(document)), wide=True),
    ]
    return Chapter(
        label, _sharpen_headline(document), claims, [group for group in groups if group.blocks]
    )


def _chooser_claim(name: str, entry: Document, document: Document) -> Claim:
    gain = entry["gain_over_greedy"]
    last = entry["accuracy"][max(entry["accuracy"], key=int)]
    chosen = (
        f"The best of {document['samples']} by {name} is right in {number(last)}% of the problems"
    )
    what = f"{chosen}, greedy decoding in {number(document['greedy'])}%: {points(gain)}"
    falls = f". Accuracy falls as N grows: {'; '.join(entry['why'])}" if entry.get("falls") else ""
    return Claim(kind_of(gain), what + falls)


def _sharpen_headline(document: Document) -> Headline:
    selection = document.get("selection") or {
        "the likeliest, with adaptive stopping": document["adaptive"]
    }
    gains = {name: entry.get("gain_over_greedy") for name, entry in selection.items()}
    known_gains = {name: gain for name, gain in gains.items() if known(gain, "value") is not None}
    question = f"Does choosing the best of N by its own opinion help {document['model']} on {document['task']}?"
    if not known_gains:
        return Headline(
            "unknown", question, "Unknown", "No gain over greedy decoding is known", [], [], []
        )
    best = max(known_gains, key=lambda name: known(known_gains[name], "value") or 0.0)
    kind = kind_of(known_gains[best])
    answer = {"gain": "Yes", "loss": "No", "none": "Not measurably", "unknown": "Unknown"}[kind]
    sentence = f"Against greedy decoding, choosing by {best} brings {points(known_gains[best])} with {document['samples']} samples"
    tiles = [
        Tile("greedy decoding", f"{number(document['greedy'])}%", interval(document["greedy"]))
    ]
    tiles += [
        Tile(f"gain of {name}", f"{number(gain, '+')} points", interval(gain))
        for name, gain in known_gains.items()
    ]
    if "coverage" in document:
        tiles.append(
            Tile(
                "any of them right",
                f"{number(document['coverage'])}%",
                interval(document["coverage"]),
            )
        )
    drawn_at = f"{document['samples']} times each at temperature {document['temperature']:g}, and once greedily"
    steps = [
        f"{document['model']} answered {document['problems']:,} problems {drawn_at}",
        "For each N the expected accuracy of the chosen response is computed over all subsets of the samples, not by drawing anew",
        "Differences are paired by problem; intervals resample problems",
    ]
    unseen = f"how the best of {len(known_gains)} choosers would do on other problems: it is named by its result on these"
    unknown = [unseen] if len(known_gains) > 1 else []
    return Headline(kind, question, answer, sentence, tiles, steps, unknown)


def _selection_charts(document: Document) -> Iterator[Block]:
    selection = document.get("selection") or {}
    marks = [
        mark(found, x=int(n), series=name)
        for name, entry in selection.items()
        for n, found in entry["accuracy"].items()
    ]
    greedy = known(document.get("greedy"), "value")
    if drawn(marks):
        level = None if greedy is None else ("greedy", 100 * greedy)
        yield line_chart(
            "Accuracy of the chosen response",
            "Dashed: greedy decoding.",
            marks,
            Axes("accuracy, %", "responses, N", log=True),
            level,
        )
    nats = [
        mark(found, 1.0, x=int(n), series=name)
        for name, entry in selection.items()
        for n, found in (entry.get("log_likelihood") or {}).items()
    ]
    if drawn(nats):
        axes = Axes("log-likelihood, nats", "responses, N", digits=2, log=True)
        yield line_chart(
            "Log-likelihood of the chosen response", "Under the model itself, in nats.", nats, axes
        )
    header = [
        "Chosen by",
        "Gain over greedy, points",
        "Gain over one sample, points",
        "Last doubling, points",
        "Log-likelihood lift, nats",
        "AUROC",
    ]
    rows = []
    for name, entry in selection.items():
        cells = [
            points_cell(entry.get(key))
            for key in ("gain_over_greedy", "gain_over_sampling", "late_gain")
        ]
        rows.append(
            (
                name,
                [*cells, plain_cell(entry.get("likelihood_lift")), plain_cell(entry.get("auroc"))],
            )
        )
    if rows:
        yield WordTable(
            "Gains at the largest N",
            "Last doubling: what the second half of the samples brought.",
            header,
            rows,
        )


def _likelihoods(document: Document) -> Iterator[Block]:
    told = document.get("log_probabilities")
    if not told:
        return
    marks = []
    for kind in ("right", "wrong"):
        levels = told[kind]["quantiles"]
        if levels:
            marks.append(
                {
                    "name": f"{kind} ({told[kind]['responses']:,})",
                    "value": levels["0.5"],
                    "low": levels["0.05"],
                    "high": levels["0.95"],
                }
            )
    if marks:
        note = "Median, and the span from the 5th to the 95th percentile of the responses."
        yield interval_chart(
            "Sequence log-probability", note, marks, Axes("log-probability, nats", digits=2)
        )
    header = ["", "Which dominates", "p, right dominates", "p, wrong dominates"]
    rows = []
    for name, key in (("all problems together", "pooled"), ("within a problem", "within_problem")):
        chances = [told[key].get(p) for p in ("right_p", "wrong_p")]
        rows.append(
            (
                name,
                [
                    Cell(told[key]["verdict"], ""),
                    *(Cell(DASH if p is None else f"{p:.3f}", "") for p in chances),
                ],
            )
        )
    yield WordTable(
        "Does one kind dominate?",
        "Stochastic dominance of one kind's log-probabilities over the other's.",
        header,
        rows,
    )


def _adaptive(document: Document) -> Iterator[Block]:
    found = document.get("adaptive") or {}
    if "accuracy" not in found:
        return
    missing = f"a chance of {found['delta']:g} of missing the likeliest"
    note = f"Stop drawing for a problem once k times the likeliest response's probability reaches {found['mu']:.2f} ({missing})."
    header = [
        "Samples a problem",
        "Saved, %",
        "Problems that stop, %",
        "Accuracy, %",
        "Gain over greedy, points",
    ]
    cells = [
        plain_cell(found["samples"]),
        rate_cell(found["saved"]),
        rate_cell(found["reached"]),
        rate_cell(found["accuracy"]),
        points_cell(found["gain_over_greedy"]),
    ]
    yield WordTable(
        "Adaptive best of N", note, ["", *header], [("the likeliest at the stopping time", cells)]
    )
