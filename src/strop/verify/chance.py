"""Random scores: the negative control."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from strop.records import Score, Usage
from strop.verify.base import Candidate, Verdicts, VerificationContext, Verifier


@dataclass(frozen=True)
class Chance(Verifier):
    """A random number between 0 and 1, independent of the response: its expected gap is 0.

    Training on the responses that it keeps shows the effect of training on unfiltered responses.
    A gain under this control is not due to verification.
    """

    name: ClassVar[str] = "chance"
    description: ClassVar[str] = (
        "control: a number drawn by lot, which knows nothing of the response"
    )
    default_weight: ClassVar[str] = "threshold:0.5"
    asks_model: ClassVar[bool] = False
    samples_text: ClassVar[bool] = False
    control: ClassVar[bool] = True

    def score(self, candidates: Sequence[Candidate], context: VerificationContext) -> Verdicts:
        scores = []
        for candidate in candidates:
            # The candidate's own seed: its number does not depend on the batch.
            number = random.Random(candidate.seed).random()
            scores.append(Score(number, True))
        return Verdicts(scores, Usage())
