"""Checks that could not be read: their share, whether a limit of tokens cut them, what to try."""

from __future__ import annotations

from collections.abc import Mapping

from strop.run.stored import StoredRun
from strop.run.verification import SCORES
from strop.verify import VERIFIERS, Verifier

UNREADABLE = 0.5
"""A verifier with a larger share of unreadable checks measures its format, and is not chosen."""
MANY_UNREADABLE = 0.1
"""From this share on, the table and the verdict say so."""
MOSTLY_CUT = 0.5
ADVICE = "another verifier such as {}, a prompt file (--prompts), or an instruct model"


def unreadable_shares(stored: StoredRun) -> dict[str, float]:
    """Return the share of each verifier's checks that could not be read.

    A verifier that asks no model has no checks: a response without a vote is no fault of format.
    """
    shares = {}
    for name, frame in stored.scores.items():
        kind = VERIFIERS.get(stored.verifiers[name]["verifier"])
        if kind is not None and not kind.asks_model:
            continue
        shares[name] = float((~frame["parsed"]).sum()) / max(1, frame.height)
    return shares


def cutting_limits(stored: StoredRun) -> dict[str, int]:
    """Return the limit of tokens of each verifier that it cut most unreadable checks of.

    Runs of earlier versions do not say what cut a check; they have none.
    """
    limits = {}
    for name, frame in stored.scores.items():
        unreadable = int((~frame["parsed"]).sum())
        cut = stored.usage_by_stage[SCORES + name].cut
        if unreadable and cut >= MOSTLY_CUT * unreadable:
            record = stored.verifiers[name]
            verifier = VERIFIERS.get(record["verifier"], Verifier)
            limits[name] = stored.plan.verification_limit(verifier, record.get("max_tokens"))
    return limits


def caution_of(name: str, share: float, cut_at: Mapping[str, int]) -> str:
    """Return in words how many checks of a verifier could not be read, and what to try.

    ``cut_at``: the limits of the verifiers whose unreadable checks were mostly cut by it.
    """
    what = f"{share:.0%} of the checks of {name} could not be read and count as rejected"
    return f"{what}: {what_to_try([name], cut_at)}"


def what_to_try(names: list[str], cut_at: Mapping[str, int]) -> str:
    """Return what to try where checks of these verifiers could not be read."""
    kinds = {name.partition("--")[0] for name in names}
    # The verdict of cot-mc needs no reading; mc writes nothing that a limit could cut.
    other = "cot-mc" if "mc" in kinds else "mc or cot-mc"
    limits = sorted({cut_at[name] for name in names if name in cut_at})
    if not limits:
        return f"try {ADVICE.format(other)}"
    words = " and ".join(f"{limit:,}" for limit in limits)
    return (
        f"most of these were cut off at {words} tokens: try a larger --verify-max-tokens, "
        f"or {ADVICE.format(other)}"
    )
