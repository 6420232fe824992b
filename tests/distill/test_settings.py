"""Hyper-parameters are checked when a trainer is made, by limits that stand with their fields."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from strop.distill import Rpo, Sft, Xpo
from strop.distill.settings import at_least
from strop.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Sharp(Sft):
    """A trainer with a field of its own that has a limit, and one that has none."""

    name = "sharp"
    edge: float = at_least(1, default=2.0)
    tilt: float = 0.0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Sft(learning_rate=-1), "sft: learning_rate is -1; expected a finite number"),
        (lambda: Sft(learning_rate=math.nan), "sft: learning_rate is nan"),
        (lambda: Sft(learning_rate="fast"), "sft: learning_rate is 'fast'"),  # type: ignore[arg-type]
        (lambda: Sft(max_length=1), "sft: max_length is 1; expected a finite number, at least 2"),
        (lambda: Sft(base_kl=-1), "sft: base_kl is -1; expected a finite number, at least 0"),
        (
            lambda: Sft(batch_size=6, gradient_accumulation=4),
            "batch_size 6 cannot be cut into 4 equal parts",
        ),
        (
            lambda: Sft(schedule="sometimes"),  # type: ignore[arg-type]
            "schedule is 'sometimes'; expected one of linear, cosine, constant",
        ),
        (lambda: Rpo(beta=-0.1), "rpo: beta is -0.1"),
        (lambda: Xpo(alpha=-0.1), "xpo: alpha is -0.1"),
        (lambda: Sharp(edge=0.5), "sharp: edge is 0.5; expected a finite number, at least 1"),
        (lambda: Sharp(tilt=math.inf), "sharp: tilt is inf; expected a finite number"),
    ],
)
def test_bad_settings_are_one_clear_line(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()


def test_none_stands_where_it_is_the_default() -> None:
    assert Sft(steps=None, max_length=None) == Sft()
    with pytest.raises(UsageError, match="batch_size is None"):
        Sft(batch_size=None)  # type: ignore[arg-type]
