"""The answer first: will training on what the model keeps help, by how much, under which verifier, how sure, and at what cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from strop.report.blocks import Headline, Kind, Tile, kind_of, points
from strop.report.cost import harvest_cost
from strop.report.rows import entries, interval, known, number

QUESTION = "Will it help {} to train on those of its responses to {} that a verifier keeps?"
_ANSWERS = {"yes": "Yes", "no": "No", "unclear": "Unclear"}
_KINDS: dict[str, Kind] = {"yes": "gain", "no": "none", "unclear": "unknown"}
_UPDATE = "how faithfully training will follow what is kept: until it is tried, the gain is the most to expect"


def headline_of(document: Mapping[str, Any]) -> Headline | None:
    """From the document's verdict, or where there is none from its cross-fitted choice; None where nothing was chosen."""
    verdict = document.get("verdict") or _verdict_from_choice(document)
    if verdict is None:
        return None
    train = str(verdict.get("train", "unclear"))
    row = _row(document, verdict)
    cost = harvest_cost(document, verdict.get("verifier"), row)
    tiles = [
        Tile("accuracy now", f"{number(document.get('accuracy'))}%", interval(document.get("accuracy"))),
        Tile(
            "to expect after training, at most", f"{number(verdict.get('expected_accuracy'))}%", interval(verdict.get("expected_accuracy"))
        ),
        Tile("gain to expect, at most", f"{number(verdict.get('gain'), '+')} points", interval(verdict.get("gain"))),
        Tile("keep what passes", *_filter(document, verdict, row)),
        Tile("cost per 1,000 training problems", cost.short, cost.detail),
    ]
    sentence = _sentence(document, verdict, row)
    unknown = [str(one) for one in verdict.get("unknown") or []]
    return Headline(
        _KINDS.get(train, "unknown"),
        QUESTION.format(document["model"], document["task"]),
        _ANSWERS.get(train, train),
        sentence,
        tiles,
        list(_steps(document, verdict, row)),
        unknown,
    )


def _verdict_from_choice(document: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the cross-fitted choice of verifier and weight says: yes where its interval lies above zero, no where it lies below."""
    choice = (document.get("analysis") or {}).get("choice") or {}
    gap = choice.get("gap_cross_fitted")
    if not choice.get("chosen") or known(gap, "value") is None:
        return None
    verifier, _, weigh = choice["chosen"].partition("@")
    kind = kind_of(gap)
    train = {"gain": "yes", "loss": "no"}.get(kind, "unclear")
    why = {
        "gain": "what the best filter keeps is more often right than what the model says at large, and the interval lies above zero",
        "loss": "even the best filter keeps what is less often right",
        "none": "the interval of the best filter's gap includes zero: these problems cannot tell a gain from none",
        "unknown": "the gap has no interval",
    }[kind]
    unknown = [_UPDATE]
    found = {"train": train, "verifier": verifier, "weigh": weigh, "gain": gap, "why": why, "unknown": unknown}
    return found | {"expected_accuracy": _added(document.get("accuracy"), gap)}


def _added(accuracy: Mapping[str, Any] | None, gap: Mapping[str, Any] | None) -> dict[str, Any]:
    """Accuracy and gap together, without an interval: they are not independent."""
    values = [known(accuracy, "value"), known(gap, "value")]
    if values[0] is None or values[1] is None:
        return {"value": None, "why": "accuracy or gap is unknown"}
    return {"value": values[0] + values[1], "low": None, "high": None, "why": "a sum of two estimates"}


def _row(document: Mapping[str, Any], verdict: Mapping[str, Any]) -> Mapping[str, Any]:
    """The numbers of the verdict's verifier, under its weight where they were asked for."""
    rows = [row for row in entries(dict(document)) if row["verifier"] == verdict.get("verifier")]
    exact = [row for row in rows if row.get("weigh") == verdict.get("weigh")]
    found: Mapping[str, Any] = (exact or rows or [{}])[0]
    return found


def _filter(document: Mapping[str, Any], verdict: Mapping[str, Any], row: Mapping[str, Any]) -> tuple[str, str]:
    """The verifier, and its weight and its model, where that is another."""
    judge = row.get("verifier_model") or document["model"]
    asked = [f"@{verdict['weigh']}"] if verdict.get("weigh") else []
    asked += [f"asked of {judge}"] if judge != document["model"] else []
    return str(row.get("name") or verdict.get("verifier") or "–"), ", ".join(asked)


def _sentence(document: Mapping[str, Any], verdict: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    filter_ = " ".join(filter(None, _filter(document, verdict, row)))
    gain = points(verdict.get("gain"))
    what = f"Training {document['model']} on the responses to {document['task']} that {filter_} keeps"
    ends = {
        "yes": f"{what} can be expected to raise its accuracy, by at most {gain}",
        "no": f"No filter that was tried has anything to teach: the best, {filter_}, is worth {gain}",
        "unclear": f"The best filter, {filter_}, is worth {gain}: not told apart from nothing",
    }
    sentence = ends.get(str(verdict.get("train", "unclear")), f"The best filter, {filter_}, is worth {gain}")
    return f"{sentence}. Why: {verdict['why']}" if verdict.get("why") else sentence


def _steps(document: Mapping[str, Any], verdict: Mapping[str, Any], row: Mapping[str, Any]) -> Iterator[str]:
    """Where the number comes from, in the order in which it was made."""
    model, problems, samples = document["model"], document["problems"], document["samples"]
    answered = f"{model} answered {problems:,} problems of {document['task']} {samples:,} times each"
    yield f"{answered}; {number(document.get('accuracy'))}% of the responses are right"
    judge = row.get("verifier_model") or model
    who = "The same model" if judge == model else str(judge)
    if row:
        exact = row.get("weigh") == verdict.get("weigh")
        kept = f"{number(row.get('kept_share'))}% of them were kept" if exact else "a share of them was kept"
        yield f"{who} judged every response ({row.get('name', row['verifier'])}) without seeing what is right; {kept}"
        if exact:
            gap = f"The difference is the generation-verification gap: {points(row.get('gap'))}"
            yield f"Of those kept, {number(row.get('accuracy_kept'))}% are right. {gap}"
    yield "The interval says how far the number could move with other problems of this kind: problems are resampled, whole"
    choice = (document.get("analysis") or {}).get("choice") or {}
    if choice.get("chosen"):
        tried = f"{choice['candidates']} pairs of verifier and weight were tried"
        fair = "So that choosing does not flatter the gain, each fifth of the problems is judged by what was best on the other four"
        yield f"{tried}. {fair}: {points(choice['gap_cross_fitted'])}"
