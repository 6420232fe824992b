"""MC: is the response correct or incorrect? Read off the model's probabilities, without sampling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from strop.prompts import verification_prompt
from strop.records import Problem, Prompt, Score
from strop.tasks.base import Task
from strop.verify.base import Candidate, PromptedVerifier, Verdicts, VerificationContext


@dataclass(frozen=True)
class MultipleChoice(PromptedVerifier):
    """Score P("Correct") / (P("Correct") + P("Incorrect")), each option by its whole token sequence. Deterministic; always parsed."""

    name: ClassVar[str] = "mc"
    description: ClassVar[str] = (
        'P("Correct") against P("Incorrect") as the next words, each by its whole token sequence'
    )
    default_weight: ClassVar[str] = "quantile:0.7"
    worded: ClassVar[tuple[str, ...]] = ("multiple_choice", "correct", "incorrect", "examples")
    samples_text: ClassVar[bool] = False
    needs: ClassVar[Literal["", "score", "logprob"]] = "score"
    probability: ClassVar[bool] = True

    def prompt(
        self, task: Task, problem: Problem, responses: tuple[str, ...], shots: list[Problem]
    ) -> Prompt:
        return verification_prompt(
            "multiple_choice", task, problem, responses[0], shots, self.wording
        )

    def score(self, candidates: Sequence[Candidate], bench: VerificationContext) -> Verdicts:
        scored = bench.engine.score(
            self.prompts(candidates, bench), (self.wording.correct, self.wording.incorrect)
        )
        difference = np.clip(scored.logprobs_PC[:, 1] - scored.logprobs_PC[:, 0], -700, 700)
        probability = 1 / (1 + np.exp(difference))
        parsed = np.isfinite(probability)
        scores = [
            Score(float(p) if ok else 0.0, bool(ok))
            for p, ok in zip(probability, parsed, strict=True)
        ]
        return Verdicts(scores, scored.usage)
