"""CoT-MC: the verdict behind a written check, compared by its probability."""

from __future__ import annotations

import pytest

from strop.engines.tabular import TabularEngine
from strop.prompts import CORRECT, INCORRECT, verification_prompt
from strop.records import Sampling
from strop.tasks import Arithmetic
from strop.verify.base import Candidate, VerificationContext
from strop.verify.checked_choice import CheckedMultipleChoice

TASK = Arithmetic()


@pytest.mark.parametrize(
    ("check", "ending"),
    [
        (" 2+3 is 5.", " 2+3 is 5.\nVerdict:"),
        (" 2+3 is 5.\nVerdict: Incorrect\nVerdict: Correct", " 2+3 is 5.\nVerdict:"),
        (" Verdict: Correct", "\nVerdict:"),
        ("", "\nVerdict:"),
        (" The answer is 5. The answer is", " The answer is 5. The answer is\nVerdict:"),
        (" Fine.\n\nQuestion: 1+1?\nAnswer: 2\nVerdict: Correct", " Fine.\nVerdict:"),
    ],
)
def test_the_words_before_a_verdict_follow_the_check(check: str, ending: str) -> None:
    assert CheckedMultipleChoice().ending(check) == ending


def test_the_score_is_the_probability_behind_the_check() -> None:
    """The model never writes a verdict; each of its two checks has probabilities of its own."""
    [problem] = TASK.problems("test", 1, seed=0)
    prompt = verification_prompt("binary", TASK, problem, " 5", [])
    asked = "".join(turn.content for turn in prompt)
    engine = TabularEngine(
        {
            asked: {" Fine.": 0.5, " Hm.": 0.5},
            f"{asked} Fine.\nVerdict:": {CORRECT: 0.6, INCORRECT: 0.2, " Both": 0.2},
            f"{asked} Hm.\nVerdict:": {CORRECT: 0.1, INCORRECT: 0.1, " Neither": 0.8},
        }
    )
    context = VerificationContext(TASK, engine, [], Sampling(1.0, 1.0, 8))
    candidates = [Candidate(problem, " 5", seed) for seed in range(8)]
    verdicts = CheckedMultipleChoice().score(candidates, context)
    expected = {" Fine.": 0.75, " Hm.": 0.5}
    assert {score.text for score in verdicts.scores} == set(expected)
    for score in verdicts.scores:
        assert score.parsed
        assert score.score == pytest.approx(expected[score.text or ""])
