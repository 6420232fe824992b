"""The verdict in words, for the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from strop.report.formatting import Document, clean, interval, known, number

_WORDS = {"yes": "train", "no": "do not train", "unclear": "unclear"}


def verdict_lines(document: Document) -> Iterator[str]:
    """Whether to train, what to expect, and what cannot be known; nothing for a document without a verdict."""
    document = clean(document)
    found = document.get("verdict")
    if not found:
        return
    yield f"{document['task']}, {document['model']}: {_WORDS[found['train']]}. {_capital(found['why'])}."
    if "verifier" not in found:
        return
    yield f"  {found['verifier']}@{found['weigh']}: gap {number(found['gap'], '+')} {interval(found['gap'])}, cross-fitted over verifiers"
    expected, gain = found["expected_accuracy"], found["gain"]
    if known(expected, "low") is None:
        upper = f"accuracy {number(document['accuracy'])}; at most {number(expected)} after one round of {found['method']}"
        yield f"  {upper}: an upper figure, as if training lost nothing"
    else:
        told = f"accuracy {number(document['accuracy'])}; after one round of {found['method']} {number(expected)} {interval(expected)}"
        yield f"  {told} expected ({number(gain, '+')} {interval(gain)}), by what training lost in {found['other_courses']} other trainings"


def unknown_line(document: Document) -> str:
    """What no measurement before training can say."""
    return "Not known before training: " + "; ".join(clean(document)["verdict"]["unknown"]) + "."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
