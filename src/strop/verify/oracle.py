"""The oracle: the upper bound for every verifier that does not see the references."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from strop.records import Score, Usage
from strop.verify.base import Candidate, Verdicts, VerificationContext, Verifier


@dataclass(frozen=True)
class Oracle(Verifier):
    """The utility u(x, y), strictly graded. The only verifier that depends on the references."""

    name: ClassVar[str] = "oracle"
    description: ClassVar[str] = "the references themselves: how much a perfect verifier would gain"
    default_weight: ClassVar[str] = "threshold:0.5"
    asks_model: ClassVar[bool] = False
    samples_text: ClassVar[bool] = False
    sees_references: ClassVar[bool] = True
    control: ClassVar[bool] = True

    def score(self, candidates: Sequence[Candidate], context: VerificationContext) -> Verdicts:
        scores = []
        for candidate in candidates:
            assert candidate.utility is not None, "the oracle did not receive the utilities"
            scores.append(Score(candidate.utility, True))
        return Verdicts(scores, Usage())
