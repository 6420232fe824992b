"""The mass that the options of a multiple-choice verifier hold together."""

from __future__ import annotations

import warnings

import pytest

from strop.engines.tabular import TabularEngine
from strop.prompts import CORRECT, INCORRECT, verification_prompt
from strop.records import Sampling
from strop.tasks import Arithmetic
from strop.verify import multiple_choice
from strop.verify.base import Candidate, VerificationContext
from strop.verify.multiple_choice import MultipleChoice

TASK = Arithmetic()


@pytest.mark.parametrize(("mass", "warns"), [(0.5, False), (0.004, True)])
def test_a_tiny_mass_of_the_options_is_said_once(
    mass: float, warns: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multiple_choice, "_warned", {})
    [problem] = TASK.problems("test", 1, seed=0)
    prompt = verification_prompt("multiple_choice", TASK, problem, " 5", [])
    table = {CORRECT: mass / 4, INCORRECT: 3 * mass / 4, " Well": 1 - mass}
    engine = TabularEngine({"".join(turn.content for turn in prompt): table})
    context = VerificationContext(TASK, engine, [], Sampling(1.0, 1.0, 8))
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("default")
        for seed in range(3):
            verdicts = MultipleChoice().score([Candidate(problem, " 5", seed)], context)
    assert verdicts.scores[0].score == pytest.approx(0.25)
    assert verdicts.option_mass == pytest.approx(mass)
    assert len(warned) == warns
    if warns:
        assert "together have less than 1%" in str(warned[0].message)
