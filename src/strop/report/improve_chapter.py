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
from strop.report.formatting import DASH, Document, interval, known, number, visible

_PASS_NOTE = (
    "Small k shows how often the model is right, large k what it could still say: where only small k rises, or large k falls, "
    "diversity was lost."
)
_UPDATE_NOTE = (
    "ε of the update: accuracy of what was kept minus the accuracy that came of training on it. Near zero, training did what the filter "
    "promised. In format alone: what strict accuracy gained beyond flexible accuracy."
)


_STAGES = {
    "held-out": "held-out problems",
    "train": "training problems",
    "xpo": "XPO's own draws",
    "fit": "the fit that makes the next",
}


_ANSWERS = {
    "gain": "Yes",
    "loss": "No, it did harm",
    "none": "Not measurably",
    "unknown": "Unknown",
}


def improve_chapter(document: Document) -> Chapter:
    rounds = document["rounds"]
    claims = [_round_claim(one) for one in rounds if "gain" in one]
    if lost := rounds[-1].get("pass_at_k_since_base"):
        said = f"Against the base model, pass@{max(map(int, rounds[-1]['pass_at_k']))} moved by {points(lost)}"
        claims.append(
            Claim(
                kind_of(lost),
                f"{said}: below zero, diversity was lost" if kind_of(lost) == "loss" else said,
            )
        )
    claims.append(Claim("none", f"Ended: {document['stopped']}"))
    groups = [
        Group(
            "Round by round",
            "Held-out problems, which no training problem is among.",
            list(_round_charts(rounds)),
            wide=True,
        ),
        Group("pass@k by round", _PASS_NOTE, list(_pass_charts(rounds)), wide=True),
        Group("Diversity by round", "", list(_diversity_charts(rounds))),
        Group("The rounds in numbers", "", [_rounds_table(rounds), _cost_table(rounds)], wide=True),
    ]
    by = (
        f"{document['filter_by']} of {document['verify_with']}"
        if document.get("verify_with")
        else document["filter_by"]
    )
    label = visible(
        f"{document['task']} · {document['model']} · {document['method']}, filtered by {by}"
    )
    return Chapter(
        label, _improve_headline(document), claims, [group for group in groups if group.blocks]
    )


def _round_claim(one: Document) -> Claim:
    moved = f"Round {one['round']} moved accuracy to {number(one['accuracy'])}%"
    return Claim(
        kind_of(one["gain"]), f"{moved}: {points(one['gain'])} against round {one['round'] - 1}"
    )


def _improve_headline(document: Document) -> Headline:
    rounds = document["rounds"]
    first, last, count = rounds[0], rounds[-1], len(rounds) - 1
    total = last.get("accuracy_since_base")
    kind = kind_of(total)
    came = f"from {number(first['accuracy'])}% to {number(last['accuracy'])}%: {points(total)}"
    left = (
        "its own judgement could still teach it"
        if kind_of(last["gap"]) == "gain"
        else "its own judgement has nothing measurable left to teach"
    )
    rounds_in_words = f"{count} round{'s' if count != 1 else ''} of {document['method']}"
    moved = f"{rounds_in_words} moved held-out accuracy {came}. After that {left}: {points(last['gap'])}"
    answer, sentence = (
        (_ANSWERS[kind], moved)
        if count
        else ("No round yet", f"Nothing was trained: {document['stopped']}")
    )
    last_usage = [one.get("usage") or {} for one in rounds]
    flops = sum(known(usage, "flops") or 0.0 for usage in last_usage)
    tiles = [
        Tile("accuracy before", f"{number(first['accuracy'])}%", interval(first["accuracy"])),
        Tile(
            f"accuracy after {count} round{'s' if count != 1 else ''}",
            f"{number(last['accuracy'])}%",
            interval(last["accuracy"]),
        ),
        Tile("gain", f"{number(total, '+')} points", interval(total)),
        Tile("gap left, own verifier", f"{number(last['gap'], '+')} points", interval(last["gap"])),
        Tile(
            "spent in all",
            f"{flops:.1e} FLOPs" if flops else DASH,
            "sampling, judging and training",
        ),
    ]
    steps = [
        f"Round 0 is {document['model']} as it came. Each round samples training problems, lets {document['filter_by']} judge the "
        f"responses, and trains on what passes ({document['method']})",
        "Every model answers the same held-out problems, so that differences are paired by problem; intervals resample problems",
        "The gap after a round says whether another could help: at zero, the model keeps nothing better than what it says",
    ]
    unknown = [
        *(document.get("unknown") or []),
        "how another training seed would have turned out: one was run",
    ]
    return Headline(
        kind,
        f"Did self-improvement help {document['model']} on {document['task']}?",
        answer,
        sentence,
        tiles,
        steps,
        unknown,
    )


def _round_charts(rounds: Sequence[Document]) -> Iterator[Block]:
    told = {
        "held-out problems": "accuracy",
        "greedy, held out": "greedy",
        "training problems": "train_accuracy",
    }
    marks = [
        mark(one.get(key), x=one["round"], series=name)
        for name, key in told.items()
        for one in rounds
    ]
    ahead = [
        mark(before.get("forecast"), x=one["round"], series="forecast")
        for before, one in pairwise(rounds)
    ]
    yield line_chart(
        "Accuracy",
        "A forecast without a band is a ceiling: the accuracy of what was kept, as if training lost nothing.",
        marks + ahead,
        Axes("accuracy, %", "round"),
    )
    told = {
        "judged by itself": "gap",
        "judged by the base model": "gap_base_verifier",
        "by what filters": "gap_filter",
    }
    marks = [
        mark(one.get(key), x=one["round"], series=name)
        for name, key in told.items()
        for one in rounds
    ]
    if drawn(marks):
        note = "What filtering would still gain. The base model as judge forgets nothing."
        yield line_chart("Gap", note, marks, Axes("gap, points", "round", "+"), ("no gain", 0.0))


def _pass_charts(rounds: Sequence[Document]) -> Iterator[Block]:
    marks = [
        mark(found, x=int(k), series=f"round {one['round']}")
        for one in rounds
        for k, found in (one.get("pass_at_k") or {}).items()
        if _shown(k, one["pass_at_k"])
    ]
    if len({one["x"] for one in drawn(marks)}) > 1:
        yield line_chart(
            "pass@k",
            "The chance that one of k responses is right.",
            marks,
            Axes("pass@k, %", "responses, k", log=True),
        )


def _diversity_charts(rounds: Sequence[Document]) -> Iterator[Block]:
    for key, title in (
        ("distinct_answers", "Distinct answers to a problem"),
        ("answer_entropy", "Entropy of the answers, nats"),
    ):
        marks = [
            mark((one.get("diversity") or {}).get(key), 1.0, x=one["round"], series="")
            for one in rounds
        ]
        if drawn(marks):
            yield line_chart(
                title,
                "Mean over problems.",
                marks,
                Axes(title[0].lower() + title[1:], "round", digits=2),
            )


def _shown(k: str, curve: Mapping[str, Any]) -> bool:
    size = int(k)
    return size & (size - 1) == 0 or size == max(map(int, curve))


def _rounds_table(rounds: Sequence[Document]) -> WordTable:
    header = [
        "Round",
        "Accuracy, %",
        "Gain, points",
        "Greedy, %",
        "Gap, own verifier",
        "Gap, base verifier",
        "Relative gap, %",
    ]
    header += ["ε of the update, points", "In format alone, points"]
    header += ["Rows trained on", "Replayed", "Problems without a row"]
    rows = []
    for before, one in zip([None, *rounds], rounds, strict=False):
        taught = (before or {}).get("trained_on") or {}
        counts = [
            Cell(f"{taught[key]:,}" if key in taught else "–", "")
            for key in ("rows", "replayed", "problems_without")
        ]
        cells = [
            rate_cell(one["accuracy"]),
            points_cell(one.get("gain")),
            rate_cell(one["greedy"]),
            points_cell(one["gap"]),
        ]
        cells += [
            points_cell(one.get("gap_base_verifier")),
            rate_cell(one.get("relative_gap")),
            points_cell(one.get("eps_update")),
            points_cell(one.get("gain_in_format")),
            *counts,
        ]
        rows.append((str(one["round"]), cells))
    return WordTable("Every round", _UPDATE_NOTE, header, rows)


def _cost_table(rounds: Sequence[Document]) -> WordTable:
    formats = {
        "prompt_tokens": ",.0f",
        "generated_tokens": ",.0f",
        "flops": ".1e",
        "seconds": ",.1f",
    }
    rows = []
    for one in rounds:
        for stage, usage in (one.get("usage_by_stage") or {"all": one.get("usage")}).items():
            spent = [known(usage, key) for key in formats]
            cells = [
                Cell(DASH if value is None else format(value, spec), "")
                for value, spec in zip(spent, formats.values(), strict=True)
            ]
            rows.append((f"{one['round']}, {_STAGES.get(stage, stage)}", cells))
    header = ["Round and stage", "Prompt tokens", "Generated tokens", "FLOPs", "Seconds"]
    note = "Of a fit, the tokens are those that were read and those that were learned."
    return WordTable("What every round cost", note, header, rows)
