"""Seeds: the same everywhere, and different for different parts."""

from __future__ import annotations

from strop.seeds import derive, fraction


def test_seeds_are_the_same_on_every_machine() -> None:
    assert derive(0, "responses", "p1", 3) == 7_604_710_573_416_315_200
    assert fraction(1, "b") == derive(1, "b") / 2**64


def test_parts_are_kept_apart() -> None:
    parts = [("a", "bc"), ("ab", "c"), ("abc",), ("bc", "a")]
    assert len({derive(*part) for part in parts}) == len(parts)


def test_fractions_are_spread_evenly() -> None:
    fractions = [fraction("problem", number) for number in range(2_000)]
    assert all(0 <= value < 1 for value in fractions)
    assert abs(sum(fractions) / len(fractions) - 0.5) < 0.03
