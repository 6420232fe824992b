"""The words around a question, a response and a verdict: written once, used for every model and in the embedded models' corpus.

Each prompted verifier of "Mind the Gap" (Appendix A) has its frame here. A prompt ends in a colon without a space, and what a model
writes begins with the space: so most tokenizers see the text as they saw it in training.
"""

from __future__ import annotations

from dataclasses import dataclass

CORRECT, INCORRECT = " Correct", " Incorrect"


@dataclass(frozen=True)
class Wording:
    """Frames of all prompts. The words between the holes are single tokens of the embedded models, so a change needs new models."""

    solution: str = "Question: {question}\nAnswer:"
    multiple_choice: str = "Question: {question}\nAnswer: {response}\nIs this answer correct or incorrect?\nVerdict:"
    binary: str = (
        "Question: {question}\nAnswer: {response}\nCheck this answer step by step, then end with the verdict, Correct or Incorrect.\nCheck:"
    )
    score: str = (
        "Question: {question}\nAnswer: {response}\n"
        "Check this answer step by step, then end with a score from 1 (wrong) to 10 (right).\nCheck:"
    )
    tournament: str = (
        "Question: {question}\nAnswer A: {first}\nAnswer B: {second}\n"
        "Check both answers step by step, then end with the better one, A or B.\nCheck:"
    )
    verdict: str = "\nVerdict:"
    score_line: str = "\nScore:"
    better: str = "\nBetter:"


WORDING = Wording()
