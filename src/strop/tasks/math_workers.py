"""Decide whether two mathematical answers are equal.

Answers with equal forms (``math_forms.normalise_math``) are equal. Other forms go to math-verify,
if it is installed, in a worker process (``workers.py``). A process is needed because sympy can be
made to compute for ever or to use all memory, in steps that no signal handler and no thread can
interrupt, and because math-verify works only in a main thread.

math-verify sees only the forms, so that answers that count as one vote get one verdict. Where it is
too lax, the decision is made here: two plain numbers are compared exactly; bases count (``202_7``
is not ``202_8``, but one side may leave its base out); words are not products of letters; the
brackets of lists must be the same.

A comparison that exceeds CPU_SECONDS, SECONDS or MEMORY, or that crashes twice in a row, counts as
not equal. COUNTS has the number of those.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import re
import threading
from collections import Counter
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

from strop.tasks.math_forms import WORDS, normalise_math
from strop.tasks.workers import Pool, serve

CPU_SECONDS = 1.0
SECONDS = 4.0
MEMORY = 1 << 30
RELATIVE_DIFFERENCE = 1e-5
NO_MATH_VERIFY = "strop normaliser"

_POOL = Pool("strop.tasks.math_workers")
_COUNTING = threading.Lock()

COUNTS: Counter[str] = Counter()
"""The number of comparisons that math-verify was "asked", that "timed out" and that "crashed"."""


@cache
def grader() -> str:
    """Return who compares, for the record: "math-verify 0.9.0", or else "strop normaliser"."""
    if importlib.util.find_spec("math_verify") is None:
        return NO_MATH_VERIFY
    return f"math-verify {importlib.metadata.version('math-verify')}"


def same_math(answer: str, reference: str) -> bool:
    """Return whether the answer equals the reference. Safe to call from any thread.

    An answer without a form equals nothing.
    """
    return _same_forms(normalise_math(answer), normalise_math(reference))


@lru_cache(maxsize=20_000)
def _same_forms(answer: str, reference: str) -> bool:
    decision = _decide_without_math_verify(answer, reference)
    if decision is not None:
        return decision
    return grader() != NO_MATH_VERIFY and _ask_math_verify(answer, reference)


_NUMBER = re.compile(r"-?(?:\d+|\\frac\{\d+\}\{\d+\})")
_BASED_NUMBER = re.compile(r"\(?(?P<digits>(?=[A-F]*\d)[\dA-F]+)\)?(?:_\{\(?(?P<base>\d+)\)?\})?")
# A list in brackets, in which no other bracket stands. A backslash may not begin ``\{`` or ``\}``.
_LIST = re.compile(
    r"(?P<opening>\(|\[|\\\{)(?:[^()\[\]\\]|\\(?![{}]))*,"
    r"(?:[^()\[\]\\]|\\(?![{}]))*(?P<closing>\)|\]|\\\})"
)


def _decide_without_math_verify(answer: str, reference: str) -> bool | None:
    """Return the decision, or None if only math-verify can make it."""
    if not answer or not reference:
        return False
    if answer == reference:
        return True
    if _NUMBER.fullmatch(answer) and _NUMBER.fullmatch(reference):
        return False
    same_number = _same_based_number(answer, reference)
    if same_number is not None:
        return same_number
    if _is_words(answer) or _is_words(reference) or _have_different_brackets(answer, reference):
        return False
    return None


def _same_based_number(answer: str, reference: str) -> bool | None:
    """Compare two numbers of which one names its base (``202_{7}``); None for anything else."""
    left, right = _BASED_NUMBER.fullmatch(answer), _BASED_NUMBER.fullmatch(reference)
    if left is None or right is None or not (left["base"] or right["base"]):
        return None
    same_base = left["base"] == right["base"] or not (left["base"] and right["base"])
    return left["digits"].lstrip("0") == right["digits"].lstrip("0") and same_base


def _is_words(form: str) -> bool:
    """Return whether math-verify would read words as a product of letters."""
    if "answer" in form.lower():
        return True
    return bool(WORDS.fullmatch(form) and len(form) > 3 and re.search("[a-z]{2}", form))


def _have_different_brackets(answer: str, reference: str) -> bool:
    left, right = _LIST.fullmatch(answer), _LIST.fullmatch(reference)
    return bool(left and right and left.groups() != right.groups())


def _ask_math_verify(answer: str, reference: str) -> bool:
    """Return math-verify's verdict, or False if it does not reach one."""
    reply = _POOL.ask([answer, reference], cpu_seconds=CPU_SECONDS, seconds=SECONDS)
    with _COUNTING:
        COUNTS["asked"] += 1
        if reply.trouble:
            COUNTS["timed out" if reply.trouble == "timed out" else "crashed"] += 1
    return reply.value is True


def _prepare(settings: None) -> Callable[[list[str]], bool]:
    """Load math-verify in the worker and return the function that compares a pair of forms."""
    library = importlib.import_module("math_verify")
    normalization = importlib.import_module("latex2sympy2_extended.math_normalization")
    # The forms are normalised already: no units, no boxes.
    normal_form = normalization.NormalizationConfig(
        basic_latex=True,
        units=False,
        malformed_operators=False,
        nits=False,
        boxed="none",
        equations=False,
    )
    extraction = library.LatexExtractionConfig(
        boxed_match_priority=-1, normalization_config=normal_form
    )

    # The time-outs are None because the worker has its own bound on processor time.
    def parse(form: str) -> list[object]:
        return list(library.parse(f"${form}$", [extraction], parsing_timeout=None))

    def verdict(answer: str, reference: str) -> bool:
        gold, target = parse(reference), parse(answer)
        same = library.verify(gold, target, allow_set_relation_comp=True, timeout_seconds=None)
        return bool(same) and not _differ_in_size(gold, target)

    verdict("x+1", "1+x")  # sympy loads much on its first use; no answer should pay for that
    return lambda pair: verdict(*pair)


def _differ_in_size(gold: list[Any], target: list[Any]) -> bool:
    r"""Return whether two expressions differ by more than rounding, relative to their size.

    math-verify drops differences below 1e-15, so that ``\frac{1}{2^{99}}`` and
    ``\frac{1}{2^{98}}`` are equal for it. Letters get fixed values; what has no value, such as a
    set, does not differ.
    """
    if not gold or not target:
        return False
    try:
        values = [_value(expression) for expression in (gold[0], target[0])]
    except Exception:  # sympy raises many types for what has no value
        return False
    difference, largest = abs(values[0] - values[1]), max(map(abs, values))
    return bool(difference > RELATIVE_DIFFERENCE * largest)


def _value(expression: Any) -> Any:
    """Return the value in 30 digits, at fixed values of the letters. May raise any error."""
    sympy = importlib.import_module("sympy")
    letters = sorted(expression.free_symbols, key=str)
    values = {letter: sympy.Rational(17 + 6 * number, 7) for number, letter in enumerate(letters)}
    value = expression.subs(values).doit().evalf(30)
    if not value.is_number:
        raise ValueError("the expression has no value")
    return value


if __name__ == "__main__":
    serve(_prepare, memory=MEMORY)
