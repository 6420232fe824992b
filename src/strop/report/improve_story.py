"""What the page tells of ``strop improve``: rounds of self-improvement ("Mind the Gap", Algorithm 1 and section 5)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

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
    points,
    points_cell,
    rate_cell,
)
from strop.report.charts import Axes, drawn, line_chart, mark
from strop.report.rows import DASH, Document, interval, known, number, visible

_PASS_NOTE = (
    "Small k shows how often the model is right, large k what it could still say: where only small k rises, or large k falls, "
    "diversity was lost."
)
_UPDATE_NOTE = (
    "ε of the update: accuracy of what was kept minus the accuracy that came of training on it. Near zero, training did what the filter "
    "promised."
)


def improve_chapter(document: Document, comparison: Sequence[Document]) -> Chapter:
    rounds = document["rounds"]
    total = _total_gain(rounds, comparison)
    claims = [_round_claim(one) for one in rounds if "gain" in one]
    claims.append(Claim("none", f"Ended: {document['stopped']}"))
    groups = [
        Group("Round by round", "Held-out problems, which no training problem is among.", list(_round_charts(rounds)), wide=True),
        Group("pass@k by round", _PASS_NOTE, list(_pass_charts(rounds)), wide=True),
        Group("Diversity by round", "", list(_diversity_charts(rounds))),
        Group("The rounds in numbers", "", [_rounds_table(rounds), _cost_table(rounds)], wide=True),
    ]
    label = visible(f"{document['task']} · {document['model']} · {document['method']}, filtered by {document['filter_by']}")
    return Chapter(label, _improve_headline(document, total), claims, [group for group in groups if group.blocks])


def _round_claim(one: Document) -> Claim:
    moved = f"Round {one['round']} moved accuracy to {number(one['accuracy'])}%"
    return Claim(kind_of(one["gain"]), f"{moved}: {points(one['gain'])} against round {one['round'] - 1}")


def _total_gain(rounds: Sequence[Document], comparison: Sequence[Document]) -> Document | None:
    """The last round against the base model, paired by problem: from the comparison of their runs, or the one gain there is."""
    found = [row["estimate"] for one in comparison[-1:] for row in one["rows"] if row["quantity"] == "accuracy"]
    return found[0] if found else rounds[1].get("gain") if len(rounds) == 2 else None


def _improve_headline(document: Document, total: Document | None) -> Headline:
    rounds = document["rounds"]
    first, last, count = rounds[0], rounds[-1], len(rounds) - 1
    kind = kind_of(total)
    answer = {"gain": "Yes", "loss": "No, it did harm", "none": "Not measurably", "unknown": "Unknown"}[kind]
    came = f"from {number(first['accuracy'])}% to {number(last['accuracy'])}%"
    rest = (
        "what is left to gain by its own judgement"
        if kind_of(last["gap"]) == "gain"
        else "its own judgement now has nothing measurable left to teach"
    )
    after = f"{rest}: {points(last['gap'])}"
    rounds_in_words = f"{count} round{'s' if count != 1 else ''} of {document['method']} moved held-out accuracy {came}"
    sentence = f"{rounds_in_words}: {points(total)}. After them, {after}"
    last_usage = [one.get("usage") or {} for one in rounds]
    flops = sum(known(usage, "flops") or 0.0 for usage in last_usage)
    tiles = [
        Tile("accuracy before", f"{number(first['accuracy'])}%", interval(first["accuracy"])),
        Tile(f"accuracy after {count} round{'s' if count != 1 else ''}", f"{number(last['accuracy'])}%", interval(last["accuracy"])),
        Tile("gain", f"{number(total, '+')} points", interval(total)),
        Tile("gap left, own verifier", f"{number(last['gap'], '+')} points", interval(last["gap"])),
        Tile("spent on sampling and judging", f"{flops:.1e} FLOPs" if flops else "–", "training itself is not counted in"),
    ]
    steps = [
        f"Round 0 is {document['model']} as it came. Each round samples training problems, lets {document['filter_by']} judge the "
        f"responses, and trains on what passes ({document['method']})",
        "Every model answers the same held-out problems, so that differences are paired by problem; intervals resample problems",
        "The gap after a round says whether another could help: at zero, the model keeps nothing better than what it says",
    ]
    unknown = [*(document.get("unknown") or []), "how another training seed would have turned out: one was run"]
    return Headline(kind, f"Did self-improvement help {document['model']} on {document['task']}?", answer, sentence, tiles, steps, unknown)


def _round_charts(rounds: Sequence[Document]) -> Iterator[Block]:
    told = {"held-out problems": "accuracy", "greedy, held out": "greedy", "training problems": "train_accuracy"}
    marks = [mark(one.get(key), x=one["round"], series=name) for name, key in told.items() for one in rounds]
    ahead = [mark(before.get("forecast"), x=one["round"], series="forecast, at most") for before, one in pairwise(rounds)]
    yield line_chart(
        "Accuracy",
        "The forecast of a round is the accuracy of what was kept for it: a ceiling.",
        marks + ahead,
        Axes("accuracy, %", "round"),
    )
    told = {"judged by itself": "gap", "judged by the base model": "gap_base_verifier"}
    marks = [mark(one.get(key), x=one["round"], series=name) for name, key in told.items() for one in rounds]
    if drawn(marks):
        note = "What filtering would still gain. The base model as judge forgets nothing."
        yield line_chart("Gap", note, marks, Axes("gap, points", "round", "+"), ("no gain", 0.0))


def _pass_charts(rounds: Sequence[Document]) -> Iterator[Block]:
    marks = [
        mark(found, x=int(k), series=f"round {one['round']}")
        for one in rounds for k, found in (one.get("pass_at_k") or {}).items() if _shown(k, one["pass_at_k"])
    ]  # fmt: skip
    if len({one["x"] for one in drawn(marks)}) > 1:
        yield line_chart("pass@k", "The chance that one of k responses is right.", marks, Axes("pass@k, %", "responses, k", log=True))


def _diversity_charts(rounds: Sequence[Document]) -> Iterator[Block]:
    for key, title in (("distinct_answers", "Distinct answers to a problem"), ("answer_entropy", "Entropy of the answers, nats")):
        marks = [mark((one.get("diversity") or {}).get(key), 1.0, x=one["round"], series="") for one in rounds]
        if drawn(marks):
            yield line_chart(title, "Mean over problems.", marks, Axes(title[0].lower() + title[1:], "round", digits=2))


def _shown(k: str, curve: Mapping[str, Any]) -> bool:
    size = int(k)
    return size & (size - 1) == 0 or size == max(map(int, curve))


def _rounds_table(rounds: Sequence[Document]) -> WordTable:
    header = ["Round", "Accuracy, %", "Gain, points", "Greedy, %", "Gap, own verifier", "Gap, base verifier", "Relative gap, %"]
    header += ["ε of the update, points", "Rows trained on", "Problems without a row"]
    rows = []
    for before, one in zip([None, *rounds], rounds, strict=False):
        taught = (before or {}).get("trained_on") or {}
        counts = [Cell(f"{taught[key]:,}" if key in taught else "–", "") for key in ("rows", "problems_without")]
        cells = [rate_cell(one["accuracy"]), points_cell(one.get("gain")), rate_cell(one["greedy"]), points_cell(one["gap"])]
        cells += [
            points_cell(one.get("gap_base_verifier")),
            rate_cell(one.get("relative_gap")),
            points_cell(one.get("eps_update")),
            *counts,
        ]
        rows.append((str(one["round"]), cells))
    return WordTable("Every round", _UPDATE_NOTE, header, rows)


def _cost_table(rounds: Sequence[Document]) -> WordTable:
    formats = {"prompt_tokens": ",.0f", "generated_tokens": ",.0f", "flops": ".1e", "seconds": ",.1f"}
    rows = []
    for one in rounds:
        spent = [known(one.get("usage"), key) for key in formats]
        cells = [Cell(DASH if value is None else format(value, spec), "") for value, spec in zip(spent, formats.values(), strict=True)]
        rows.append((str(one["round"]), cells))
    header = ["Round", "Prompt tokens", "Generated tokens", "FLOPs", "Seconds"]
    return WordTable("What sampling and judging cost", "Training itself is not counted in.", header, rows)
