"""Verification as a stage of a run: a verifier, the model it asks, and the checks before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from strop.engines import Engine
from strop.engines.base import check_room
from strop.errors import UsageError
from strop.records import Problem, blind
from strop.run.plan import Plan
from strop.text import slug
from strop.verify import PromptedVerifier, Verifier

SCORES = "scores/"


def stage_name(verifier: str, judge: str, generator: str) -> str:
    """Return the name under which scores are stored: "mc", or "mc--JUDGE" for another model's."""
    return verifier if judge == generator else f"{verifier}--{slug(judge)}"


@dataclass(frozen=True)
class Verification:
    """One verifier's stage of a run.

    ``engine`` is the model that the verifier asks, None if it asks none. ``draws`` is the number of
    verifications of each response (M). It is 1 for a verifier that samples no text, because further
    ones would be equal. ``max_tokens`` is the most tokens of a verification where it has a limit
    other than the run's.
    """

    verifier: Verifier
    engine: Engine | None
    draws: int
    max_tokens: int | None = None

    @classmethod
    def of(
        cls,
        verifier: Verifier,
        engine: Engine | None,
        draws: int = 1,
        max_tokens: int | None = None,
    ) -> Verification:
        """Build the stage of a verifier. UsageError for fewer than one draw, or than one token."""
        if draws < 1:
            raise UsageError(f"--draws {draws}: expected 1 or more")
        assert engine is not None or not verifier.asks_model, (
            f"{verifier.name} asks a model, and none was given"
        )
        if max_tokens is not None and max_tokens < 1:
            raise UsageError(f"--verify-max-tokens {max_tokens}: expected 1 or more")
        asked = engine if verifier.asks_model else None
        if not verifier.samples_text:
            return cls(verifier, asked, 1)
        return cls(verifier, asked, draws, max_tokens)

    def stage(self, generator: str) -> str:
        """Return the name under which the scores are stored."""
        judge = self.engine.name if self.engine else generator
        return stage_name(self.verifier.name, judge, generator)

    def record(self) -> dict[str, Any]:
        """Return the verifier's entry in run.json.

        Its scores depend on ``settings``, ``draws``, ``model`` and ``fingerprint``, and on
        ``max_tokens``, which stands there only if the run's own limit does not apply.
        """
        own_limit = {} if self.max_tokens is None else {"max_tokens": self.max_tokens}
        return self.verifier.describe() | {
            "settings": self.verifier.settings(),
            "draws": self.draws,
            "model": self.engine.name if self.engine else None,
            "fingerprint": self.engine.fingerprint if self.engine else None,
            **own_limit,
        }


def check_abilities(verification: Verification, generator: Engine | None) -> None:
    """Raise UsageError if a verifier needs something that the engine cannot give.

    Scores of given texts come from the model that verifies, log-probabilities of samples from the
    generator.
    """
    verifier = verification.verifier
    engine = generator if verifier.needs == "logprob" else verification.engine
    if engine is None:
        return
    # To go on from given words, an engine must score texts at all.
    needs = ["score", "continue"] if verifier.needs == "continue" else [verifier.needs]
    reason = next((engine.lacks[need] for need in needs if need in engine.lacks), None)
    if reason:
        raise UsageError(
            f"verifier {verifier.name} cannot be used with {engine.name}: {reason}; "
            "use another verifier or another model"
        )


def check_verification_room(
    plan: Plan, verification: Verification, problems: list[Problem], longest: int
) -> None:
    """Raise UsageError if a verification prompt may leave no room for its verification.

    ``longest`` is the largest number of tokens of a response.
    """
    verifier, engine = verification.verifier, verification.engine
    if not isinstance(verifier, PromptedVerifier) or engine is None:
        return
    shots = plan.draw_shots()
    sampling = plan.verification_sampling(verifier, verification.max_tokens)
    written = sampling.max_tokens if verifier.samples_text else 0
    no_responses = ("",) * verifier.shown
    for problem in problems:
        prompt = verifier.prompt(plan.task, blind(problem), no_responses, shots)
        prompt_tokens = engine.count_tokens(prompt) + longest * verifier.shown
        check_room(engine, prompt_tokens, written, "--verify-max-tokens")
