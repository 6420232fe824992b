"""The control that knows nothing: a score drawn by lot."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from strop.records import Score, Usage
from strop.verify.base import Candidate, Verdicts, VerificationContext, Verifier


@dataclass(frozen=True)
class Chance(Verifier):
    """A number between 0 and 1 that has nothing to do with the response: its gap is 0 but for chance.

    Training on what it keeps shows what training alone does, on unfiltered responses: whatever comes of that is not verification.
    """

    name: ClassVar[str] = "chance"
    description: ClassVar[str] = (
        "control: a number drawn by lot, which knows nothing of the response"
    )
    default_weight: ClassVar[str] = "threshold:0.5"
    asks_model: ClassVar[bool] = False
    samples_text: ClassVar[bool] = False
    control: ClassVar[bool] = True

    def score(self, candidates: Sequence[Candidate], bench: VerificationContext) -> Verdicts:
        return Verdicts(
            [Score(random.Random(item.seed).random(), True) for item in candidates], Usage()
        )
