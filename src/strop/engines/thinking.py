"""Remove a model's spans of thinking from its responses, before anyone grades or verifies them.

``Engine.draw`` is the one way in which responses and verifications are drawn; ``strop import``
treats responses that were drawn elsewhere alike. Token ids, token counts and log-probabilities stay
those of the whole response; only its text loses the spans. A response that ends inside a span was
cut off before its answer, so it counts as truncated. The marks are the setting ``think`` of a
model's name: ``NAME?think=reasoning`` for <reasoning>...</reasoning>, ``NAME?think=none`` to keep
everything. An import has the option ``--think``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from strop.errors import UsageError

SETTING = "think"
NONE = "none"
MARK = "think"
"""The name of the marks by default: <think>...</think>."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response without its spans of thinking.

    ``thoughts``: the text of the spans, "" if there is none. ``is_open``: the response ends inside
    a span.
    """

    text: str
    thoughts: str
    is_open: bool


def remove_thinking(text: str, name: str = MARK, is_open: bool = False) -> Answer:
    """Remove the spans <name>...</name> from a text.

    ``is_open``: the text begins inside a span. So does a text whose first mark closes one.
    """
    opening, closing = f"<{name}>", f"</{name}>"
    first_closing = text.find(closing)
    before = text.find(opening)
    if first_closing >= 0 and (before < 0 or first_closing < before):
        is_open = True
    if not is_open and before < 0:
        return Answer(text, "", False)
    kept = ""
    thoughts = ""
    rest = text
    while rest or is_open:
        if is_open:
            span, mark, rest = rest.partition(closing)
            thoughts += span.removeprefix(opening)
            if not mark:
                return Answer(kept, thoughts, True)
            if not kept.strip():
                rest = rest.lstrip()
            is_open = False
        else:
            outside, mark, rest = rest.partition(opening)
            kept += outside
            is_open = bool(mark)
    return Answer(kept, thoughts, False)


def read_setting(name: str, text: str) -> str:
    """Return the name of the marks that a model's setting gives; "" for none.

    Raise UsageError if it is no name of a mark.
    """
    if text == NONE:
        return ""
    if not _is_mark(text):
        raise UsageError(
            f"model {name}: {SETTING} is {text!r}; expected the name of a mark, as in "
            f"{SETTING}=reasoning for <reasoning>...</reasoning>, or {SETTING}={NONE}"
        )
    return text


def read_option(text: str) -> str:
    """Return the name of the marks that the option ``--think`` of an import gives; "" for none.

    Raise UsageError if it is no name of a mark.
    """
    if text in ("", NONE):
        return ""
    if not _is_mark(text):
        raise UsageError(
            f"--think {text!r:.60}: expected the name of a mark, as in --think reasoning for "
            "<reasoning>...</reasoning>, or --think '' to keep such spans"
        )
    return text


def _is_mark(text: str) -> bool:
    return re.fullmatch(r"[A-Za-z][\w:|-]*", text) is not None
