"""The verdict of a run, answer first: will training on what a verifier keeps help, by how much, how sure, at what cost, and says who?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from strop.report.blocks import Headline, Kind, Tile, points
from strop.report.cost import harvest_cost
from strop.report.formatting import DASH, entries, interval, known, number

QUESTION = "Will it help {} to train on those of its responses to {} that a verifier keeps?"
_ANSWERS = {"yes": "Yes", "no": "No", "unclear": "Unclear"}
_KINDS: dict[str, Kind] = {"yes": "gain", "no": "none", "unclear": "unknown"}


def headline_of(document: Mapping[str, Any]) -> Headline | None:
    """What ``strop.run.verdict`` decided, in words; None for a document without a verdict."""
    verdict = document.get("verdict")
    if not verdict:
        return None
    train, row = str(verdict["train"]), _row(document, verdict)
    question = QUESTION.format(document["model"], document["task"])
    why = verdict["why"][:1].upper() + verdict["why"][1:]
    answer, kind = _ANSWERS.get(train, train), _KINDS.get(train, "unknown")
    unknown = [str(one) for one in verdict.get("unknown") or []]
    if "verifier" not in verdict:
        return Headline(kind, question, answer, why, [_now(document)], [], unknown)
    sentence = f"{why}. {_expected(document, verdict, row)}"
    return Headline(
        kind,
        question,
        answer,
        sentence,
        _tiles(document, verdict, row),
        list(_steps(document, verdict, row)),
        unknown,
    )


def _expected(
    document: Mapping[str, Any], verdict: Mapping[str, Any], row: Mapping[str, Any]
) -> str:
    """The gain in a sentence: an expectation with its interval, or the most that a perfect fit could bring."""
    filter_ = "".join(_filter(document, verdict, row))
    gain = verdict.get("gain")
    what = f"One round of {verdict.get('method', 'training')} on what {filter_} keeps"
    if known(gain, "value") is None:
        return f"{what}: what to expect is unknown"
    if known(gain, "low") is None:
        return f"{what} brings at most {points(gain)}, as if training lost nothing"
    return f"{what} is expected to bring {points(gain)}, by what training lost in {verdict.get('other_courses', 0)} other trainings"


def _tiles(
    document: Mapping[str, Any], verdict: Mapping[str, Any], row: Mapping[str, Any]
) -> list[Tile]:
    expected, gain = verdict.get("expected_accuracy"), verdict.get("gain")
    most = ", at most" if known(gain, "low") is None else ""
    cost = harvest_cost(document, verdict.get("verifier"), row)
    return [
        _now(document),
        Tile(f"after one round{most}", f"{number(expected)}%", interval(expected)),
        Tile(f"gain of one round{most}", f"{number(gain, '+')} points", interval(gain)),
        Tile(
            "gap: what is kept, over all",
            f"{number(verdict.get('gap'), '+')} points",
            interval(verdict.get("gap")),
        ),
        Tile("keep what passes", *_filter(document, verdict, row)),
        Tile("cost per 1,000 training problems", cost.short, cost.detail),
    ]


def _now(document: Mapping[str, Any]) -> Tile:
    return Tile(
        "accuracy now", f"{number(document.get('accuracy'))}%", interval(document.get("accuracy"))
    )


def _row(document: Mapping[str, Any], verdict: Mapping[str, Any]) -> Mapping[str, Any]:
    """The numbers of the verdict's verifier, under its weight where they were asked for."""
    rows = [row for row in entries(dict(document)) if row["verifier"] == verdict.get("verifier")]
    exact = [row for row in rows if row.get("weigh") == verdict.get("weigh")]
    found: Mapping[str, Any] = (exact or rows or [{}])[0]
    return found


def _filter(
    document: Mapping[str, Any], verdict: Mapping[str, Any], row: Mapping[str, Any]
) -> tuple[str, str]:
    """The verifier, and its weight and its model, where that is another."""
    judge = row.get("verifier_model") or document["model"]
    asked = [f"@{verdict['weigh']}"] if verdict.get("weigh") else []
    asked += [f" of {judge}"] if judge != document["model"] else []
    return str(row.get("name") or verdict.get("verifier") or DASH), "".join(asked)


def _steps(
    document: Mapping[str, Any], verdict: Mapping[str, Any], row: Mapping[str, Any]
) -> Iterator[str]:
    """Where the number comes from, in the order in which it was made."""
    model, problems, samples = document["model"], document["problems"], document["samples"]
    answered = (
        f"{model} answered {problems:,} problems of {document['task']} {samples:,} times each"
    )
    yield f"{answered}; {number(document.get('accuracy'))}% of the responses are right"
    judge = row.get("verifier_model") or model
    who = "The same model" if judge == model else str(judge)
    if row and row.get("weigh") == verdict.get("weigh"):
        kept = f"{number(row.get('kept_share'))}% were kept"
        yield f"{who} judged each ({row.get('name', row['verifier'])}) without seeing what is right; {kept}"
        gap = f"The difference is the generation-verification gap: {points(row.get('gap'))}"
        yield f"Of those kept, {number(row.get('accuracy_kept'))}% are right. {gap}"
    fair = "So that choosing among verifiers does not flatter it, each fifth of the problems is judged by the verifier that did best"
    yield f"{fair} on the other four: {points(verdict.get('gap'))}"
    if verdict.get("other_courses"):
        lost = f"minus what training lost of its gap in {verdict['other_courses']} other trainings"
        yield f"The gain of a round is that gap {lost}; their spread widens its interval"
    else:
        yield "What training loses of the gap is not known, so the gain is the most that a round could bring"
    yield "Intervals say how far a number could move with other problems of this kind: problems are resampled, whole"
