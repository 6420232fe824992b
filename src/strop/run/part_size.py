"""Choose how many problems a part holds, so that a kill costs about a minute of work."""

from __future__ import annotations

from collections.abc import Sequence

from strop.engines.base import Engine
from strop.run.plan import Plan
from strop.run.store import PART_PROBLEMS
from strop.run.verification import Verification
from strop.verify import PromptedVerifier

SECONDS = 60.0
"""The longest that a part should take, if every text runs to its limit."""


def part_size(plan: Plan, engine: Engine, verifications: Sequence[Verification] = ()) -> int:
    """Return the number of problems in a part: 16, or 8, 4, 2 or 1 where problems are expensive.

    It follows from the samples, the limits of tokens and the size of the model alone, so that the
    same command divides its problems in the same way. A part keeps as many responses as the engine
    needs at once to be fast. A model of unknown size keeps 16.
    """
    flops = plan.samples * engine.response_flops(0, _longest(plan, verifications))
    size = PART_PROBLEMS
    while size > 1:
        is_short = size * flops <= SECONDS * engine.flops_per_second
        leaves_few_rows = size // 2 * plan.samples < engine.least_rows
        if is_short or leaves_few_rows:
            break
        size //= 2
    return size


def _longest(plan: Plan, verifications: Sequence[Verification]) -> int:
    """Return the most tokens that a stage reads and writes for one response, without a prompt."""
    longest = response = plan.sampling().max_tokens
    for verification in verifications:
        verifier = verification.verifier
        if isinstance(verifier, PromptedVerifier):
            sampling = plan.verification_sampling(verifier, verification.max_tokens)
            written = sampling.max_tokens if verifier.samples_text else 0
            longest = max(longest, verifier.shown * response + written)
    return longest
