"""Written numbers: exact values, one canonical form, and equality by value."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strop.tasks.numbers import MAX_WRITTEN, canonical_number, number


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("29", 29),
        ("29.00", 29),
        ("029", 29),
        ("29.", 29),
        (" 29 ", 29),
        ("-7", -7),
        ("−7", -7),
        ("–7", -7),
        ("－７", -7),
        ("+7", 7),
        ("1,200", 1200),
        ("1200,000", 1200000),
        ("1,00,000", 100000),
        ("12,34,567.5", Fraction("1234567.5")),
        ("1{,}200", 1200),
        ("1\u202f200", 1200),
        ("1\u00a0200\u00a0300", 1200300),
        ("$1,200.", 1200),
        ("-$5", -5),
        ("$-5", -5),
        (r"\$5", 5),
        ("5 €", 5),
        ("50%", 50),
        (r"12.5\%", Fraction(25, 2)),
        (".5", Fraction(1, 2)),
        ("-.5", Fraction(-1, 2)),
        ("3/4", Fraction(3, 4)),
        ("-6/8", Fraction(-3, 4)),
        ("1,000/4", 250),
        ("٤٢", 42),
        ("-0", 0),
        ("0.10", Fraction(1, 10)),
        ("9" * 100, 10**100 - 1),
        ("1,2", None),
        ("1,23,4", None),
        ("1,2345", None),
        ("1,234,56", None),
        ("1.2.3", None),
        ("1/2/3", None),
        ("5/0", None),
        ("1e5", None),
        ("1 1/2", None),
        ("1 200", None),
        ("-$-5", None),
        ("--5", None),
        ("- 5", None),
        ("", None),
        (".", None),
        ("...", None),
        (",,", None),
        ("$", None),
        ("%", None),
        ("-", None),
        ("/", None),
        ("1/", None),
        ("/2", None),
        ("5..", None),
        ("twelve", None),
        ("²", None),
        ("½", None),
        ("0x10", None),
        ("nan", None),
        ("9" * 101, None),
        ("0." + "0" * 98 + "1", Fraction(1, 10**99)),
        ("1" * 1_000_000, None),
        ("0" * (MAX_WRITTEN + 1), None),
        ("." + "1" * 101, None),
        ("1/" + "9" * 101, None),
    ],
)
def test_a_written_number_has_its_exact_value_or_none(
    text: str, expected: Fraction | int | None
) -> None:
    assert number(text) == expected


@given(st.text(max_size=100))
def test_the_canonical_form_is_idempotent(text: str) -> None:
    assert canonical_number(canonical_number(text)) == canonical_number(text)


def same_number(a: str, b: str) -> bool:
    return canonical_number(a) == canonical_number(b)


def spellings(drawn: tuple[int, int]) -> list[str]:
    n, zeros = drawn
    sign, size = "-" if n < 0 else "", abs(n)
    return [
        f"{n}",
        f"{n:,}",
        f"{n}.{'0' * zeros}",
        f" {sign}${size:,}. ",
        f"{n}%",
        f"{sign.replace('-', '−')}{size}",
        f"{2 * n}/2",
        f"{sign}00{size}",
    ]


@given(st.tuples(st.integers(-(10**12), 10**12), st.integers(1, 9)))
def test_every_spelling_of_a_number_is_the_same_number(drawn: tuple[int, int]) -> None:
    for a in spellings(drawn):
        assert canonical_number(a) == str(drawn[0]) and not same_number(a, str(drawn[0] + 1))


WRITTEN = st.sampled_from(
    [
        *spellings((1, 1)),
        *spellings((-1200, 2)),
        "1,2",
        " 1,2",
        "12",
        "1.2",
        "6/5",
        "1.20",
        "",
        " ",
        "x",
        "X",
        "5/0",
        "0",
        "-0",
        "1/1",
        "9" * 101,
    ]
) | st.text("0123456789.,/-−$% ", max_size=6)


@given(WRITTEN, WRITTEN, WRITTEN)
def test_same_number_is_an_equivalence(a: str, b: str, c: str) -> None:
    assert same_number(a, a) and same_number(a, b) == same_number(b, a)
    assert not (same_number(a, b) and same_number(b, c)) or same_number(a, c)
    if number(a) is None or number(b) is None:
        assert same_number(a, b) == (a.strip() == b.strip())
    else:
        assert same_number(a, b) == (number(a) == number(b))
