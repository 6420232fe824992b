r"""Judge a mathematical answer against the reference of its problem.

``math_workers.same_math`` compares two answers. Four things need more than the two spellings:

* An equation is not its right side: ``x^2+y^2=9`` is not 9. A name on the left does not count
  (``AB = 9``), nor does an expression that the question asks for (``x+y = 9``).
* Equations of the same line or curve are one answer (``math_equations``).
* An answer in another base than ten must be in the base of the reference, or in one that the
  question asks for: ``11_2`` is not 11.
* Of an answer with a percent sign, the reference may give the value: ``50\%`` is ``0.5``. The
  reverse does not hold: a reference of ``35\%`` asks for a percentage, and 0.35 is another one.
"""

from __future__ import annotations

import re

from strop.tasks.math_equations import is_equation, same_equation
from strop.tasks.math_forms import BASES, normalise_equation, normalise_math
from strop.tasks.math_numbers import value_of
from strop.tasks.math_workers import same_math

_BASE = re.compile(r"\(?(?=[A-F]{0,40}\d)[\dA-F]{1,60}\)?_\{\(?(\d{1,2})\)?\}")
_PERCENT = re.compile(r"[^%]{1,60}?\\?%[\s$.]{0,9}")
_PERCENT_SIGN = re.compile(r"\\?%")
# Names that stand on a left side: letters alone, \angle ABC, f(2), |AB|, \cos A, m_1.
_NAME = re.compile(
    r"\|?m?(?:[A-Z]{1,6}|[A-Za-z]{3,40}|[A-Za-z]"
    r"|\\[A-Za-z]{1,20}(?:\{[^{}]{1,20}\})? ?[A-Za-z]{0,6})"
    r"(?:_\{[^{}]{1,20}\}|'){0,2}(?:\([^()]{1,40}\))?\|?"
)
_CHOICE_LABEL = re.compile(r"\s*(?:\\[a-z]{1,10}\{)?\s*\(?([A-E])\)")
_NAMED_BASES = {2: "binary", 8: "octal", 16: "hexadecimal"}


def is_right(answer: str, reference: str, question: str = "") -> bool:
    """Return whether an answer in normal form is what the reference says."""
    gold = normalise_math(reference)
    if answer == gold and answer:
        return True
    if same_equation(answer, normalise_equation(reference)):
        return True
    for equation, other in ((answer, gold), (gold, answer)):
        if _is_more_than(equation, other) and not _asks_for(question, equation):
            return False
    if not _base_fits(answer, gold, question):
        return False
    if same_math(answer, reference):
        return True
    label = _CHOICE_LABEL.match(reference)
    return bool(label and answer == label[1])


def is_percentage_of(answer: str, reference: str) -> bool:
    """Return whether an answer as written has a percent sign and the value of the reference."""
    if not _PERCENT.fullmatch(answer) or _PERCENT_SIGN.search(reference):
        return False
    percentage = value_of(normalise_math(answer))
    value = value_of(normalise_math(reference))
    return percentage is not None and value is not None and percentage == 100 * value


def _is_more_than(equation: str, other: str) -> bool:
    """Return whether one form is an equation of variables, and the other a value without one."""
    if not is_equation(equation) or "=" in other or re.search(r"[<>]|\\[lgn]e|\\in", other):
        return False
    left, _, right = equation.partition("=")
    has_variables = re.search(r"(?<![\\A-Za-z])[a-z](?![A-Za-z])", left) is not None
    return has_variables and not _NAME.fullmatch(left) and bool(right)


def _asks_for(question: str, equation: str) -> bool:
    """Return whether the question has the left side of the equation, apart from its spelling."""
    left = re.sub(r"[\s{}]", "", equation.partition("=")[0])
    return left in re.sub(r"[\s{}$]", "", question)


def _base_fits(answer: str, gold: str, question: str) -> bool:
    """Return False for an answer in a base that neither the reference nor the question names."""
    in_base = _BASE.fullmatch(answer)
    if in_base is None or _BASE.fullmatch(gold):
        return True
    base = int(in_base[1])
    if base == 10:
        return True
    words = [word for word, value in BASES.items() if value == base]
    names = "|".join([str(base), *words])
    if re.search(rf"\bbase[\s$~{{-]{{0,6}}(?:{names})\b|_\{{?{base}\b", question, re.IGNORECASE):
        return True
    return _NAMED_BASES.get(base, "\0") in question.lower()
