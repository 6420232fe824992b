"""A new verifier in one file: the model's confidence in a response, per character.

It asks the model no question, needs no label, and samples nothing. Run it with
``python examples/3_new_verifier.py [FOLDER]``. To keep it, put the class into a file in
``src/strop/verify/`` and add it to ``VERIFIERS`` in ``src/strop/verify/__init__.py``. The contract
tests then check what every verifier promises.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import strop
from strop.prompts import solution_prompt
from strop.records import Problem, Prompt, Score, Usage, total_usage
from strop.tasks.base import Task
from strop.verify import Candidate, PromptedVerifier, Verdicts, VerificationContext


@dataclass(frozen=True)
class Confidence(PromptedVerifier):
    """Log-probability of the response as the model's answer, per character of its text."""

    name: ClassVar[str] = "confidence"
    description: ClassVar[str] = (
        "log-probability of the response per character, under the model that answers"
    )
    default_weight: ClassVar[str] = "quantile:0.7"

    def prompt(
        self, task: Task, problem: Problem, responses: tuple[str, ...], shots: list[Problem]
    ) -> Prompt:
        return solution_prompt(task, problem, shots)

    def score(self, candidates: Sequence[Candidate], context: VerificationContext) -> Verdicts:
        scores = []
        usages = [Usage()]
        prompts = self.prompts(candidates, context)
        for candidate, prompt in zip(candidates, prompts, strict=True):
            scored = context.engine.score([prompt], [candidate.text or " "])
            logprob = float(scored.logprobs_PC[0, 0])
            scores.append(Score(logprob / max(1, len(candidate.text)), parsed=True))
            usages.append(scored.usage)
        return Verdicts(scores, total_usage(usages))


if __name__ == "__main__":
    out = sys.argv[1] if len(sys.argv) > 1 else "runs/confidence"
    run = strop.gap(
        model="ladder/40k",
        task="recall",
        problems=50,
        samples=16,
        verifiers=[Confidence()],
        out=out,
    )
    gaps = run.estimates.filter(quantity="gap")
    print(gaps.select("verifier", "weigh", "value", "low", "high"))
