"""Extract the answer of a mathematical response.

``boxed`` wants the answer in a box; ``math_flexible`` accepts it wherever it can be recognised.
Only the last MAX_TEXT characters of a response are read, and an answer of more than MAX_ANSWER
characters is no answer. ``math_forms`` brings answers into one spelling.
"""

from __future__ import annotations

import re

from strop.tasks.displayed_text import MAX_TEXT
from strop.tasks.extraction import Found, MappedText
from strop.tasks.math_forms import MAX_ANSWER
from strop.tasks.numbers import IN_TEXT, number

Span = tuple[int, int]

_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)  # \\. skips escaped braces
_BOX = re.compile(r"\\(?:boxed|fbox)(?![A-Za-z])\s{0,20}(?:(\{)|(?=[^\s{}$]))")
# All quantifiers on untrusted text are bounded, or cannot backtrack: every scan is linear.
_BARE = re.compile(r"[^\s$]{1,200}")
_MARKER = re.compile(
    r"(?<!\w)(?:the\s{1,3}(?:final\s{1,3}|correct\s{1,3})?answer\s{1,3}is"
    r"|(?:final\s{1,3})?answer[*_]{0,3}\s?(?::|is:))(?![\w'’])[\s:*_]*",
    re.IGNORECASE,
)
_FILLER = re.compile(
    r"(?:(?:therefore|thus|then|simply|just|equal to|given by|approximately|about|indeed),?\s"
    r"|:\s)*",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(
    r"[.!?](?=\s|[*_\"]|\Z)|\n|,?\s(?:since|because|as|which|where|so|when|if)\s|\Z"
)
_JOINED = re.compile(r"\s*(?:[,;]|,?\s*(?:and|or))\s*")
_DELIMITER = re.compile(r"\\[()\[\]]|\\.|\$\$?|\n[ \t]{0,20}\n", re.DOTALL)
_CLOSING = {"$": "$", "$$": "$$", r"\(": r"\)", r"\[": r"\]"}
_EQUALS = re.compile(r"(?<![<>!\\])=")
_LAST_NUMBER = re.compile(rf"-?\\[dt]?frac\{{-?\d{{1,50}}\}}\{{\d{{1,50}}\}}|{IN_TEXT}")


def boxed(text: str) -> Found | None:
    r"""Return what the last ``\boxed{...}``, ``\fbox{...}`` or ``\boxed 5`` holds.

    Boxes that are empty or never closed are skipped.
    """
    tail = _tail(text)
    closing = _closing_braces(tail.text)
    # The last box is the answer: models write intermediate results in boxes too.
    for box in reversed(list(_BOX.finditer(tail.text))):
        if box[1]:
            end = closing.get(box.start(1), 0)
        else:
            bare = _BARE.match(tail.text, box.end())
            end = box.end() + len(bare[0].rstrip(".,;:")) if bare else 0
        answer = _answer(tail, box.end(), end, "boxed")
        if answer:
            return answer
    return None


def math_flexible(text: str) -> Found | None:
    """Return the answer that a response ends up with. The first of these that exists:

    the boxed answer; what follows the last "The answer is" or "Final answer:"; what the last
    ``$...$`` ends with, behind its last equals sign; the last number.
    """
    answer = boxed(text)
    if answer:
        return answer
    tail = _tail(text)
    formulas = _formulas(tail.text)
    return (
        _after_marker(tail, formulas)
        or (_last_formula(tail, *formulas[-1]) if formulas else None)
        or _last_number(tail)
    )


def _tail(text: str) -> MappedText:
    offset = max(0, len(text) - MAX_TEXT)
    return MappedText.of(text[offset:], offset)


def _answer(tail: MappedText, begin: int, end: int, how: str) -> Found | None:
    answer = tail.extract(begin, end, how)
    return answer if answer and len(answer.answer) <= MAX_ANSWER else None


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


def _formulas(text: str) -> list[Span]:
    r"""Return where the formulas between ``$``, ``$$``, ``\(`` or ``\[`` begin and end.

    A ``$`` before a digit closes nothing: it may be a price.
    """
    formulas: list[Span] = []
    opened: re.Match[str] | None = None
    for mark in _DELIMITER.finditer(text):
        is_price = mark[0] == "$" and text[mark.end() : mark.end() + 1].isdigit()
        if opened and mark[0] == _CLOSING[opened[0]] and not is_price:
            if text[opened.end() : mark.start()].strip():
                formulas.append((opened.end(), mark.start()))
            opened = None
        elif opened is None or opened[0] == "$":
            # A single "$" was perhaps no delimiter: another mark may open a formula in its place,
            # and a blank line (the only mark of spaces) ends it.
            if mark[0] in _CLOSING:
                opened = mark
            elif not mark[0].strip():
                opened = None
    return formulas


def _after_marker(tail: MappedText, formulas: list[Span]) -> Found | None:
    """Return the formula in the sentence behind the last marker, or else that sentence."""
    for marker in reversed(list(_MARKER.finditer(tail.text))):
        filler = _FILLER.match(tail.text, marker.end())
        begin = filler.end() if filler else marker.end()
        sentence_end = _SENTENCE_END.search(tail.text, begin)
        end = sentence_end.start() if sentence_end else len(tail.text)
        following = [formula for formula in formulas if formula[0] > begin]
        if following and _is_answer_in_sentence(tail.text, begin, end, following[0]):
            begin, end = _joined(tail.text, following)
        end = begin + len(tail.text[begin:end].rstrip(" *_`.,;"))
        answer = _answer(tail, begin, end, "after a marker")
        if answer:
            return answer
    return None


def _is_answer_in_sentence(text: str, begin: int, end: int, formula: Span) -> bool:
    """Return whether the formula begins in the sentence, with no digit in front of it.

    ``end + 1``: the delimiter of the formula may stand right behind the end of the sentence.
    """
    return formula[0] <= end + 1 and not re.search(r"\d", text[begin : formula[0]])


def _joined(text: str, formulas: list[Span]) -> Span:
    """Return the span of the first formula and of those that a comma or an "and" joins to it."""
    begin, end = formulas[0]
    for formula in formulas[1:]:
        between = text[end : formula[0]].replace("$", " ")
        if not _JOINED.fullmatch(between):
            break
        end = formula[1]
    return begin, end


def _last_formula(tail: MappedText, begin: int, end: int) -> Found | None:
    """Return what stands behind the last equals sign of a formula, or the whole formula.

    The whole is taken if the equals sign stands inside braces or nothing is behind it.
    """
    equals = list(_EQUALS.finditer(tail.text, begin, end))
    if equals:
        right_side = tail.text[equals[-1].end() : end]
        is_balanced = right_side.count("{") == right_side.count("}")
        if is_balanced and right_side.strip(" .,;"):
            begin = equals[-1].end()
    return _answer(tail, begin, end, "last formula")


def _last_number(tail: MappedText) -> Found | None:
    for match in reversed(list(_LAST_NUMBER.finditer(tail.text))):
        written = match[0].rstrip(".,/")
        if "frac" in written or number(written) is not None:
            begin = match.start()
            return _answer(tail, begin, begin + len(written), "last number")
    return None
