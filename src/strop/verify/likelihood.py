"""Log-probability under the model that is asked: what one model thinks of another's responses, without a question in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from strop.prompts import solution_prompt
from strop.records import Score, total_usage
from strop.verify.base import Candidate, Verdicts, VerificationContext, Verifier, by_problem


@dataclass(frozen=True)
class Likelihood(Verifier):
    """log pi_g(y|x) of the response's text after the solution prompt, under the verifying model g at temperature 1.

    Where g is the generator this is ``logprob`` without the end token, and from the text where the sample's own tokens may have been
    others. With ``--verify-with`` it is the self-reward that stays fixed while the generator is trained. Truncated or empty: unknown.
    """

    name: ClassVar[str] = "likelihood"
    description: ClassVar[str] = "log-probability of the response's text under the verifying model"
    default_weight: ClassVar[str] = "best-of:K"
    samples_text: ClassVar[bool] = False
    needs: ClassVar[Literal["", "score", "logprob"]] = "score"

    def score(self, candidates: Sequence[Candidate], bench: VerificationContext) -> Verdicts:
        score_C, usages = np.full(len(candidates), math.nan), []
        for places in by_problem(candidates):
            whole = [
                place
                for place in places
                if candidates[place].finish != "length" and candidates[place].text
            ]
            if not whole:
                continue
            prompt = solution_prompt(bench.task, candidates[whole[0]].problem, bench.shots)
            scored = bench.engine.score([prompt], [candidates[place].text for place in whole])
            score_C[whole] = scored.logprobs_PC[0]
            usages.append(scored.usage)
        return Verdicts([Score(float(score), True) for score in score_C], total_usage(usages))
