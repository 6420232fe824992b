"""The interface of a weight: it decides which responses count, and how much.

A weight function w(û) turns a verifier's scores into weights w >= 0; the reweighted model is f[w]
("Mind the Gap", section 2). Only stored scores are needed: trying another weight costs no model
call.

Axes: P problems, K responses, N scores of all problems. Ragged K is masked: a masked entry weighs 0
and is never read.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Weight(ABC):
    """A weight function. Subclasses are frozen dataclasses with one field, the parameter.

    Other rooms read these class variables; they know no weight by its name:

    - ``description``: what the weight does, as the words behind its notation on the page:
      "keeps scores of at least t".
    - ``rank_based``: a strictly rising transform of the scores leaves the weights unchanged.
    - ``is_filter``: the weight keeps a response or rejects it, so ``kept`` can say which.
    - ``axis``: the label of the parameter as the axis of a curve; None if it cannot be an axis.
    - ``whole_axis``: the parameter takes whole numbers only.
    - ``exclusive``: the scores that it reads are of its own kind (rounds of a tournament), so
      ``sweep_weights`` tries no other weight on them.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    rank_based: ClassVar[bool]
    is_filter: ClassVar[bool] = False
    axis: ClassVar[str | None] = None
    whole_axis: ClassVar[bool] = False
    exclusive: ClassVar[bool] = False

    @classmethod
    def notation(cls) -> str:
        """Return the form of a spec, with the parameter's name: "quantile:q"."""
        return f"{cls.name}:{cls._parameter_name()}"

    @classmethod
    def _parameter_name(cls) -> str:
        first, *_ = fields(cast(Any, cls))
        return first.name

    @property
    def parameter(self) -> float | None:
        """The number after the colon, the value of the first field; None for best-of:K."""
        value: float | None = getattr(self, self._parameter_name())
        return value

    @property
    def spec(self) -> str:
        """The text that the user writes, ``name:parameter``, such as "quantile:0.7"."""
        assert self.parameter is not None
        return f"{self.name}:{_short(self.parameter)}"

    @classmethod
    def read_parameter(cls, text: str) -> float | int | None:
        """Read the text after the colon of a spec. ValueError where it is no number."""
        number = float(text)
        return int(number) if number.is_integer() else number

    @abstractmethod
    def weigh(self, score_PK: Floats, mask_PK: Mask) -> Floats:
        """Return weights (P, K), finite and >= 0.

        An unknown score arrives as -inf. A problem whose weights are all 0 has no survivor; the
        estimators say what that means.
        """

    def __call__(self, score_PK: Floats, mask_PK: Mask) -> Floats:
        """Check the shapes, put NaN scores below all others, and weigh."""
        if score_PK.shape != mask_PK.shape or score_PK.ndim != 2:
            raise ValueError(
                f"scores have shape {score_PK.shape} and the mask {mask_PK.shape}; "
                "expected the same two axes (problems, responses)"
            )
        known_PK = np.where(mask_PK & ~np.isnan(score_PK), score_PK, -np.inf)
        weight_PK = np.where(mask_PK, self.weigh(known_PK, mask_PK), 0.0)
        assert np.isfinite(weight_PK).all()
        assert (weight_PK >= 0).all()
        return weight_PK

    def at(self, count: int) -> tuple[tuple[float, Weight], ...]:
        """Return the same rule at ``count`` responses, as a mixture: pairs of (share, weight).

        gap_inf is extrapolated from it. An empty mixture: the rule has no meaning at this count.
        """
        return ((1.0, self),)

    @classmethod
    def sweep(cls, score_N: Floats) -> list[Weight]:
        """Return the weights of this kind that are worth trying on these known, finite scores."""
        return []

    def applies_to(self, count: int) -> bool:
        """Return whether the weight means the same on the first ``count`` of K scored responses."""
        return bool(self.at(count))

    @property
    def least_responses(self) -> int:
        """The smallest number of responses to a problem at which the weight is defined."""
        return 1

    def advice(self, count: int) -> str:
        """Return what a user can do whose problems have only ``count`` responses."""
        return f"draw {self.least_responses} or more, or ask for another weight"

    @property
    def pointwise_reason(self) -> str | None:
        """Why the weight has no meaning for scores that depend on all responses, if it has none."""
        return None

    def keeps(self, score_PK: Floats, mask_PK: Mask) -> Mask:
        """Return which responses of which problems (P, K) a filter keeps.

        A response with a NaN score is not kept, but it counts among the K that a rank refers to.

        Raises ValueError for a weight that is no filter.
        """
        if not self.is_filter:
            raise ValueError(f"{self.spec} is no filter: it weighs responses and rejects none")
        return np.asarray(self(score_PK, mask_PK) > 0)

    def kept(self, scores: Sequence[float | None]) -> list[bool | None]:
        """Return, for one problem, whether each response is kept.

        None stands for a response without a score, and for all responses if the weight is no
        filter.
        """
        if not (self.is_filter and scores):
            return [None] * len(scores)
        score_1K = np.array([scores], dtype=float)  # None becomes NaN
        kept_K = self.keeps(score_1K, np.ones(score_1K.shape, bool))[0]
        unknown_K = np.isnan(score_1K[0])
        return [
            None if unknown else bool(keep) for keep, unknown in zip(kept_K, unknown_K, strict=True)
        ]


def _short(number: float) -> str:
    """Write a parameter as short as possible, so that it still reads back the same."""
    return str(int(number)) if float(number).is_integer() else repr(float(number))
