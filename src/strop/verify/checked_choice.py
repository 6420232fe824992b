"""CoT-MC: the model checks a response in writing; then its verdict is compared, not read.

A weak model seldom ends a check in the words that it was asked for, and CoT-binary cannot read such
a check. Here strop writes the words before the verdict itself, and compares the probabilities of
the two verdicts behind them, as MC does without a check.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from strop.prompts import verification_prompt
from strop.records import Message, Problem, Prompt, Score, total_usage
from strop.tasks.base import Task
from strop.verify.base import Candidate, Need, PromptedVerifier, Verdicts, VerificationContext
from strop.verify.chain_of_thought import draw_checks
from strop.verify.multiple_choice import compare_verdicts
from strop.verify.parse_verdict import own_words


@dataclass(frozen=True)
class CheckedMultipleChoice(PromptedVerifier):
    """P("Correct") / (P("Correct") + P("Incorrect")) behind a written check and "Verdict:".

    A check is cut before the first verdict that the model wrote itself. It is unparsed only where
    the model gives neither verdict a probability.
    """

    name: ClassVar[str] = "cot-mc"
    description: ClassVar[str] = 'a written check, then P("Correct") against P("Incorrect")'
    default_weight: ClassVar[str] = "quantile:0.7"
    worded: ClassVar[tuple[str, ...]] = ("binary", "verdict", "correct", "incorrect", "examples")
    needs: ClassVar[Need] = "continue"
    probability: ClassVar[bool] = True

    def prompt(
        self, task: Task, problem: Problem, responses: tuple[str, ...], shots: list[Problem]
    ) -> Prompt:
        return verification_prompt("binary", task, problem, responses[0], shots, self.wording)

    def score(self, candidates: Sequence[Candidate], context: VerificationContext) -> Verdicts:
        asked = self.prompts(candidates, context)
        generation = draw_checks(asked, candidates, context)
        checks = [samples[0].text for samples in generation.samples]
        checked = []
        for prompt, check in zip(asked, checks, strict=True):
            checked.append((*prompt, Message("assistant", self.ending(check))))
        compared = compare_verdicts(self, checked, context.engine)
        scores = []
        for score, check in zip(compared.scores, checks, strict=True):
            scores.append(Score(score.score, score.parsed, check))
        usage = total_usage([generation.usage, compared.usage])
        return replace(compared, scores=scores, usage=usage)

    def ending(self, check: str) -> str:
        """Return the check without a verdict, and the words before one."""
        written = own_words(check, self.wording.binary)
        unjudged = written.split(self.wording.verdict.strip(), 1)[0].strip()
        if not unjudged:
            return self.wording.verdict
        return f" {unjudged}{self.wording.verdict}"
