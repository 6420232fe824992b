"""The verdict of a run in words, for the terminal: what to do, why, and what to type next."""

from __future__ import annotations

from collections.abc import Iterator

from strop.report.formatting import (
    Document,
    capital,
    clean,
    decimal,
    known,
    number,
    with_interval,
)

ANSWERS = {"yes": "train", "no": "do not train", "unclear": "unclear"}
SEVERAL_POINTS = 0.005
"""A difference of format below half a point is not worth a line."""


def verdict_lines(document: Document) -> Iterator[str]:
    """Yield what to do and why, what to expect and the next command.

    Nothing is yielded for a document without a verdict.
    """
    # ``clean`` removes control characters: names come from users and servers.
    document = clean(document)
    verdict = document.get("verdict")
    if not verdict:
        return
    answer = ANSWERS[verdict["train"]]
    yield f"{document['task']}, {document['model']}: {answer}. {capital(verdict['why'])}."
    for sentence in verdict_sentences(document):
        yield f"  {sentence}"
    if verdict.get("next"):
        yield f"  Next: {verdict['next']}"


def verdict_sentences(document: Document) -> Iterator[str]:
    """Yield the numbers behind a verdict, one sentence each."""
    verdict = document["verdict"]
    if "verifier" in verdict:
        filter_name = f"{verdict['verifier']}@{verdict['weigh']}"
        gap = with_interval(verdict["gap"], "+")
        yield f"Gap of {filter_name}: {gap} points, cross-fitted over verifiers."
        if known(verdict["gain"], "low") is not None:
            yield _expectation(document)
    if verdict.get("caution"):
        yield f"{capital(verdict['caution'])}."
    yield from _format_sentence(verdict)
    yield from _likelihood_sentence(verdict)
    yield from _cost_sentence(verdict)


def unknown_line(document: Document) -> str:
    """Return what no measurement before training can say."""
    unknown = "; ".join(clean(document)["verdict"]["unknown"])
    return f"Not known before training: {unknown}."


def _expectation(document: Document) -> str:
    verdict = document["verdict"]
    after = with_interval(verdict["expected_accuracy"])
    gain = with_interval(verdict["gain"], "+")
    return (
        f"Expected after one round of {verdict['method']}: accuracy "
        f"{number(document['accuracy'])} -> {after} ({gain})."
    )


def _format_sentence(verdict: Document) -> Iterator[str]:
    """Yield the part of a gain that a change of the answer's format alone could bring."""
    difference = verdict.get("format_gain") or {}
    value = difference.get("value")
    if value is None or abs(value) < SEVERAL_POINTS or verdict.get("situation") == "format":
        return
    flexible = decimal(100 * difference["flexible"])
    yield (
        f"Read flexibly, {flexible}% of the answers are right: up to {decimal(100 * value)} points "
        "of a gain may be a matter of format."
    )


def _likelihood_sentence(verdict: Document) -> Iterator[str]:
    """Yield whether the model's likelihood knows right from wrong, where no pilot says more."""
    auroc = verdict.get("likelihood_auroc")
    if "verifier" not in verdict or verdict.get("source") == "pilot":
        return
    low, value = known(auroc, "low"), known(auroc, "value")
    if value is None or low is None:
        return
    numbers = with_interval(auroc)
    if low > 0.5:
        yield f"The model's likelihood ranks right above wrong responses (AUROC {numbers}%)."
        return
    yield (
        f"The model's likelihood does not rank right above wrong responses (AUROC {numbers}%; "
        "50 is chance): on such tasks training kept little of the gap."
    )


def _cost_sentence(verdict: Document) -> Iterator[str]:
    """Yield the cost of the round that the verdict is about."""
    cost = verdict.get("cost_of_round")
    if not cost or verdict["train"] == "no":
        return
    tokens = cost["prompt_tokens"] + cost["generated_tokens"]
    yield (
        f"A round samples and checks {cost['responses']:,.0f} responses: about {tokens:,.0f} "
        f"tokens and {cost['flops']:.1e} FLOPs; the fit comes on top."
    )
