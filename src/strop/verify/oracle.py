"""The oracle: the skyline that no verifier without references can pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from strop.records import Score, Usage
from strop.verify.base import Candidate, Verdicts, VerificationContext, Verifier


@dataclass(frozen=True)
class Oracle(Verifier):
    """The utility u(x, y) itself, strictly graded. The only verifier that is told what is right."""

    name: ClassVar[str] = "oracle"
    description: ClassVar[str] = "the references themselves: how much a perfect verifier would gain"
    default_weight: ClassVar[str] = "threshold:0.5"
    asks_model: ClassVar[bool] = False
    samples_text: ClassVar[bool] = False
    sees_references: ClassVar[bool] = True
    control: ClassVar[bool] = True

    def score(self, candidates: Sequence[Candidate], bench: VerificationContext) -> Verdicts:
        utilities = [item.utility for item in candidates if item.utility is not None]
        assert len(utilities) == len(candidates), "the oracle was not told the utilities"
        return Verdicts([Score(utility, True) for utility in utilities], Usage())
