"""The oracle on candidates made by hand."""

from __future__ import annotations

import pytest

from strop.records import Problem, Sampling
from strop.tasks import Recall
from strop.verify import Candidate, Oracle, VerificationContext

PROBLEM = Problem("p", "test", "abc", None)
CONTEXT = VerificationContext(Recall(), None, [], Sampling(1, 1, 8))


def test_the_oracle_returns_the_utility_and_never_guesses() -> None:
    candidates = [Candidate(PROBLEM, "", 0, k, utility=float(k)) for k in (0, 1)]
    scores = Oracle().score(candidates, CONTEXT).scores
    assert [score.score for score in scores] == [0, 1]
    with pytest.raises(AssertionError, match="did not receive the utilities"):
        Oracle().score([Candidate(PROBLEM, "", 0)], CONTEXT)
