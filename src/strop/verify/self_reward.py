"""Self-rewards: scores from what sampling left behind ("Sharpening", section 2).

No model is asked, and nothing is spent.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from strop.records import Score, Usage
from strop.verify.base import (
    Candidate,
    Need,
    Verdicts,
    VerificationContext,
    Verifier,
    by_problem,
)


def selectable_logprob(candidate: Candidate) -> float:
    """Return the response's log-probability, NaN where it was truncated or is unknown.

    A response with NaN is never selected. The sum of a truncated response has too few terms, so it
    would look too likely.
    """
    if candidate.finish == "length":
        return math.nan
    return candidate.logprob


@dataclass(frozen=True)
class LogProbability(Verifier):
    """log pi(y|x): maximum-likelihood sharpening.

    The sum over the response's tokens at temperature 1, under the model that drew it.
    """

    name: ClassVar[str] = "logprob"
    description: ClassVar[str] = (
        "log-probability of the response under the model that drew it, at temperature 1"
    )
    default_weight: ClassVar[str] = "best-of:K"
    asks_model: ClassVar[bool] = False
    samples_text: ClassVar[bool] = False
    needs: ClassVar[Need] = "logprob"

    def score(self, candidates: Sequence[Candidate], context: VerificationContext) -> Verdicts:
        scores = [Score(selectable_logprob(candidate), True) for candidate in candidates]
        return Verdicts(scores, Usage())


@dataclass(frozen=True)
class LogProbabilityPerToken(Verifier):
    """log pi(y|x) / (number of response tokens), including the token that ended it."""

    name: ClassVar[str] = "logprob-per-token"
    description: ClassVar[str] = "log-probability of the response, divided by its number of tokens"
    default_weight: ClassVar[str] = "best-of:K"
    asks_model: ClassVar[bool] = False
    samples_text: ClassVar[bool] = False
    needs: ClassVar[Need] = "logprob"

    def score(self, candidates: Sequence[Candidate], context: VerificationContext) -> Verdicts:
        scores = []
        for candidate in candidates:
            # Without a token there is no mean: the reward is unknown.
            reward = math.nan
            if candidate.tokens:
                reward = selectable_logprob(candidate) / candidate.tokens
            scores.append(Score(reward, True))
        return Verdicts(scores, Usage())


@dataclass(frozen=True)
class Majority(Verifier):
    """Self-consistency: the share of the problem's K samples that give the same extracted answer.

    A response without an answer has no vote: it scores 0 and counts as unparsed, but it is one of
    the K.
    """

    name: ClassVar[str] = "majority"
    description: ClassVar[str] = "share of a problem's samples that give the same answer"
    default_weight: ClassVar[str] = "best-of:K"
    pointwise: ClassVar[bool] = False
    asks_model: ClassVar[bool] = False
    samples_text: ClassVar[bool] = False

    def score(self, candidates: Sequence[Candidate], context: VerificationContext) -> Verdicts:
        scores = [Score(0.0, False)] * len(candidates)
        for indices in by_problem(candidates):
            # None is counted too, but no response scores by it.
            votes = Counter(candidates[index].answer for index in indices)
            for index in indices:
                answer = candidates[index].answer
                if answer is not None:
                    scores[index] = Score(votes[answer] / len(indices), True)
        return Verdicts(scores, Usage())
