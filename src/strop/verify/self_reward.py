"""Self-rewards: what sampling itself left says how good a response is ("Sharpening", section 2). No model is asked, nothing is spent."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from strop.records import Score, Usage
from strop.verify.base import Candidate, Verdicts, VerificationContext, Verifier, by_problem


def selectable_logprob(item: Candidate) -> float:
    """The response's log-probability; NaN, and so never selected, where it was cut off before its end or nobody knows it."""
    return math.nan if item.finish == "length" else item.logprob


@dataclass(frozen=True)
class LogProbability(Verifier):
    """log pi(y|x), summed over the response's tokens, at temperature 1 under the model that drew it: maximum-likelihood sharpening."""

    name: ClassVar[str] = "logprob"
    description: ClassVar[str] = (
        "log-probability of the response under the model that drew it, at temperature 1"
    )
    default_weight: ClassVar[str] = "best-of:K"
    asks_model: ClassVar[bool] = False
    samples_text: ClassVar[bool] = False
    needs: ClassVar[Literal["", "score", "logprob"]] = "logprob"

    def score(self, candidates: Sequence[Candidate], bench: VerificationContext) -> Verdicts:
        return Verdicts([Score(selectable_logprob(item), True) for item in candidates], Usage())


@dataclass(frozen=True)
class LogProbabilityPerToken(Verifier):
    """log pi(y|x) / (number of response tokens), the token that ended it among them."""

    name: ClassVar[str] = "logprob-per-token"
    description: ClassVar[str] = "log-probability of the response, divided by its number of tokens"
    default_weight: ClassVar[str] = "best-of:K"
    asks_model: ClassVar[bool] = False
    samples_text: ClassVar[bool] = False
    needs: ClassVar[Literal["", "score", "logprob"]] = "logprob"

    def score(self, candidates: Sequence[Candidate], bench: VerificationContext) -> Verdicts:
        rewards = [
            selectable_logprob(item) / item.tokens if item.tokens else math.nan
            for item in candidates
        ]
        return Verdicts([Score(reward, True) for reward in rewards], Usage())


@dataclass(frozen=True)
class Majority(Verifier):
    """Self-consistency: the share of the problem's K samples that give the same extracted answer.

    Without an answer there is no vote: such a response scores 0 and counts as unparsed, but it is one of the K.
    """

    name: ClassVar[str] = "majority"
    description: ClassVar[str] = "share of a problem's samples that give the same answer"
    default_weight: ClassVar[str] = "best-of:K"
    pointwise: ClassVar[bool] = False
    asks_model: ClassVar[bool] = False
    samples_text: ClassVar[bool] = False

    def score(self, candidates: Sequence[Candidate], bench: VerificationContext) -> Verdicts:
        scores = [Score(0.0, False)] * len(candidates)
        for places in by_problem(candidates):
            votes = Counter(candidates[place].answer for place in places)
            for place in places:
                if (answer := candidates[place].answer) is not None:
                    scores[place] = Score(votes[answer] / len(places), True)
        return Verdicts(scores, Usage())
