"""The verdict of a run in words, for the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from strop.report.formatting import (
    Document,
    capital,
    clean,
    interval,
    known,
    number,
    with_interval,
)

_WORDS = {"yes": "train", "no": "do not train", "unclear": "unclear"}


def verdict_lines(document: Document) -> Iterator[str]:
    """Yield whether to train and what to expect; nothing for a document without a verdict."""
    document = clean(document)
    verdict = document.get("verdict")
    if not verdict:
        return
    answer = _WORDS[verdict["train"]]
    yield f"{document['task']}, {document['model']}: {answer}. {capital(verdict['why'])}."
    if "verifier" not in verdict:
        return
    gap = with_interval(verdict["gap"], "+")
    yield f"  {verdict['verifier']}@{verdict['weigh']}: gap {gap}, cross-fitted over verifiers"
    yield _expected_line(document, verdict)


def _expected_line(document: Document, verdict: Document) -> str:
    expected, gain = verdict["expected_accuracy"], verdict["gain"]
    now = f"accuracy {number(document['accuracy'])}"
    after = f"after one round of {verdict['method']}"
    # Without updates of other models the loss in training is unknown: there is no interval.
    if known(expected, "low") is None:
        most = f"{now}; at most {number(expected)} {after}"
        return f"  {most}: an upper bound that assumes that training loses nothing"
    forecast = f"{now}; {after} {number(expected)} {interval(expected)}"
    gained = f"{number(gain, '+')} {interval(gain)}"
    others = f"{verdict['other_courses']} other trainings"
    return f"  {forecast} expected ({gained}), based on what training lost in {others}"


def unknown_line(document: Document) -> str:
    """Return what no measurement before training can say."""
    unknown = "; ".join(clean(document)["verdict"]["unknown"])
    return f"Not known before training: {unknown}."
