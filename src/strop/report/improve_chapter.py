"""The chapter about ``strop improve``: rounds of self-improvement.

"Mind the Gap", Algorithm 1 and section 5.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

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
    points_cell,
    rate_cell,
)
from strop.report.charts import line_chart
from strop.report.cost import usage_in_words
from strop.report.formatting import (
    DASH,
    Document,
    counted,
    interval,
    known,
    number,
    points,
    visible,
)
from strop.report.marks import Axes, Mark, doublings, drawn, mark

_PASS_NOTE = (
    "Small k shows how often the model is right; large k shows what it can still say. If only "
    "small k rises, or large k falls, diversity was lost."
)
_UPDATE_NOTE = (
    "ε of the update: accuracy of what was kept, minus the accuracy after training on it. Near "
    "zero, training did what the filter promised. In format alone: what strict accuracy gained "
    "beyond flexible accuracy."
)
_FORECAST_NOTE = "The forecast was made before the first round; later rounds have none."
_ANSWERS: dict[Kind, str] = {
    "gain": "Yes",
    "loss": "No, it did harm",
    "none": "Not measurably",
    "unknown": "Unknown",
}
_STAGES = {
    "held-out": "held-out problems",
    "train": "training problems",
    "xpo": "XPO's own draws",
    "fit": "training the next model",
}
_USAGES = {
    "prompt_tokens": "Prompt tokens",
    "generated_tokens": "Generated tokens",
    "flops": "FLOPs",
    "seconds": "Seconds",
}
_TRAINED_ON = ("rows", "replayed", "problems_without")


def improve_chapter(document: Document) -> Chapter:
    """Return the chapter of one improvement."""
    rounds = document["rounds"]
    groups = [
        Group(
            "Round by round",
            "Held-out problems; none of them is a training problem.",
            list(_round_charts(rounds)),
            wide=True,
        ),
        Group("pass@k by round", _PASS_NOTE, list(_pass_charts(rounds)), wide=True),
        Group("Diversity by round", "", list(_diversity_charts(rounds))),
        Group("The rounds in numbers", "", [_rounds_table(rounds), _cost_table(rounds)], wide=True),
    ]
    headline = _improve_headline(document)
    return Chapter(_label(document), headline, list(_claims(document)), filled(groups))


def _label(document: Document) -> str:
    judge = document["filter_by"]
    if document.get("verify_with"):
        judge = f"{judge} of {document['verify_with']}"
    course = f"{document['task']} · {document['model']} · {document['method']}"
    return visible(f"{course}, filtered by {judge}")


def _claims(document: Document) -> Iterator[Claim]:
    rounds = document["rounds"]
    for current in rounds:
        if "gain" in current:
            index, gain = current["round"], current["gain"]
            moved = f"Round {index} moved accuracy to {number(current['accuracy'])}%"
            yield Claim(kind_of(gain), f"{moved}: {points(gain)} against round {index - 1}")
    if change := rounds[-1].get("pass_at_k_since_base"):
        k = max(map(int, rounds[-1]["pass_at_k"]))
        claim = f"Compared with the base model, pass@{k} moved by {points(change)}"
        if kind_of(change) == "loss":
            claim += ": below zero, diversity was lost"
        yield Claim(kind_of(change), claim)
    yield Claim("none", f"Ended: {document['stopped']}")


def _improve_headline(document: Document) -> Headline:
    rounds = document["rounds"]
    gain = rounds[-1].get("accuracy_since_base")
    kind = kind_of(gain)
    if len(rounds) > 1:
        answer, sentence = _ANSWERS[kind], _outcome(document)
    else:
        answer, sentence = "No round yet", f"Nothing was trained: {document['stopped']}"
    question = f"Did self-improvement help {document['model']} on {document['task']}?"
    unknown = [
        *(document.get("unknown") or []),
        "the result with another training seed: one seed was run",
    ]
    return Headline(kind, question, answer, sentence, _tiles(rounds), _steps(document), unknown)


def _outcome(document: Document) -> str:
    rounds = document["rounds"]
    # Round 0 is the base model: n entries are n - 1 rounds of training.
    first, last = rounds[0], rounds[-1]
    done = counted(len(rounds) - 1, "round", "rounds")
    accuracies = f"from {number(first['accuracy'])}% to {number(last['accuracy'])}%"
    gain = points(last.get("accuracy_since_base"))
    if kind_of(last["gap"]) == "gain":
        left = "its own judgement could still teach it"
    else:
        left = "its own judgement has nothing measurable left to teach"
    moved = f"{done} of {document['method']} moved held-out accuracy {accuracies}: {gain}"
    return f"{moved}. After that {left}: {points(last['gap'])}"


def _tiles(rounds: Sequence[Document]) -> list[Tile]:
    first, last = rounds[0], rounds[-1]
    gain, gap = last.get("accuracy_since_base"), last["gap"]
    done = counted(len(rounds) - 1, "round", "rounds")
    usages = [current.get("usage") or {} for current in rounds]
    flops = sum(known(usage, "flops") or 0.0 for usage in usages)
    spent = f"{flops:.1e} FLOPs" if flops else DASH
    return [
        Tile("accuracy before", f"{number(first['accuracy'])}%", interval(first["accuracy"])),
        Tile(f"accuracy after {done}", f"{number(last['accuracy'])}%", interval(last["accuracy"])),
        Tile("gain", f"{number(gain, '+')} points", interval(gain)),
        Tile("gap left, own verifier", f"{number(gap, '+')} points", interval(gap)),
        Tile("spent in all", spent, "sampling, judging and training"),
    ]


def _steps(document: Document) -> list[str]:
    return [
        f"Round 0 is {document['model']} before training. Each round samples training problems, "
        f"lets {document['filter_by']} judge the responses, and trains on those that pass "
        f"({document['method']})",
        "Every model answers the same held-out problems, so that differences are paired by "
        "problem; intervals resample problems",
        "The gap after a round says whether another round could help: at zero, what the model "
        "keeps is no better than what it says",
    ]


def _marks(rounds: Sequence[Document], names: dict[str, str]) -> list[Mark]:
    """Return a mark per round for each named series; ``names`` maps a round's field to a name."""
    marks = []
    for key, name in names.items():
        marks += [mark(current.get(key), x=current["round"], series=name) for current in rounds]
    return marks


def _round_charts(rounds: Sequence[Document]) -> Iterator[Block]:
    accuracies = _marks(
        rounds,
        {
            "accuracy": "held-out problems",
            "greedy": "greedy, held out",
            "train_accuracy": "training problems",
        },
    )
    # What a round forecast is compared with the next round.
    for previous, current in pairwise(rounds):
        accuracies.append(mark(previous.get("forecast"), x=current["round"], series="forecast"))
    yield line_chart("Accuracy", _FORECAST_NOTE, accuracies, Axes("accuracy, %", "round"))
    gaps = _marks(
        rounds,
        {
            "gap": "judged by itself",
            "gap_base_verifier": "judged by the base model",
            "gap_filter": "judged by the filter",
        },
    )
    if drawn(gaps):
        note = "What filtering would still gain. The base model as judge does not change."
        yield line_chart("Gap", note, gaps, Axes("gap, points", "round", "+"), ("no gain", 0.0))


def _pass_charts(rounds: Sequence[Document]) -> Iterator[Block]:
    marks = []
    for current in rounds:
        curve = current.get("pass_at_k") or {}
        series = f"round {current['round']}"
        marks += [mark(curve[k], x=int(k), series=series) for k in doublings(curve)]
    if len({mark["x"] for mark in drawn(marks)}) > 1:
        note = "The probability that at least one of k responses is right."
        yield line_chart("pass@k", note, marks, Axes("pass@k, %", "responses, k", log=True))


def _diversity_charts(rounds: Sequence[Document]) -> Iterator[Block]:
    titles = {
        "distinct_answers": "Distinct answers to a problem",
        "answer_entropy": "Entropy of the answers, nats",
    }
    for key, title in titles.items():
        marks = []
        for current in rounds:
            estimate = (current.get("diversity") or {}).get(key)
            marks.append(mark(estimate, scale=1.0, x=current["round"], series=""))
        if drawn(marks):
            axes = Axes(title[0].lower() + title[1:], "round", digits=2)
            yield line_chart(title, "Mean over problems.", marks, axes)


def _rounds_table(rounds: Sequence[Document]) -> WordTable:
    header = ["Round", "Accuracy, %", "Gain, points", "Greedy, %"]
    header += ["Gap, own verifier", "Gap, base verifier", "Relative gap, %"]
    header += ["ε of the update, points", "In format alone, points"]
    header += ["Rows trained on", "Replayed", "Problems without a row"]
    rows = []
    trained_on: Document = {}
    for current in rounds:
        cells = [
            rate_cell(current["accuracy"]),
            points_cell(current.get("gain")),
            rate_cell(current["greedy"]),
            points_cell(current["gap"]),
            points_cell(current.get("gap_base_verifier")),
            rate_cell(current.get("relative_gap")),
            points_cell(current.get("eps_update")),
            points_cell(current.get("gain_in_format")),
        ]
        for key in _TRAINED_ON:
            cells.append(Cell(f"{trained_on[key]:,}" if key in trained_on else DASH))
        rows.append((str(current["round"]), cells))
        # A round's model was trained on the rows that the round before it kept.
        trained_on = current.get("trained_on") or {}
    return WordTable("Every round", _UPDATE_NOTE, header, rows)


def _cost_table(rounds: Sequence[Document]) -> WordTable:
    rows = []
    for current in rounds:
        usages = current.get("usage_by_stage") or {"all": current.get("usage")}
        for stage, usage in usages.items():
            cells = [Cell(usage_in_words(key, known(usage, key))) for key in _USAGES]
            rows.append((f"{current['round']}, {_STAGES.get(stage, stage)}", cells))
    note = "For training, the tokens are those that were read and those that were learned."
    header = ["Round and stage", *_USAGES.values()]
    return WordTable("Cost of every round", note, header, rows)
