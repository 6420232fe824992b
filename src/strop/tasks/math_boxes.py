r"""The answer that a mathematical response puts into a box.

Only the last MAX_TEXT characters of a response are read, and an answer of more than MAX_ANSWER
characters is no answer.
"""

from __future__ import annotations

import re

from strop.tasks.displayed_text import MAX_TEXT
from strop.tasks.extraction import Found, MappedText
from strop.tasks.math_forms import MAX_ANSWER, normalise_math

MAX_BETWEEN_BOXES = 200

_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)  # \\. skips escaped braces
_BOX = re.compile(r"\\(?:boxed|fbox)(?![A-Za-z])\s{0,20}(?:(\{)|(?=[^\s{}$]))")
# All quantifiers on untrusted text are bounded, or cannot backtrack: every scan is linear.
_BARE = re.compile(r"[^\s$]{1,200}")
_EMPTY_BOX = re.compile(r"\\(?:boxed|fbox)\s{0,20}\{(?:\s|\$|\\[,;:! ]){0,20}\}")
# What may stand between joined boxes besides the joint: delimiters, and "k =".
_NOTHING_OR_NAME = re.compile(
    r"(?:[\s$&]|\\[()\[\],;:! ]|\\q?quad)*"
    r"(?:[A-Za-z](?:_\{?[A-Za-z0-9]{1,5}\}?)?\s{0,9}&?=(?:[\s$&]|\\[,;:! ])*)?"
)
# A list of equations in one display: ", \\\\ a + c - b &= 3 + 8 =", without a word.
_NEXT_EQUATION = re.compile(
    r"\s*[,;]\s*\\\\(?:\\[a-z]{1,10}|(?![a-z]{2})[^$\\])+=\s*", re.IGNORECASE
)
# What makes two boxes one answer: a comma, or a word with formula delimiters around it.
JOINT = re.compile(
    r"[,;]|(?<![A-Za-z\\])(?:and|or)(?![A-Za-z])"
    r"|\\(?:text|textrm|mbox|mathrm)\{\s{0,9},?\s{0,9}(?:and|or)\s{0,9}\}"
)


def boxed(text: str) -> Found | None:
    r"""Return what the last ``\boxed{...}``, ``\fbox{...}`` or ``\boxed 5`` holds.

    Boxes that are empty or never closed are skipped. Boxes that a comma, "and" or "or" joins to the
    last one are one answer: ``\boxed{5}$ or $k = \boxed{-3}`` is ``5, -3``.
    """
    tail = tail_of(text)
    boxes = _boxes(tail)
    if not boxes:
        return None
    # The last box is the answer: models write intermediate results in boxes too.
    *_, (begin, _, last) = boxes
    joined = [last]
    for box_begin, box_end, answer in reversed(boxes[:-1]):
        if not _joins_boxes(tail.text[box_end:begin] if box_end <= begin else ""):
            break
        joined.insert(0, answer)
        begin = box_begin
    # "\boxed{15\frac{1}{2}} or \boxed{\frac{31}{2}}" gives one answer in two spellings.
    distinct = {normalise_math(answer.answer): answer.answer for answer in joined}
    if len(distinct) == 1:
        return last
    together = ", ".join(distinct.values())
    if len(together) > MAX_ANSWER:
        return last
    return Found(together, "boxed", joined[0].start)


def has_empty_box(text: str) -> bool:
    r"""Return whether the text has a box with nothing in it: ``\boxed{}``."""
    return _EMPTY_BOX.search(tail_of(text).text) is not None


def _boxes(tail: MappedText) -> list[tuple[int, int, Found]]:
    """Return where each box with an answer begins and ends, and its answer."""
    closing = _closing_braces(tail.text)
    boxes = []
    for box in _BOX.finditer(tail.text):
        if box[1]:
            end = closing.get(box.start(1), 0)
            box_end = end + 1
        else:
            bare = _BARE.match(tail.text, box.end())
            end = box.end() + len(bare[0].rstrip(".,;:")) if bare else 0
            box_end = end
        answer = answer_at(tail, box.end(), end, "boxed")
        if answer:
            boxes.append((box.start(), box_end, answer))
    return boxes


def _joins_boxes(between: str) -> bool:
    """Return whether the text between two boxes makes them parts of one answer."""
    if len(between) > MAX_BETWEEN_BOXES:
        return False
    if _NEXT_EQUATION.fullmatch(between):
        return True
    without_joints, joints = JOINT.subn(" ", between)
    return joints > 0 and bool(_NOTHING_OR_NAME.fullmatch(without_joints))


def _closing_braces(text: str) -> dict[int, int]:
    """Return the index of the closing brace for the index of each opening brace."""
    opened: list[int] = []
    closing: dict[int, int] = {}
    for brace in _BRACE.finditer(text):
        if brace[0] == "{":
            opened.append(brace.start())
        elif brace[0] == "}" and opened:
            closing[opened.pop()] = brace.start()
    return closing


def tail_of(text: str) -> MappedText:
    """Return the last MAX_TEXT characters."""
    offset = max(0, len(text) - MAX_TEXT)
    return MappedText.of(text[offset:], offset)


def answer_at(tail: MappedText, begin: int, end: int, how: str) -> Found | None:
    """Return what stands between two indices as an answer, if it is not too long for one."""
    answer = tail.extract(begin, end, how)
    return answer if answer and len(answer.answer) <= MAX_ANSWER else None
