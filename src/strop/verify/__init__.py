"""What does the model think? One file per way of asking; the dict below is the whole registry."""

from __future__ import annotations

from strop.verify.base import Bench, Candidate, Verdicts, Verifier
from strop.verify.chain_of_thought import ChainOfThoughtBinary, ChainOfThoughtScore
from strop.verify.multiple_choice import MultipleChoice

VERIFIERS: dict[str, type[Verifier]] = {"mc": MultipleChoice, "cot-binary": ChainOfThoughtBinary, "cot-score": ChainOfThoughtScore}

__all__ = ["VERIFIERS", "Bench", "Candidate", "ChainOfThoughtBinary", "ChainOfThoughtScore", "MultipleChoice", "Verdicts", "Verifier"]
