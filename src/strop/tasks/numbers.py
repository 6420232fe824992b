"""Written numbers: their exact values, and one spelling for each value.

Everything here reads one written number exactly: no floats, no rounding. Units do not count, so
``50%`` is 50 and ``$5`` is 5.

Numbers are: ``1,200``, ``1200,000`` (every group after a comma has three digits), ``1,00,000``
(Indian grouping), ``1{,}200`` (LaTeX), groups separated by a no-break or thin space, ``+5``,
``-$5``, ``$-5``, ``29.00``, ``.5``, ``5.``, ``3/4``, digits of other scripts.

Not numbers are: ``1,2`` and ``1,23,4`` (wrong grouping: it could be a list or a decimal comma),
``1.2.3``, ``1/2/2020``, ``5/0``, ``1e5``, mixed numbers such as ``1 1/2``, words, and anything with
a numerator or denominator of more than 100 digits.
"""

from __future__ import annotations

import re
from fractions import Fraction

LIMIT = 10**100
MAX_WRITTEN = 400
"""The most characters of a written number."""

MINUS = r"\-−﹣－‐‑‒–"
_SIGN = rf"[+＋{MINUS}]"
_CURRENCY = r"\\?[$＄€£¥₹]"
_SPACES = "\u00a0\u2009\u202f"
_WHOLE = (
    r"(?:\d{1,2}(?:,\d\d)+,\d{3}"  # Indian grouping
    rf"|\d+(?:(?:,\d{{3}})+|(?:\{{,\}}\d{{3}})+|(?:[{_SPACES}]\d{{3}})+)?)"
)
# The sign stands before or after the currency, but not in both places (``number`` checks this).
_WRITTEN = re.compile(
    rf"(?P<before>{_SIGN}?)(?:{_CURRENCY})?(?P<after>{_SIGN}?)(?=\.?\d)"
    rf"(?:(?P<numerator>{_WHOLE})/(?P<denominator>{_WHOLE})"
    rf"|(?P<whole>{_WHOLE})?(?:\.(?P<decimals>\d+))?)"
    rf"\s?(?:\\?[%％]|{_CURRENCY})?\.?"
)

# Digits and the signs that may join them: one number or none, as ``number`` decides. The pattern
# never fails after it has begun to match, so that a search with it takes linear time.
RUN = rf"(?:(?<!\.)\.(?=\d))?\d(?:[\d.,/]|\{{,\}}\d|[{_SPACES}]\d{{3}}(?!\d))*"
# In running text a hyphen after a word, a digit or a closing bracket joins or subtracts: no sign.
_LONE = rf"(?<![\w)\]}}}}]){_SIGN}"
IN_TEXT = rf"(?:{_CURRENCY}{_LONE}|{_LONE}{_CURRENCY}|{_LONE}|{_CURRENCY})?{RUN}"


def number(text: str) -> Fraction | None:
    """Return the exact value of a written number (stripped), or None if it is not one."""
    text = text.strip()
    match = _WRITTEN.fullmatch(text) if len(text) <= MAX_WRITTEN else None
    if match is None or (match["before"] and match["after"]):
        return None
    if match["numerator"]:
        numerator = int(_digits(match["numerator"]))
        denominator = int(_digits(match["denominator"]))
    else:
        decimals = match["decimals"] or ""
        numerator = int(_digits(match["whole"]) + decimals)
        denominator = 10 ** len(decimals)
    if denominator == 0:
        return None
    value = Fraction(numerator, denominator)
    if value.numerator >= LIMIT or value.denominator >= LIMIT:
        return None
    sign = match["before"] or match["after"]
    return value if sign in ("", "+", "＋") else -value


def _digits(written: str | None) -> str:
    return re.sub(r"\D", "", written or "")


def canonical_number(text: str) -> str:
    """Return one spelling for each value, ``29`` or ``-3/4``; other texts are only stripped."""
    value = number(text)
    return text.strip() if value is None else str(value)
