"""Rows that trainers learn from: a prompt and one or two sampled responses.

Rows are plain data. The prompt is the exact text that the engine sent, with its tokens, and
responses are the exact tokens that were sampled, so training tokenizes nothing differently. A row
holds no reference, so no reference can leak into training.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from strop.errors import UsageError

Ids = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Row(ABC):
    """The part that all rows share: the id of the problem, and the prompt that the engine sent.

    ``prompt_ids``: the prompt's tokens as the engine sent them; if there are none, the text is
    tokenized. They are no part of the repr, by which a stored fit is recognised: they follow from
    the text and the model.
    """

    problem: str
    prompt: str
    prompt_ids: Ids = field(default=(), kw_only=True, repr=False)

    @property
    @abstractmethod
    def responses(self) -> tuple[Ids, ...]:
        """The tokens of each response as sampled, with the token that ended it."""

    def _check_text(self) -> None:
        """Raise UsageError for an empty prompt or response."""
        for part, missing in (
            ("prompt", not self.prompt),
            ("response", not all(self.responses)),
        ):
            if missing:
                raise UsageError(
                    f"problem {self.problem}: a row has an empty {part}; expected what was sampled"
                )


@dataclass(frozen=True, slots=True)
class Weighted(Row):
    """One response and its weight under f[w], at least 0. Only the ratios of weights matter."""

    token_ids: Ids
    weight: float = 1.0

    def __post_init__(self) -> None:
        self._check_text()
        if not (math.isfinite(self.weight) and self.weight >= 0):
            raise UsageError(
                f"problem {self.problem}: the weight is {self.weight}; "
                "expected a finite number, at least 0"
            )

    @property
    def responses(self) -> tuple[Ids, ...]:
        return (self.token_ids,)


@dataclass(frozen=True, slots=True)
class Preference(Row):
    """A kept and a rejected response to one problem."""

    kept: Ids
    rejected: Ids

    def __post_init__(self) -> None:
        self._check_text()

    @property
    def responses(self) -> tuple[Ids, ...]:
        return (self.kept, self.rejected)


@dataclass(frozen=True, slots=True)
class Comparison(Row):
    """Two responses to one problem, and r(first) - r(second), the difference of their rewards."""

    first: Ids
    second: Ids
    difference: float

    def __post_init__(self) -> None:
        self._check_text()
        if not math.isfinite(self.difference):
            raise UsageError(
                f"problem {self.problem}: the difference of rewards is {self.difference}; "
                "expected a finite number"
            )

    @property
    def responses(self) -> tuple[Ids, ...]:
        return (self.first, self.second)
