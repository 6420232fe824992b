"""Verifiers: scores of responses. One file per method; VERIFIERS is the registry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from strop.errors import UsageError
from strop.prompts import WORDING, Wording
from strop.text import slug
from strop.verify.base import Candidate, PromptedVerifier, Verdicts, VerificationContext, Verifier
from strop.verify.chain_of_thought import ChainOfThoughtBinary, ChainOfThoughtScore
from strop.verify.chance import Chance
from strop.verify.checked_choice import CheckedMultipleChoice
from strop.verify.likelihood import Likelihood
from strop.verify.matches import Played, PositionBias, position_bias, read_matches
from strop.verify.multiple_choice import MultipleChoice
from strop.verify.oracle import Oracle
from strop.verify.self_reward import LogProbability, LogProbabilityPerToken, Majority
from strop.verify.tournament import Tournament

VERIFIERS: dict[str, type[Verifier]] = {
    verifier.name: verifier
    for verifier in (
        *(MultipleChoice, ChainOfThoughtBinary, ChainOfThoughtScore),
        *(CheckedMultipleChoice, Tournament),
        *(LogProbability, LogProbabilityPerToken, Majority, Likelihood),
        *(Chance, Oracle),
    )
}


def find_verifier(verifier: str | Verifier, wording: Wording = WORDING) -> Verifier:
    """Return the verifier of this name, with this wording if it is a prompted one.

    An instance is returned as it is. Raises UsageError for an unknown name, and for an instance
    whose name cannot name a folder.
    """
    if isinstance(verifier, Verifier):
        _check_name(verifier.name)
        return verifier
    if verifier not in VERIFIERS:
        raise UsageError(f"there is no verifier {verifier!r}; there are {', '.join(VERIFIERS)}")
    method = VERIFIERS[verifier]
    if issubclass(method, PromptedVerifier):
        return method(wording=wording)
    return method()


def find_verifiers(
    verifiers: Sequence[str | Verifier], wording: Wording = WORDING
) -> list[Verifier]:
    """Return the verifiers, given by name or as instances, each once.

    ``wording`` is used for those given by name. Raises UsageError for two different verifiers of
    one name, since scores are stored under it, and for a changed wording that none of them uses.
    """
    instances = [find_verifier(verifier, wording) for verifier in verifiers]
    # A dictionary drops repetitions and keeps the order.
    chosen = list(dict.fromkeys(instances))
    if wording != WORDING:
        _check_wording_is_used(chosen)
    names: set[str] = set()
    for verifier in chosen:
        if verifier.name in names:
            raise UsageError(
                f"verifier {verifier.name} was given with two different settings; "
                "use one run for each"
            )
        names.add(verifier.name)
    return chosen


def folder_key(verifiers: Sequence[Verifier]) -> list[Any]:
    """Return what a default folder's name depends on.

    It is each verifier's name, or its settings where it has a wording other than the default.
    """
    key: list[Any] = []
    for verifier in verifiers:
        settings = verifier.settings()
        if "wording" in settings:
            key.append(settings)
        else:
            key.append(verifier.name)
    return key


def _check_name(name: str) -> None:
    """Raise UsageError unless the name can name a folder as it is."""
    if not name or slug(name) != name:
        raise UsageError(
            f"verifier name {name!r}: expected letters, digits, dots, dashes and underscores, "
            "because it names a folder"
        )


def _check_wording_is_used(verifiers: Sequence[Verifier]) -> None:
    """Raise UsageError if no verifier has a question whose wording could be changed."""
    if any(isinstance(verifier, PromptedVerifier) for verifier in verifiers):
        return
    prompted = [name for name, method in VERIFIERS.items() if issubclass(method, PromptedVerifier)]
    possible = ", ".join(prompted)
    given = ", ".join(verifier.name for verifier in verifiers)
    raise UsageError(
        f"--prompts is for verifiers that put a question into words ({possible}); got {given}"
    )


__all__ = [
    "VERIFIERS",
    "Candidate",
    "ChainOfThoughtBinary",
    "ChainOfThoughtScore",
    "Chance",
    "CheckedMultipleChoice",
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
    "find_verifier",
    "find_verifiers",
    "folder_key",
    "position_bias",
    "read_matches",
]
