"""One verifier's stage of a run: what it asks which model, and what must hold before it begins."""

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
    """The name under which scores stand: the verifier's, with that of the model it asks where that is not the generator."""
    return verifier if judge == generator else f"{verifier}--{slug(judge)}"


@dataclass(frozen=True)
class Verification:
    """One verifier's stage of a run: which model it asks, and how many verifications of each response it draws (M).

    ``engine`` is None where no model is asked, and ``draws`` is 1 where nothing is sampled: more of them would all be the same.
    """

    verifier: Verifier
    engine: Engine | None
    draws: int

    @classmethod
    def of(cls, verifier: Verifier, engine: Engine | None, draws: int = 1) -> Verification:
        """UsageError for fewer than one draw."""
        if draws < 1:
            raise UsageError(f"--draws {draws}: expected 1 or more")
        assert engine is not None or not verifier.asks_model, (
            f"{verifier.name} asks a model, and none was given"
        )
        return cls(
            verifier, engine if verifier.asks_model else None, draws if verifier.samples_text else 1
        )

    def stage(self, generator: str) -> str:
        """The name under which its scores stand."""
        return stage_name(
            self.verifier.name, self.engine.name if self.engine else generator, generator
        )

    def record(self) -> dict[str, Any]:
        """What run.json says of it. The scores depend on ``settings``, ``draws``, ``model`` and ``fingerprint``."""
        asked = {"settings": self.verifier.settings(), "draws": self.draws}
        name, fingerprint = (
            (self.engine.name, self.engine.fingerprint) if self.engine else (None, None)
        )
        return self.verifier.describe() | asked | {"model": name, "fingerprint": fingerprint}


def check_abilities(verification: Verification, generator: Engine | None) -> None:
    """UsageError where a verifier needs what its model, or the generator for log-probabilities, cannot tell."""
    verifier = verification.verifier
    asked = verification.engine if verifier.needs == "score" else generator
    if asked is not None and (reason := asked.lacks.get(verifier.needs)):
        raise UsageError(
            f"verifier {verifier.name} cannot be used with {asked.name}: {reason}; use another verifier or another model"
        )


def check_verification_room(
    plan: Plan, verification: Verification, problems: list[Problem], longest: int
) -> None:
    """UsageError where a question about responses of up to ``longest`` tokens may leave no room for its verification."""
    verifier, engine, shots = verification.verifier, verification.engine, plan.draw_shots()
    if not isinstance(verifier, PromptedVerifier) or engine is None:
        return
    written = plan.verification_sampling(verifier).max_tokens if verifier.samples_text else 0
    for problem in problems:
        empty = engine.count_tokens(
            verifier.prompt(plan.task, blind(problem), ("",) * verifier.shown, shots)
        )
        check_room(engine, empty + longest * verifier.shown, written)
