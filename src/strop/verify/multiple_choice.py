"""MC: the probability of "Correct" against "Incorrect" as the next words, without sampling."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from strop.engines.base import Engine
from strop.prompts import verification_prompt
from strop.records import Problem, Prompt, Score
from strop.tasks.base import Task
from strop.verify.base import (
    Candidate,
    Need,
    PromptedVerifier,
    Verdicts,
    VerificationContext,
    count_option_mass,
)

_warned: dict[str | tuple[str, type[Warning], int], int] = {}
TINY_MASS = 0.01
"""Below this mean probability of both options together, the model is asked for the wrong words."""


@dataclass(frozen=True)
class MultipleChoice(PromptedVerifier):
    """P("Correct") / (P("Correct") + P("Incorrect")), each option by its whole token sequence.

    The score is deterministic. It is unparsed only where the model gives neither option a
    probability.
    """

    name: ClassVar[str] = "mc"
    description: ClassVar[str] = (
        'P("Correct") against P("Incorrect") as the next words, each by its whole token sequence'
    )
    default_weight: ClassVar[str] = "quantile:0.7"
    worded: ClassVar[tuple[str, ...]] = ("multiple_choice", "correct", "incorrect", "examples")
    samples_text: ClassVar[bool] = False
    needs: ClassVar[Need] = "score"
    probability: ClassVar[bool] = True

    def prompt(
        self, task: Task, problem: Problem, responses: tuple[str, ...], shots: list[Problem]
    ) -> Prompt:
        return verification_prompt(
            "multiple_choice", task, problem, responses[0], shots, self.wording
        )

    def score(self, candidates: Sequence[Candidate], context: VerificationContext) -> Verdicts:
        return compare_verdicts(self, self.prompts(candidates, context), context.engine)


def compare_verdicts(
    verifier: PromptedVerifier, prompts: Sequence[Prompt], engine: Engine
) -> Verdicts:
    """Score each prompt by the probability of "Correct" against "Incorrect" as its next words."""
    options = (verifier.wording.correct, verifier.wording.incorrect)
    scored = engine.score(prompts, options)
    correct_P = scored.logprobs_PC[:, 0]
    incorrect_P = scored.logprobs_PC[:, 1]
    # p / (p + q) = 1 / (1 + exp(log q - log p)); clipped, since exp(710) overflows.
    with np.errstate(invalid="ignore"):  # both are minus infinity: the difference is NaN
        difference_P = np.clip(incorrect_P - correct_P, -700, 700)
    probability_P = 1 / (1 + np.exp(difference_P))
    scores = []
    for probability in probability_P:
        # A server may know neither option's log-probability: -inf less -inf is NaN.
        if np.isfinite(probability):
            scores.append(Score(float(probability), True))
        else:
            scores.append(Score(0.0, False))
    usage = count_option_mass(scored.usage, np.exp(correct_P) + np.exp(incorrect_P))
    mass = usage.option_mass / usage.options if usage.options else None
    if mass is not None and mass < TINY_MASS:
        _warn_of_mass(verifier.name, options, engine.name)
    return Verdicts(scores, usage, mass)


def _warn_of_mass(verifier: str, options: tuple[str, str], model: str) -> None:
    """Write one line, once per process: the message is the same for every part of a run."""
    warnings.warn_explicit(
        f"{verifier}: {options[0]!r} and {options[1]!r} together have less than {TINY_MASS:.0%} of "
        f"{model}'s probability, so it would have written something else and its scores mean "
        "little; try cot-binary or another wording",
        UserWarning,
        "strop",
        0,
        registry=_warned,
    )
