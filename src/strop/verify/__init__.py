"""What does the model think? One file per way of asking; the dict below is the whole registry."""

from __future__ import annotations

from strop.verify.base import Bench, Candidate, PromptedVerifier, Verdicts, Verifier
from strop.verify.chain_of_thought import ChainOfThoughtBinary, ChainOfThoughtScore
from strop.verify.chance import Chance
from strop.verify.likelihood import Likelihood
from strop.verify.matches import Played, PositionBias, position_bias, read_matches
from strop.verify.multiple_choice import MultipleChoice
from strop.verify.oracle import Oracle
from strop.verify.self_reward import LogProbability, LogProbabilityPerToken, Majority
from strop.verify.tournament import Tournament

VERIFIERS: dict[str, type[Verifier]] = {
    "mc": MultipleChoice, "cot-binary": ChainOfThoughtBinary, "cot-score": ChainOfThoughtScore, "tournament": Tournament,
    "logprob": LogProbability, "logprob-per-token": LogProbabilityPerToken, "majority": Majority,
    "likelihood": Likelihood, "chance": Chance, "oracle": Oracle,
}  # fmt: skip

__all__ = [
    "VERIFIERS", "Bench", "Candidate", "ChainOfThoughtBinary", "ChainOfThoughtScore", "Chance", "Likelihood", "LogProbability",
    "LogProbabilityPerToken", "Majority", "MultipleChoice", "Oracle", "Played", "PositionBias", "PromptedVerifier", "Tournament",
    "Verdicts", "Verifier", "position_bias", "read_matches",
]  # fmt: skip
