"""Are two mathematical answers the same?

Equal forms (``latex.normalise_math``) are; so much is decided here. Of other forms math-verify is asked, if it is installed, in a worker
process (``workers.py``): sympy can be made to compute for ever or to eat all memory, in steps that no signal handler and no thread can
interrupt, and math-verify works in a main thread only.

Only the forms are shown to math-verify, so answers that are one vote get one verdict. What it is lax about is decided here: two plain
numbers are compared exactly, bases count (``202_7`` is not ``202_8``; a base that one side leaves out is allowed), words are not products
of letters, and brackets of lists must be the same.

Running out of CPU_SECONDS, SECONDS or MEMORY, or two crashes in a row, count as not equal, and in ``COUNTS``.
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

from strop.tasks.math_answers import WORDS, normalise_math
from strop.tasks.workers import Pool, serve

CPU_SECONDS = 1.0
SECONDS = 4.0
MEMORY = 1 << 30

_POOL = Pool("strop.tasks.math_workers")
_COUNTING = threading.Lock()

COUNTS: Counter[str] = Counter()
"""How often math-verify was "asked" in this process, and how many of these comparisons "timed out" or "crashed"."""


@cache
def grader() -> str:
    """Who decides, for the record: "math-verify 0.9.0", or "strop normaliser" where that is not installed."""
    if importlib.util.find_spec("math_verify") is None:
        return "strop normaliser"
    return f"math-verify {importlib.metadata.version('math-verify')}"


def same_math(answer: str, reference: str) -> bool:
    """Is the answer the reference? What has no form is the same as nothing. Safe to call from any thread."""
    return _same_forms(normalise_math(answer), normalise_math(reference))


_NUMBER = re.compile(r"-?(?:\d+|\\frac\{\d+\}\{\d+\})")
_BASED = re.compile(r"\(?(\d[\dA-F]*)\)?(?:_\{\(?(\d+)\)?\})?")
_BRACKETED = re.compile(
    r"(\(|\[|\\\{)(?:[^()\[\]\\]|\\(?![{}]))*,(?:[^()\[\]\\]|\\(?![{}]))*(\)|\]|\\\})"
)


def _settled(answer: str, reference: str) -> bool | None:
    """What is decided without math-verify."""
    if not answer or not reference or answer == reference:
        return bool(answer) and answer == reference
    if _NUMBER.fullmatch(answer) and _NUMBER.fullmatch(reference):
        return False
    based = _BASED.fullmatch(answer), _BASED.fullmatch(reference)
    if based[0] and based[1] and (based[0][2] or based[1][2]):
        return based[0][1] == based[1][1] and (
            not (based[0][2] and based[1][2]) or based[0][2] == based[1][2]
        )
    for form in (answer, reference):
        if (
            WORDS.fullmatch(form) and len(form) > 3 and re.search("[a-z]{2}", form)
        ) or "answer" in form.lower():
            return False
    brackets = _BRACKETED.fullmatch(answer), _BRACKETED.fullmatch(reference)
    if brackets[0] and brackets[1] and brackets[0].groups() != brackets[1].groups():
        return False
    return None


@lru_cache(maxsize=20_000)
def _same_forms(answer: str, reference: str) -> bool:
    settled = _settled(answer, reference)
    if settled is not None:
        return settled
    return grader() != "strop normaliser" and _ask(answer, reference)


def _ask(answer: str, reference: str) -> bool:
    """math-verify's verdict; False if it comes to none."""
    reply = _POOL.ask([answer, reference], cpu_seconds=CPU_SECONDS, seconds=SECONDS)
    with _COUNTING:
        COUNTS["asked"] += 1
        if reply.trouble:
            COUNTS["timed out" if reply.trouble == "timed out" else "crashed"] += 1
    return reply.value is True


def _prepare(settings: None) -> Callable[[list[str]], bool]:
    """In the worker."""
    library = importlib.import_module("math_verify")
    normalisation = importlib.import_module(
        "latex2sympy2_extended.math_normalization"
    ).NormalizationConfig(
        basic_latex=True,
        units=False,
        malformed_operators=False,
        nits=False,
        boxed="none",
        equations=False,
    )
    config = [
        library.LatexExtractionConfig(boxed_match_priority=-1, normalization_config=normalisation)
    ]

    def verdict(answer: str, reference: str) -> bool:
        read = [
            library.parse(f"${form}$", config, parsing_timeout=None) for form in (reference, answer)
        ]
        return bool(library.verify(*read, allow_set_relation_comp=True, timeout_seconds=None))

    verdict("x+1", "1+x")
    return lambda pair: verdict(*pair)


if __name__ == "__main__":
    serve(_prepare, memory=MEMORY)
