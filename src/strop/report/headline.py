"""The headline of a run: will training on what a verifier keeps help, and by how much?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from strop.report.blocks import Headline, Kind, Tile
from strop.report.formatting import DASH, capital, interval, known, number, points
from strop.report.gap_rows import entries
from strop.report.round_cost import round_cost

QUESTION = "Will it help {} to train on those of its responses to {} that a verifier keeps?"
_ANSWERS = {"yes": "Yes", "no": "No", "unclear": "Unclear"}
_KINDS: dict[str, Kind] = {"yes": "gain", "no": "none", "unclear": "unknown"}


@dataclass(frozen=True, slots=True)
class _Verdict:
    """A document's verdict with the numbers of the verifier that it chose.

    ``row`` holds them under the verdict's weight if they were measured, else under another weight;
    it is empty if the document has none.
    """

    document: Mapping[str, Any]
    verdict: Mapping[str, Any]
    row: Mapping[str, Any]

    @property
    def judge(self) -> str:
        """The name of the model that judges."""
        return str(self.row.get("verifier_model") or self.document["model"])

    @property
    def verifier(self) -> str:
        return str(self.row.get("name") or self.verdict.get("verifier") or DASH)

    @property
    def weight_and_model(self) -> str:
        """The weight, and the judging model if it is another one: "@threshold:0.5 of MODEL"."""
        weight = f"@{self.verdict['weigh']}" if self.verdict.get("weigh") else ""
        model = f" of {self.judge}" if self.judge != self.document["model"] else ""
        return weight + model


def headline_of(document: Mapping[str, Any]) -> Headline | None:
    """Return the verdict (``strop.run.verdict``) in words, or None for a document without one."""
    verdict = document.get("verdict")
    if not verdict:
        return None
    train = str(verdict["train"])
    kind = _KINDS.get(train, "unknown")
    answer = _ANSWERS.get(train, train)
    question = QUESTION.format(document["model"], document["task"])
    why = capital(verdict["why"])
    if verdict.get("caution"):
        why += f". {capital(verdict['caution'])}"
    unknown = [str(text) for text in verdict.get("unknown") or []]
    command = str(verdict.get("next") or "")
    # No verifier could be chosen: there is nothing to expect, and no step to explain.
    if "verifier" not in verdict:
        tiles = [_accuracy_tile(document)]
        return Headline(kind, question, answer, why, tiles, [], [], command)
    chosen = _Verdict(document, verdict, _chosen_row(document, verdict))
    sentence = f"{why}. {_expectation(chosen)}"
    steps = list(_steps(chosen))
    return Headline(kind, question, answer, sentence, _tiles(chosen), steps, unknown, command)


def _chosen_row(document: Mapping[str, Any], verdict: Mapping[str, Any]) -> Mapping[str, Any]:
    rows = [row for row in entries(dict(document)) if row["verifier"] == verdict.get("verifier")]
    for row in rows:
        if row.get("weigh") == verdict.get("weigh"):
            return row
    return rows[0] if rows else {}


def _expectation(chosen: _Verdict) -> str:
    """Return the gain in a sentence: an expectation with its interval, or an upper bound."""
    verdict = chosen.verdict
    gain = verdict.get("gain")
    filter_name = chosen.verifier + chosen.weight_and_model
    training = f"One round of {verdict.get('method', 'training')} on what {filter_name} keeps"
    if known(gain, "value") is None:
        return f"{training} gains at most about the gap; its size is not known before training"
    return f"{training} is expected to bring {points(gain)}, by {verdict['source_words']}"


def _tiles(chosen: _Verdict) -> list[Tile]:
    verdict = chosen.verdict
    expected, gain, gap = (verdict.get(key) for key in ("expected_accuracy", "gain", "gap"))
    cost = round_cost(chosen.document, verdict.get("verifier"), chosen.row)
    return [
        _accuracy_tile(chosen.document),
        Tile("after one round", f"{number(expected)}%", interval(expected)),
        Tile("gain of one round", f"{number(gain, '+')} points", interval(gain)),
        Tile("gap: accuracy kept − accuracy", f"{number(gap, '+')} points", interval(gap)),
        Tile("filter to train on", chosen.verifier, chosen.weight_and_model),
        Tile("cost per 1,000 training problems", cost.short, cost.detail),
    ]


def _accuracy_tile(document: Mapping[str, Any]) -> Tile:
    accuracy = document.get("accuracy")
    return Tile("accuracy now", f"{number(accuracy)}%", interval(accuracy))


def _steps(chosen: _Verdict) -> Iterator[str]:
    """Yield how the number was measured, step by step."""
    document, verdict = chosen.document, chosen.verdict
    model, problems, samples = document["model"], document["problems"], document["samples"]
    accuracy = number(document.get("accuracy"))
    yield (
        f"{model} answered {problems:,} problems of {document['task']} {samples:,} times each; "
        f"{accuracy}% of the responses are right"
    )
    # The steps of filtering describe the verdict's own weight or are left out.
    if chosen.row and chosen.row.get("weigh") == verdict.get("weigh"):
        yield from _filter_steps(chosen)
    yield (
        "To avoid an optimistic choice among verifiers, each fifth of the problems is judged by "
        f"the verifier that did best on the other four: {points(verdict.get('gap'))}"
    )
    if known(verdict.get("gain"), "value") is None:
        yield "Which part of the gap training keeps is not known before training"
    else:
        yield (
            f"The gain of a round is forecast by {verdict['source_words']}; its interval is for "
            "the gain that would be measured"
        )
    yield (
        "Intervals say how far a number could move with other problems of this kind: whole "
        "problems are resampled"
    )


def _filter_steps(chosen: _Verdict) -> Iterator[str]:
    row = chosen.row
    judge = "The same model" if chosen.judge == chosen.document["model"] else chosen.judge
    verifier = row.get("name", row["verifier"])
    judged = f"{judge} judged each response ({verifier})"
    if row.get("verifier_model", judge) is None:
        judged = f"Each response got a score of {verifier}"
    yield f"{judged} without seeing the reference; {number(row.get('kept_share'))}% were kept"
    yield (
        f"Of those kept, {number(row.get('accuracy_kept'))}% are right. The difference is the "
        f"generation-verification gap: {points(row.get('gap'))}"
    )
