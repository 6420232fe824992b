"""SFT's weights: only their ratios matter."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("trl")

from strop.distill import Sft, Weighted


def test_a_repeated_row_weighs_as_much_as_a_doubled_weight() -> None:
    """Only ratios matter, and the divisor makes the loss a number per token."""
    rows = [Weighted("p", "Q", (1, 2)), Weighted("p", "Q", (1, 2, 3, 4), 3.0)]
    numbers = Sft().numbers(rows)
    assert numbers[1] == 3 * numbers[0]
    assert Sft().numbers(
        [Weighted("p", "Q", row.token_ids, 10 * row.weight) for row in rows]
    ) == pytest.approx(numbers)
    assert sum(
        number * len(row.token_ids) for number, row in zip(numbers, rows, strict=True)
    ) / 2 == pytest.approx(1)
