"""What does the model think? One file per way of asking; the dict below is the whole registry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from strop.errors import UsageError
from strop.prompts import WORDING, Wording
from strop.text import slug
from strop.verify.base import Candidate, PromptedVerifier, Verdicts, VerificationContext, Verifier
from strop.verify.chain_of_thought import ChainOfThoughtBinary, ChainOfThoughtScore
from strop.verify.chance import Chance
from strop.verify.likelihood import Likelihood
from strop.verify.matches import Played, PositionBias, position_bias, read_matches
from strop.verify.multiple_choice import MultipleChoice
from strop.verify.oracle import Oracle
from strop.verify.self_reward import LogProbability, LogProbabilityPerToken, Majority
from strop.verify.tournament import Tournament

VERIFIERS: dict[str, type[Verifier]] = {
    "mc": MultipleChoice,
    "cot-binary": ChainOfThoughtBinary,
    "cot-score": ChainOfThoughtScore,
    "tournament": Tournament,
    "logprob": LogProbability,
    "logprob-per-token": LogProbabilityPerToken,
    "majority": Majority,
    "likelihood": Likelihood,
    "chance": Chance,
    "oracle": Oracle,
}


def find_verifier(verifier: str | Verifier, wording: Wording = WORDING) -> Verifier:
    """A verifier by name, with this wording if it is a prompted one, or the instance itself."""
    if isinstance(verifier, Verifier):
        if not verifier.name or slug(verifier.name) != verifier.name:
            raise UsageError(
                f"verifier name {verifier.name!r}: expected letters, digits, dots, dashes and underscores: it names a folder"
            )
        return verifier
    if verifier not in VERIFIERS:
        raise UsageError(f"there is no verifier {verifier!r}; there are {', '.join(VERIFIERS)}")
    kind = VERIFIERS[verifier]
    return kind(wording=wording) if issubclass(kind, PromptedVerifier) else kind()


def find_verifiers(
    verifiers: Sequence[str | Verifier], wording: Wording = WORDING
) -> list[Verifier]:
    """Verifiers by name or as instances, each once. Scores stand under a verifier's name, so two of one name are refused.

    ``wording`` is for those by name; UsageError for one other than the default that none of the verifiers has a use for.
    """
    found = list(dict.fromkeys(find_verifier(verifier, wording) for verifier in verifiers))
    if wording != WORDING and not any(isinstance(verifier, PromptedVerifier) for verifier in found):
        prompted = ", ".join(
            name for name, kind in VERIFIERS.items() if issubclass(kind, PromptedVerifier)
        )
        got = ", ".join(verifier.name for verifier in found)
        raise UsageError(
            f"--prompts is for verifiers that put a question into words ({prompted}); got {got}"
        )
    names = [verifier.name for verifier in found]
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise UsageError(
            f"verifier {twice[0]} was asked for with two different settings; ask for them in runs of their own"
        )
    return found


def folder_key(verifiers: Sequence[Verifier]) -> list[Any]:
    """What a default folder's name depends on: their names, and their settings where they have words of their own."""
    return [
        settings if "wording" in (settings := verifier.settings()) else verifier.name
        for verifier in verifiers
    ]


__all__ = [
    "VERIFIERS",
    "Candidate",
    "ChainOfThoughtBinary",
    "ChainOfThoughtScore",
    "Chance",
    "Likelihood",
    "LogProbability",
    "LogProbabilityPerToken",
    "Majority",
    "MultipleChoice",
    "Oracle",
    "Played",
    "PositionBias",
    "PromptedVerifier",
    "Tournament",
    "Verdicts",
    "VerificationContext",
    "Verifier",
    "position_bias",
    "read_matches",
]
