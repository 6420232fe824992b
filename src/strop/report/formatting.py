"""Numbers and texts in words, for the terminal and for the page.

Rates and gaps arrive as fractions and leave as per cent or percentage points with one decimal.
An unknown number is a dash, never zero.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from strop.records import interval_sign

Document = dict[str, Any]
"""A JSON document of the command line's contract, or a part of one."""
EstimateJson = Mapping[str, Any]
"""An estimate in JSON: value, low and high, or a null value with its reason ("why")."""

DASH = "–"

# Characters that could steer a terminal or disguise a text: controls (but tab and newline stay),
# zero-width characters, marks that change the direction of text, line separators, byte order marks.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
)


def visible(text: str) -> str:
    """Make control, zero-width and direction characters visible: escape becomes ⟨U+001B⟩."""
    return _HIDDEN.sub(lambda match: f"⟨U+{ord(match.group()):04X}⟩", text)


def clean(value: Any) -> Any:
    """Return a JSON value with ``visible`` applied to every text in it, keys included."""
    # Texts first: a string is a sequence too.
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, Mapping):
        return {visible(str(key)): clean(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [clean(item) for item in value]
    return value


def capital(text: str) -> str:
    """Return the text with its first letter in upper case and the rest unchanged."""
    return text[:1].upper() + text[1:]


def counted(count: int, singular: str, plural: str) -> str:
    """Return "1 row" or "2,000 rows"."""
    noun = singular if count == 1 else plural
    return f"{count:,} {noun}"


def known(estimate: EstimateJson | None, key: str) -> float | None:
    """Return one field of an estimate as a finite float, or None."""
    value = (estimate or {}).get(key)
    if value is None or not math.isfinite(value):
        return None
    return float(value)


def sign_of(estimate: EstimateJson | None) -> int:
    """Return 1 if the whole interval lies above zero, -1 if below, and 0 otherwise.

    It is 0 too where there is no interval.
    """
    low = known(estimate, "low")
    high = known(estimate, "high")
    return interval_sign(low, high)


def decimal(value: float, digits: int = 1, sign: str = "") -> str:
    """Return a number with a true minus; zero has no sign. ``sign`` "+" also marks a rise."""
    text = format(value, f"{sign},.{digits}f")
    # Decided after rounding: −0.04 is 0.0 to one digit.
    if not float(text.replace(",", "")):
        return format(0.0, f".{digits}f")
    return text.replace("-", "−")


def number(estimate: EstimateJson | None, sign: str = "") -> str:
    """Return an estimate's value as per cent, "41.2", or a dash where it is undefined."""
    value = known(estimate, "value")
    if value is None:
        return DASH
    return decimal(100 * value, sign=sign)


def interval(estimate: EstimateJson | None) -> str:
    """Return an estimate's interval as per cent, "[36.0, 46.4]", or "" where there is none."""
    return span(estimate, scale=100.0)


def span(estimate: EstimateJson | None, scale: float = 1.0, digits: int = 1) -> str:
    """Return the interval multiplied by ``scale``, or "" where there is none."""
    low = known(estimate, "low")
    high = known(estimate, "high")
    if low is None or high is None:
        return ""
    low_text = decimal(scale * low, digits)
    high_text = decimal(scale * high, digits)
    return f"[{low_text}, {high_text}]"


def with_interval(estimate: EstimateJson | None, sign: str = "") -> str:
    """Return "41.2 [36.0, 46.4]", or the value alone where there is no interval."""
    value = number(estimate, sign)
    ends = interval(estimate)
    return f"{value} {ends}".strip()


def points(estimate: EstimateJson | None) -> str:
    """Return "+5.0 points [1.0, 9.0]" with spaces that do not break, or a dash."""
    if known(estimate, "value") is None:
        return DASH
    value = number(estimate, "+")
    ends = interval(estimate)
    text = f"{value} points {ends}".strip()
    return text.replace(" ", "\u00a0")


def models(document: Mapping[str, Any]) -> str:
    """Return the generator's name, and the verifying model's where it is another one."""
    generator = document["model"]
    verifier = document.get("verifier_model")
    if verifier in (None, generator):
        return str(generator)
    return f"{generator} verified by {verifier}"


def run_title(document: Mapping[str, Any]) -> str:
    """Return the title of a run: its task and models."""
    return visible(f"{document['task']} · {models(document)}")
