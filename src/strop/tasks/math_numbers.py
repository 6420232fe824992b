r"""Numbers in TeX: their exact values, and one spelling for each value.

``0.5``, ``.50``, ``2/4`` and ``\frac{2}{4}`` are all ``\frac{1}{2}``.
"""

from __future__ import annotations

import re
from fractions import Fraction

MAX_DIGITS = 100

_DIGITS = re.compile(r"\d+")
_FRACTION = re.compile(
    r"(?P<sign>[+-]?)(?:(?P<whole>\d+)(?: (?=\d+/)|(?=\\)))?"
    r"(?:\\frac\{(?P<above>[+-]?\d+)\}\{(?P<below>[+-]?\d+)\}"
    r"|(?P<plain_above>\d+)/(?P<plain_below>\d+))",
    re.ASCII,
)
_DECIMAL = re.compile(
    r"(?P<sign>[+-]?)(?=\.?\d)(?P<whole>\d*)"
    r"(?:\.(?P<decimals>\d*)(?:\\overline\{(?P<period>\d+)\})?)?",
    re.ASCII,
)


def value_of(text: str) -> Fraction | None:
    """Return the value of an integer, a decimal (also periodic), a fraction or a mixed number.

    Return None for anything else, and for numbers of more than MAX_DIGITS digits.
    """
    if len(text) > 4 * MAX_DIGITS:
        return None
    if any(len(digits) > MAX_DIGITS for digits in _DIGITS.findall(text)):
        return None
    fraction = _FRACTION.fullmatch(text)
    if fraction:
        return _fraction_value(fraction)
    decimal = _DECIMAL.fullmatch(text)
    return _decimal_value(decimal) if decimal else None


def _fraction_value(match: re.Match[str]) -> Fraction | None:
    above = int(match["above"] or match["plain_above"])
    below = int(match["below"] or match["plain_below"])
    if below == 0:
        return None
    value = Fraction(above, below)
    if match["whole"] is not None:
        if above < 0 or below < 0:  # a sign inside a mixed number has no meaning
            return None
        value += int(match["whole"])
    return -value if match["sign"] == "-" else value


def _decimal_value(match: re.Match[str]) -> Fraction:
    decimals = match["decimals"] or ""
    scale = 10 ** len(decimals)
    value = Fraction(int(match["whole"] + decimals or "0"), scale)
    if match["period"]:
        # A period of n digits stands for digits / (10^n - 1), behind the other decimals.
        value += Fraction(int(match["period"]), (10 ** len(match["period"]) - 1) * scale)
    return -value if match["sign"] == "-" else value


def spell(value: Fraction) -> str:
    r"""Return ``7``, or ``-\frac{3}{4}`` in lowest terms."""
    if value.denominator == 1:
        return str(value.numerator)
    sign = "-" if value < 0 else ""
    return rf"{sign}\frac{{{abs(value.numerator)}}}{{{value.denominator}}}"
