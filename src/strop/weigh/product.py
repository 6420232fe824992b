"""Ensembles: the product of several verifiers' weights, on scores already stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from strop.weigh.base import Floats, Mask, Weight


@dataclass(frozen=True)
class Product:
    """The AND of filters: a response is kept only if every verifier passes it.

    "Mind the Gap", section 6.3. ``factors`` holds pairs of (verifier's name, weight).
    """

    factors: tuple[tuple[str, Weight], ...]

    @property
    def spec(self) -> str:
        """The text that the user writes: ``mc@quantile:0.7&cot-score@quantile:0.7``."""
        return "&".join(f"{verifier}@{weight.spec}" for verifier, weight in self.factors)

    @property
    def verifiers(self) -> tuple[str, ...]:
        """The verifiers' names, in order."""
        return tuple(verifier for verifier, _ in self.factors)

    def __call__(self, scores: Mapping[str, Floats], mask_PK: Mask) -> Floats:
        """Return weights (P, K) from each verifier's scores (P, K)."""
        weight_PK = mask_PK.astype(float)
        for verifier, weight in self.factors:
            weight_PK = np.multiply(weight_PK, weight(scores[verifier], mask_PK))
        return weight_PK
