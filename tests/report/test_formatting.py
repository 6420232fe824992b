"""Numbers and texts in words: dashes, signs, true minus, visible characters."""

from __future__ import annotations

import pytest

from strop.report.formatting import decimal, interval, number, points, sign_of, span, visible
from tests.report.made_up import estimate


def test_zero_has_no_sign() -> None:
    assert (
        number(estimate(-0.0001), "+") == "0.0"
        and interval({"low": -0.0001, "high": 0.0}) == "[0.0, 0.0]"
    )


def test_the_unknown_is_a_dash() -> None:
    assert number({"value": float("nan")}) == number(None) == points(None) == "–"
    assert interval({"value": 0.1, "low": None, "high": None}) == ""


def test_decimals_have_a_true_minus_and_separators() -> None:
    assert decimal(-1234.56) == "−1,234.6" and decimal(2, 2, "+") == "+2.00"
    assert decimal(-0.001, 2, "+") == "0.00"
    assert span({"low": -0.5, "high": 1.25}, digits=2) == "[−0.50, 1.25]"


def test_points_do_not_break() -> None:
    assert points(estimate(0.05)) == "+5.0\u00a0points\u00a0[1.0,\u00a09.0]"


@pytest.mark.parametrize(("value", "sign"), [(0.1, 1), (-0.1, -1), (0.01, 0)])
def test_the_side_of_zero(value: float, sign: int) -> None:
    assert sign_of(estimate(value)) == sign and sign_of({"value": value}) == 0


def test_hidden_characters_become_visible() -> None:
    assert visible("a\tb\n\x1b\u202e") == "a\tb\n⟨U+001B⟩⟨U+202E⟩"
