"""Log-probability of a response under the verifying model, without a question in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strop.prompts import solution_prompt
from strop.records import Score, total_usage
from strop.verify.base import (
    Candidate,
    Need,
    Verdicts,
    VerificationContext,
    Verifier,
    by_problem,
)


@dataclass(frozen=True)
class Likelihood(Verifier):
    """log pi_g(y|x) of the response's text after the solution prompt, under the verifying model g.

    The temperature is 1. Where g is the generator, this is ``logprob`` without the end token,
    computed from the text; the sample's tokens may have been others. With ``--verify-with`` it is a
    self-reward that stays fixed while the generator is trained. The score of a truncated or empty
    response is unknown (NaN).
    """

    name: ClassVar[str] = "likelihood"
    description: ClassVar[str] = "log-probability of the response's text under the verifying model"
    default_weight: ClassVar[str] = "best-of:K"
    samples_text: ClassVar[bool] = False
    needs: ClassVar[Need] = "score"

    def score(self, candidates: Sequence[Candidate], context: VerificationContext) -> Verdicts:
        score_C = np.full(len(candidates), math.nan)
        usages = []
        for indices in by_problem(candidates):
            whole = [index for index in indices if _is_whole(candidates[index])]
            if not whole:
                continue
            # One prompt serves all responses to a problem, so the engine reads it once.
            prompt = solution_prompt(context.task, candidates[whole[0]].problem, context.shots)
            texts = [candidates[index].text for index in whole]
            scored = context.engine.score([prompt], texts)
            score_C[whole] = scored.logprobs_PC[0]
            usages.append(scored.usage)
        # NaN (truncated or empty) counts as parsed: nothing was written that could not be read.
        scores = [Score(float(score), True) for score in score_C]
        return Verdicts(scores, total_usage(usages))


def _is_whole(candidate: Candidate) -> bool:
    """Return True if the response has text and was not cut off before its end."""
    return candidate.finish != "length" and bool(candidate.text)
