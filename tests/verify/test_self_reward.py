"""Self-rewards on candidates made by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strop.records import Problem, Sampling, Score
from strop.tasks import Recall
from strop.verify import (
    Candidate,
    LogProbability,
    LogProbabilityPerToken,
    Majority,
    VerificationContext,
    Verifier,
)

PROBLEM = Problem("p", "test", "abc", None)
CONTEXT = VerificationContext(Recall(), None, [], Sampling(1, 1, 8))


def scores(verifier: Verifier, items: Sequence[Candidate]) -> list[Score]:
    return verifier.score(items, CONTEXT).scores


def voters(answers: Sequence[str | None], problem: Problem = PROBLEM) -> list[Candidate]:
    return [Candidate(problem, "text", k, k, answer=answer) for k, answer in enumerate(answers)]


def test_log_probabilities_as_stored_and_per_token() -> None:
    items = [Candidate(PROBLEM, "", 0, k, logprob=-6.0, tokens=k) for k in range(1, 4)]
    assert [score.score for score in scores(LogProbability(), items)] == [-6, -6, -6]
    assert [score.score for score in scores(LogProbabilityPerToken(), items)] == [-6, -3, -2]


@pytest.mark.parametrize(
    "verifier", [LogProbability(), LogProbabilityPerToken()], ids=lambda one: one.name
)
def test_truncated_and_unknown_are_left_out_not_unparsed(verifier: Verifier) -> None:
    items = [
        Candidate(PROBLEM, "", 0, 0, logprob=-1.0, tokens=2, finish="length"),
        Candidate(PROBLEM, "", 0, 1, tokens=2),
    ]
    assert all(math.isnan(score.score) and score.parsed for score in scores(verifier, items))
    assert math.isnan(
        scores(LogProbabilityPerToken(), [Candidate(PROBLEM, "", 0, logprob=-1.0)])[0].score
    )  # of unknown length


def test_majority_counts_answers_of_its_own_problem() -> None:
    other = Problem("q", "test", "abc", None)
    items = [*voters(["a", "a", "b", "b", None]), *voters(["a", "b", "b"], other)]
    assert [(s.score, s.parsed) for s in scores(Majority(), items)] == [
        (0.4, True),
        (0.4, True),
        (0.4, True),
        (0.4, True),
        (0.0, False),
        (1 / 3, True),
        (2 / 3, True),
        (2 / 3, True),
    ]


@given(
    st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1, max_size=12).flatmap(
        lambda own: st.tuples(st.just(own), st.permutations(own))
    )
)
def test_majority_knows_no_order_and_unparsed_never_vote(
    both: tuple[list[str | None], list[str | None]],
) -> None:
    def by_answer(answers: Sequence[str | None]) -> dict[str | None, Score]:
        return dict(zip(answers, scores(Majority(), voters(answers)), strict=True))

    answers, shuffled = both
    assert by_answer(answers) == by_answer(shuffled)
    for answer, score in by_answer(answers).items():
        votes = 0 if answer is None else answers.count(answer)
        assert (score.score, score.parsed) == (votes / len(answers), answer is not None)
