"""CoT-binary and CoT-score: the model checks a response in writing and ends in a verdict or score.

One verification is sampled per response and draw. A verification that cannot be read scores 0,
below every real score, and is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from strop.engines.base import Generation, Request
from strop.prompts import verification_prompt
from strop.records import Problem, Prompt, Score
from strop.tasks.base import Task
from strop.verify.base import Candidate, PromptedVerifier, Verdicts, VerificationContext
from strop.verify.parse_verdict import read_score, read_verdict

UNREADABLE = 0.0
"""The score of a verification that cannot be read."""


def draw_checks(
    prompts: Sequence[Prompt], candidates: Sequence[Candidate], context: VerificationContext
) -> Generation:
    """Sample one written check of each candidate, by its question."""
    requests = []
    for prompt, candidate in zip(prompts, candidates, strict=True):
        # The seed belongs to the candidate, so its check does not depend on the batch.
        requests.append(Request(prompt, (candidate.seed,)))
    return context.engine.draw(requests, context.sampling)


def judge_in_writing(
    verifier: PromptedVerifier,
    candidates: Sequence[Candidate],
    context: VerificationContext,
    read: Callable[[str], Score],
) -> Verdicts:
    """Sample one written check of each candidate, and read the score that it ends in.

    ``read`` turns the text of a check into a score.
    """
    generation = draw_checks(verifier.prompts(candidates, context), candidates, context)
    checks = [samples[0] for samples in generation.samples]
    scores = [read(check.text) for check in checks]
    cut = 0
    for check, score in zip(checks, scores, strict=True):
        cut += check.finish == "length" and not score.parsed
    return Verdicts(scores, replace(generation.usage, cut=cut))


@dataclass(frozen=True)
class ChainOfThoughtBinary(PromptedVerifier):
    """1 for a verdict of Correct, 0 for Incorrect."""

    name: ClassVar[str] = "cot-binary"
    description: ClassVar[str] = "a written check that ends in a verdict: 1 correct, 0 incorrect"
    default_weight: ClassVar[str] = "threshold:0.5"
    worded: ClassVar[tuple[str, ...]] = ("binary", "verdict", "correct", "incorrect", "examples")
    probability: ClassVar[bool] = True

    def prompt(
        self, task: Task, problem: Problem, responses: tuple[str, ...], shots: list[Problem]
    ) -> Prompt:
        return verification_prompt("binary", task, problem, responses[0], shots, self.wording)

    def score(self, candidates: Sequence[Candidate], context: VerificationContext) -> Verdicts:
        return judge_in_writing(self, candidates, context, self.read)

    def read(self, text: str) -> Score:
        """Return the verdict that a check ends in; the last one counts."""
        verdict = read_verdict(text, self.wording)
        if verdict is None:
            return Score(UNREADABLE, False, text)
        return Score(float(verdict), True, text)


@dataclass(frozen=True)
class ChainOfThoughtScore(PromptedVerifier):
    """The score from 1 to 10 that the check ends in; a number outside that range is unreadable."""

    name: ClassVar[str] = "cot-score"
    description: ClassVar[str] = "a written check that ends in a score from 1 to 10"
    default_weight: ClassVar[str] = "quantile:0.7"
    worded: ClassVar[tuple[str, ...]] = ("score", "score_line", "examples")

    def prompt(
        self, task: Task, problem: Problem, responses: tuple[str, ...], shots: list[Problem]
    ) -> Prompt:
        return verification_prompt("score", task, problem, responses[0], shots, self.wording)

    def score(self, candidates: Sequence[Candidate], context: VerificationContext) -> Verdicts:
        return judge_in_writing(self, candidates, context, self.read)

    def read(self, text: str) -> Score:
        """Return the score that a check ends in; the last one counts."""
        score = read_score(text, self.wording)
        if score is None:
            return Score(UNREADABLE, False, text)
        return Score(score, True, text)
