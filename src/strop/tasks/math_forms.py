r"""One spelling for each mathematical answer.

Two answers are one vote of a majority if ``normalise_math`` returns the same form for both, which
is an equivalence relation. It reads TeX as it is displayed and changes only the spelling, with
these conventions of the MATH benchmark's own graders:

* Units do not count: ``\text{ cm}``, ``12cm`` and other words at the end, ``$``, degree signs,
  percent signs (``35\%`` is 35, not 0.35). The letter of a choice before its value does not count:
  ``\textbf{(B)}\ 12`` is 12.
* The left side of one ``=`` or ``\in`` does not count if it is only a name: ``x = 5``,
  ``f(x) = 5`` and ``(x,y) = 5`` are 5.
* Numbers between separators are exact and in lowest terms: ``0.5``, ``.50``, ``2/4`` and
  ``\frac24`` are ``\frac{1}{2}``, and ``1\frac12`` is a mixed number. ``1,200`` is one number
  outside of brackets, and two inside; ``1, 200`` is always two.
* Lists, tuples and sets keep their order, intervals their brackets. No algebra is done.
"""

from __future__ import annotations

import re

from strop.tasks.math_reader import Piece, UnreadableError, read_pieces, write_pieces
from strop.tasks.math_tokens import tokenize, words

BASES = {
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "nine": 9,
    "ten": 10,
    "eleven": 11,
    "twelve": 12,
    "sixteen": 16,
}
MAX_ANSWER = 2_000
MAX_PASSES = 8

WORDS = re.compile(r"[A-Za-z][A-Za-z' ,.-]*")

_WORD = re.compile(r"[A-Za-z]{2,}")
_NAME = r"(?:[A-Za-z]|\\[A-Za-z]{1,20})(?:_\{[^{}]{1,20}\})?"
_NAME_LIST = rf"\({_NAME}(?:, {_NAME})*\)"
_LEFT_SIDE = re.compile(
    rf"(?:{_NAME}(?:{_NAME_LIST})?|{_NAME_LIST})(?:=|\\in(?![A-Za-z]) ?)(?=[^=<>]+\Z)"
)
# Words at the end behind a number or a closing bracket: three letters or more with a vowel, or a
# known abbreviation.
_UNITS = re.compile(
    r"(?<=[\d})\]]) (?:[a-z]*[aeiou][a-z]*[a-z](?<=[a-z]{3})"
    r"|[ckmd]m|kg|ft|in|mi|hr|lbs?|oz|sq|cu|yd|mph)(?: [a-z]+)*(?:\^\{[23]\})?\Z"
)
# Units right behind a number. Only those that are no likely product of variables: 12m may be one.
_GLUED_UNITS = re.compile(
    r"(?<=\d)(?:[ckm]m|kg|mg|ml|mL|ft|in|lbs?|oz|mph|hrs?|min|sec|inch(?:es)?|feet|foot|met(?:er|re)s?"
    r"|miles?|yards?|pounds?|grams?|units?|dollars?|cents?|hours?|minutes?|seconds?|days?|years?)"
    r"(?:\^\{[23]\})?\Z"
)
_SPEED = re.compile(
    r"\\frac\{(\d+)(?:km|m|mi|ft|cm|miles|feet|meters)\}\{(?:h|hr|hour|s|sec|second|min)\}"
)
_LABEL = re.compile(r"\(?[A-E]\)(?=-?(?:\d|\\frac|\\sqrt|\\binom|[A-Za-z]{3,}\Z))")
# One matrix in delimiters; a determinant has bars.
_DELIMITED_MATRIX = re.compile(
    r"[(\[](\\begin\{pmatrix\}(?:(?!\\begin).)*?\\end\{pmatrix\})[)\]]", re.DOTALL
)
_GROUPED_IN_BASE = re.compile(r"[\dA-F]+(?: [\dA-F]+)+_\{\d+\}")
_BASE_WORD = re.compile(rf"(?<=[\dA-F)]_\{{)(?:{'|'.join(BASES)})(?=\}}\Z)")
_CHOICE = re.compile(r"\(([A-Z])\)")
_OPERATORS = frozenset([*"+-/=<>^_|", r"\cdot", ", "])
# Words that are no units: they change what the answer means.
_MEANINGFUL_WORDS = words(
    """
    am pm a p hundred thousand million billion trillion dozen
    sin cos tan cot sec csc log ln exp mod max gcd lcm i e
    """
)


def normalise_math(answer: str) -> str:
    """Return the one spelling of an answer, or "" for what is no answer.

    The function is idempotent: it repeats the pass until nothing changes. An answer that still
    changes after MAX_PASSES, becomes longer than MAX_ANSWER or is nested too deep is no answer.
    """
    return _normalise(answer, keep_left_side=False)


def normalise_equation(answer: str) -> str:
    """Return the spelling of an answer that keeps its left side, as in ``y=2x+3``, or ""."""
    return _normalise(answer, keep_left_side=True)


def _normalise(answer: str, *, keep_left_side: bool) -> str:
    form = answer
    for _ in range(MAX_PASSES):
        if len(form) > MAX_ANSWER:
            return ""
        try:
            next_form = _one_pass(form, keep_left_side=keep_left_side)
        except UnreadableError:
            return ""
        if next_form == form:
            return form
        form = next_form
    return ""


def _one_pass(text: str, *, keep_left_side: bool) -> str:
    pieces = read_pieces(tokenize(text))
    form = write_pieces(_without_text_units(pieces)).strip(" .,:").strip()
    units = _UNITS.search(form)
    if units and not _MEANINGFUL_WORDS & set(units[0].split()):
        form = form[: units.start()]
    form = _GLUED_UNITS.sub("", form)
    speed = _SPEED.fullmatch(form)
    if speed:
        form = speed[1]
    form = _one_matrix(form)
    if _GROUPED_IN_BASE.fullmatch(form):
        form = form.replace(" ", "")
    form = _BASE_WORD.sub(lambda word: str(BASES[word[0]]), form)
    label = _LABEL.match(form)
    if label:
        form = form[label.end() :]
    left_side = None if keep_left_side else _LEFT_SIDE.match(form)
    if left_side:
        form = form[left_side.end() :]
    choice = _CHOICE.fullmatch(form)
    if choice:
        form = choice[1]
    is_words = WORDS.fullmatch(form) and _WORD.search(form)
    return form.lower() if is_words else form


def _one_matrix(form: str) -> str:
    """Drop a last empty row of a matrix, and the delimiters around a single one."""
    form = form.replace(r"\\\end{pmatrix}", r"\end{pmatrix}")
    delimited = _DELIMITED_MATRIX.fullmatch(form)
    return delimited[1] if delimited else form


def _without_text_units(pieces: list[Piece]) -> list[Piece]:
    r"""Drop ``\text{}`` at the end, with powers behind it (``\text{cm}^2``).

    It stays if nothing but it is there, if it holds a digit or a word with a meaning, or if an
    operator stands before it.
    """
    start = _start_of_units(pieces)
    units = pieces[start:]
    if start == 0 or not units or _has_meaning(units):
        return pieces
    before = [piece.text for piece in pieces[:start] if piece.text != " "]
    if not before or before[-1] in _OPERATORS:
        return pieces
    return pieces[:start]


def _start_of_units(pieces: list[Piece]) -> int:
    r"""Return the index of the first ``\text{}`` in the trailing run of text, spaces and powers."""
    start = len(pieces)
    while start and _may_be_unit(pieces[start - 1]):
        start -= 1
        if pieces[start].is_text and re.search(r"\d", pieces[start].text):
            return len(pieces)
    while start < len(pieces) and not pieces[start].is_text:
        start += 1
    return start


def _may_be_unit(piece: Piece) -> bool:
    return piece.is_text or piece.text in (" ", ".") or piece.text.startswith("^")


def _has_meaning(units: list[Piece]) -> bool:
    for piece in units:
        words = re.findall(r"[A-Za-z]+", piece.text)
        if any(word.lower() in _MEANINGFUL_WORDS for word in words):
            return True
    return False
