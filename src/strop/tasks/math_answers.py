"""Extract the answer of a mathematical response.

``boxed`` wants the answer in a box; ``math_flexible`` accepts it wherever it can be recognised.
Only the last MAX_TEXT characters of a response are read, and an answer of more than MAX_ANSWER
characters is no answer. ``math_forms`` brings answers into one spelling.
"""

from __future__ import annotations

import re

from strop.tasks.extraction import Found, MappedText
from strop.tasks.math_boxes import JOINT, answer_at, boxed, tail_of
from strop.tasks.numbers import IN_TEXT, number

Span = tuple[int, int]
MAX_BARE = 200

# A sentence that says what something is: "the total is 11". No unit of a power or product follows.
_STATED = re.compile(
    r"(?:=|(?<![A-Za-z])(?:is|are|was|equals?|gives?|giving|leaves?|leaving|makes?|making|gets?"
    r"|have|has|remain|comes to|total of)(?=[\s*_]))"
    rf"[\s*_]{{0,4}}(?:only|exactly|just|now|then)?\s?({IN_TEXT})(?![A-Za-z^_\\(])",
    re.IGNORECASE,
)
_LIST_MARK = re.compile(r"\s*(?:\d{1,3}[.)]|[-*#>|]+)\s")
# A response of up to three words is an answer ("no solution"), unless it begins like a sentence.
_FEW_WORDS = re.compile(r"[A-Za-z][A-Za-z'-]{1,30}(?: [A-Za-z'-]{1,30}){0,2}")
_NO_ANSWER = re.compile(
    r"(?:i|we|you|it|this|that|the|so|let|sorry|hello|ok|okay|yes,|unknown|step|note)\b",
    re.IGNORECASE,
)
_VARIABLE = re.compile(r"(?<![A-Za-z])[a-z](?![A-Za-z])|(?<=\d)[a-z](?![A-Za-z])")
_IN_BRACKETS = re.compile(r"\([^()]{0,200}\)|\[[^\[\]]{0,200}\]|\{[^{}]{0,200}\}")
_COMMAND = re.compile(
    r"\\(?:begin|end)\{[a-z]{1,20}\*?\}(?:\{[lcr|]{1,20}\})?|\\[^A-Za-z]"
    r"|\\(?:text|textbf|textrm|mathrm|mathbf|mbox)\{[^{}]{0,40}\}|\\[A-Za-z]{1,20}"
)
# A word of two letters or more, except names of functions and units, makes a line prose.
_PROSE = re.compile(
    r"(?!(?:base|pi|sqrt|and|or|sin|cos|tan|log|ln|cm|km|mm|kg|ft)(?![A-Za-z]))"
    r"(?<![A-Za-z])[A-Za-z]{2,}"
)
_MATHEMATICS = re.compile(r"[A-Za-z0-9\s(){}\[\]+*/^_=<>.,;:|!%°√π∞≤≥≠±×·÷−–&-]+")
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


def math_flexible(text: str) -> Found | None:
    """Return the answer that a response ends up with. The first of these that exists:

    the boxed answer; what follows the last "The answer is" or "Final answer:"; a number that a
    sentence behind the last formula states ("so the total is 11"); what the last ``$...$`` ends
    with, behind its last equals sign; a last line that is a bare answer; the last number.
    """
    answer = boxed(text)
    if answer:
        return answer
    tail = tail_of(text)
    formulas = _formulas(tail.text)
    after_marker = _after_marker(tail, formulas)
    if after_marker:
        return after_marker
    if formulas:
        stated = _stated_number(tail, formulas[-1][1])
        from_formula = stated or _last_formula(tail, *_last_joined(tail.text, formulas))
        if from_formula:
            return from_formula
    return _bare_line(tail) or _last_number(tail)


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
        answer = answer_at(tail, begin, end, "after a marker")
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


def _last_joined(text: str, formulas: list[Span]) -> Span:
    """Return the span of the last formula and of those joined to it: "$5$ and $-3$".

    Values of different names (``$x = 3$ and $y = 4$``) are no list: the last one stands alone.
    """
    begin, end = formulas[-1]
    names = {_name(text[begin:end])}
    for formula in reversed(formulas[:-1]):
        names.add(_name(text[slice(*formula)]))
        between = text[formula[1] : begin].replace("$", " ")
        if len(names) > 1 or not _JOINED.fullmatch(between):
            break
        begin = formula[0]
    return begin, end


def _name(formula: str) -> str:
    """Return what stands before the first equals sign, or ""."""
    left, equals, _ = formula.partition("=")
    return left.strip(" $") if equals else ""


def _last_formula(
    tail: MappedText, begin: int, end: int, how: str = "last formula"
) -> Found | None:
    """Return what stands behind the last equals sign of a formula, or the whole formula.

    The whole is taken if the equals sign stands inside braces or nothing is behind it, for several
    values (``k = 5 or k = -3``) and for the equation of a line (``2x - y + 3 = 0``).
    """
    equals = list(_EQUALS.finditer(tail.text, begin, end))
    is_alone = how == "bare answer"
    if equals and not _is_whole_answer(tail.text[begin:end], len(equals), is_alone=is_alone):
        right_side = tail.text[equals[-1].end() : end]
        is_balanced = right_side.count("{") == right_side.count("}")
        if is_balanced and right_side.strip(" .,;"):
            begin = equals[-1].end()
    return answer_at(tail, begin, end, how)


def _is_whole_answer(formula: str, equals: int, *, is_alone: bool) -> bool:
    """Return whether an answer with equals signs is more than its last right side.

    ``is_alone``: the response's last line is nothing else.
    """
    if equals > 1:
        values = JOINT.split(_IN_BRACKETS.sub("", formula))
        names = [_name(value) for value in values if value.strip()]
        all_named = all(_VARIABLE.fullmatch(name) for name in names)
        # "a = 2, b = 3" inside a text states two values, of which the last is the answer.
        return len(names) == equals and all_named and (is_alone or len(set(names)) == 1)
    left, _, right = formula.partition("=")
    letters = set(_VARIABLE.findall(_COMMAND.sub(" ", left)))
    return right.strip(" .,;$") == "0" and len(letters) > 1 and bool(re.search("[+-]", left))


def _stated_number(tail: MappedText, begin: int) -> Found | None:
    """Return the last number behind ``begin`` of which a sentence says that something is it."""
    for match in reversed(list(_STATED.finditer(tail.text, begin))):
        written = match[1].rstrip(".,/")
        if number(written) is not None:
            return answer_at(tail, match.start(1), match.start(1) + len(written), "stated number")
    return None


def _bare_line(tail: MappedText) -> Found | None:
    """Return the last line if it is nothing but mathematics, or one of up to three words alone."""
    stripped = tail.text.strip()
    begin = tail.text.rfind("\n", 0, len(tail.text.rstrip())) + 1
    line = tail.text[begin:].rstrip()
    if len(line) > MAX_BARE or not line.strip() or _LIST_MARK.match(line) or "\\box" in line:
        return None
    begin += len(line) - len(line.lstrip(" *_"))
    end = begin + len(line.strip(" *_").rstrip(".,;"))
    answer = tail.text[begin:end]
    is_one_line = "\n" not in stripped
    if is_one_line and _FEW_WORDS.fullmatch(answer) and not _NO_ANSWER.match(answer):
        return answer_at(tail, begin, end, "bare answer")
    without_commands = _COMMAND.sub(" ", answer)
    if _PROSE.search(without_commands) or not _MATHEMATICS.fullmatch(without_commands):
        return None
    # A line of plain numbers behind other lines may be a table or a remark.
    if not is_one_line and "\\" not in answer:
        return None
    return _last_formula(tail, begin, end, "bare answer")


def _last_number(tail: MappedText) -> Found | None:
    for match in reversed(list(_LAST_NUMBER.finditer(tail.text))):
        written = match[0].rstrip(".,/")
        if "frac" in written or number(written) is not None:
            begin = match.start()
            return answer_at(tail, begin, begin + len(written), "last number")
    return None
