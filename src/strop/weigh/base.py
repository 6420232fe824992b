"""Which responses count, how much?

A weight function w(û) turns a verifier's scores into weights w >= 0; the reweighted model is f[w] ("Mind the Gap", section 2). Only
stored scores are needed: trying another weight never touches an engine.

Axes: P problems, K responses. Ragged K is masked: masked entries weigh 0 and are never read.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


def plain(number: float) -> str:
    """A parameter as it is written in a spec: as short as reads back the same."""
    return str(int(number)) if float(number).is_integer() else repr(float(number))


class Weight(ABC):
    """A weight function. Subclasses are frozen dataclasses; ``spec`` gives back the text the user wrote, such as "quantile:0.7"."""

    name: ClassVar[str]
    rank_based: ClassVar[bool]
    """Unchanged by a strictly rising transform of the scores."""

    @property
    @abstractmethod
    def spec(self) -> str:
        """``name:parameter``, as on the command line."""

    @abstractmethod
    def weigh(self, score_PK: Floats, mask_PK: Mask) -> Floats:
        """Weights (P, K), finite and >= 0. A problem whose weights are all 0 has no survivor; the estimators say what that means."""

    def at(self, count: int) -> tuple[tuple[float, Weight], ...]:
        """The same rule at another number of responses, as shares of weights: what gap_inf is extrapolated from. Empty: it has none."""
        return ((1.0, self),)

    def __call__(self, score_PK: Floats, mask_PK: Mask) -> Floats:
        """Check the shapes, put NaN scores below all others, and weigh."""
        if score_PK.shape != mask_PK.shape or score_PK.ndim != 2:
            raise ValueError(
                f"scores have shape {score_PK.shape} and the mask {mask_PK.shape}; expected the same two axes (problems, responses)"
            )
        known = np.where(mask_PK & ~np.isnan(score_PK), score_PK, -np.inf)
        weight_PK = np.where(mask_PK, self.weigh(known, mask_PK), 0.0)
        assert np.isfinite(weight_PK).all() and (weight_PK >= 0).all()
        return weight_PK
