"""When are two written numbers the same?

Everything here reads one written number, exactly: no floats, no rounding. Units do not count, so ``50%`` is 50 and ``$5`` is 5.
Read as numbers: ``1,200``, ``1200,000`` (every group after a comma has three digits), ``1,00,000`` (Indian grouping), ``1{,}200``
(LaTeX), groups set apart by a no-break or thin space, ``+5``, ``-$5``, ``$-5``, ``29.00``, ``.5``, ``5.``, ``3/4``, other scripts' digits.
Not numbers: ``1,2`` and ``1,23,4`` (wrong grouping: a list, or a decimal comma, and nobody can tell which), ``1.2.3``, ``1/2/2020``,
``5/0``, ``1e5``, mixed numbers such as ``1 1/2``, words, and anything with a numerator or denominator of more than 100 digits.
"""

from __future__ import annotations

import re
from fractions import Fraction

LIMIT = 10**100
MAX_WRITTEN = 400

MINUS = r"\-−﹣－‐‑‒–"
_SIGN = rf"[+＋{MINUS}]"
_CURRENCY = r"\\?[$＄€£¥₹]"
_SPACES = "\u00a0\u2009\u202f"
_WHOLE = rf"(?:\d{{1,2}}(?:,\d\d)+,\d{{3}}|\d+(?:(?:,\d{{3}})+|(?:\{{,\}}\d{{3}})+|(?:[{_SPACES}]\d{{3}})+)?)"
_WRITTEN = re.compile(
    rf"(?P<before>{_SIGN}?)(?:{_CURRENCY})?(?P<after>{_SIGN}?)(?=\.?\d)"
    rf"(?:(?P<numerator>{_WHOLE})/(?P<denominator>{_WHOLE})|(?P<whole>{_WHOLE})?(?:\.(?P<decimals>\d+))?)"
    rf"\s?(?:\\?[%％]|{_CURRENCY})?\.?"
)

# Digits with what may join them: one number or none, as ``number`` decides. Never fails halfway, so a scan for it takes linear time.
RUN = rf"(?:(?<!\.)\.(?=\d))?\d(?:[\d.,/]|\{{,\}}\d|[{_SPACES}]\d{{3}}(?!\d))*"
# In running text: a hyphen behind a word, a digit or a closing bracket joins or subtracts, and is no sign.
_LONE = rf"(?<![\w)\]}}}}]){_SIGN}"
IN_TEXT = rf"(?:{_CURRENCY}{_LONE}|{_LONE}{_CURRENCY}|{_LONE}|{_CURRENCY})?{RUN}"


def _digits(written: str | None) -> str:
    return re.sub(r"\D", "", written or "")


def number(text: str) -> Fraction | None:
    """The exact value of a written number, white space around it aside; None if it is not one."""
    text = text.strip()
    match = _WRITTEN.fullmatch(text) if len(text) <= MAX_WRITTEN else None
    if match is None or (match["before"] and match["after"]):
        return None
    if match["numerator"]:
        above, below = int(_digits(match["numerator"])), int(_digits(match["denominator"]))
    else:
        decimals = match["decimals"] or ""
        above, below = int(_digits(match["whole"]) + decimals), 10 ** len(decimals)
    if below == 0:
        return None
    value = Fraction(above, below)
    if value.numerator >= LIMIT or value.denominator >= LIMIT:
        return None
    return -value if (match["before"] or match["after"]) not in ("", "+", "＋") else value


def canonical_number(text: str) -> str:
    """One spelling for each value, ``29`` or ``-3/4``; a text that is not a number stands for itself, white space around it aside."""
    value = number(text)
    return text.strip() if value is None else str(value)


def same_number(a: str, b: str) -> bool:
    """Equal canonical forms: reflexive, symmetric and transitive on all strings."""
    return canonical_number(a) == canonical_number(b)
