"""verify/ tournament, bracket and matches: the shape of the bracket, coins, and the record."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strop.engines.base import Engine, Generation, Request, Scored, plain_text
from strop.errors import UsageError
from strop.prompts import tournament_prompt
from strop.records import Problem, Prompt, Sample, Sampling, Usage
from strop.seeds import derive
from strop.tasks import TASKS, Dataset, Task
from strop.verify import (
    Candidate,
    Tournament,
    Verdicts,
    VerificationContext,
    position_bias,
    read_matches,
)
from strop.verify.bracket import Bracket
from strop.verify.matches import PositionBias
from strop.verify.parse_verdict import read_letter

TASK = TASKS["recall"]()
RIGHT = "right"


class Scripted(Engine):
    """Answers a comparison by what is shown as A and as B."""

    def __init__(self, answer: Callable[[str, str], str]) -> None:
        self.answer, self.batches = answer, list[int]()

    @property
    def name(self) -> str:
        return "scripted"

    @property
    def parameters(self) -> int:
        return 0

    def sample(self, requests: Sequence[Request], sampling: Sampling) -> Generation:
        self.batches.append(len(requests))
        texts = [self.answer(*self._shown(request.prompt)) for request in requests]
        return Generation(
            [[Sample(text, (), 0.0, "end")] for text in texts],
            Usage(generated_tokens=len(requests)),
        )

    def score(self, prompts: Sequence[Prompt], continuations: Sequence[str]) -> Scored:
        raise AssertionError("a tournament reads what is written, and scores no continuation")

    def render(self, prompt: Prompt) -> str:
        return plain_text(prompt)

    def count_tokens(self, prompt: Prompt) -> int:
        return len(plain_text(prompt).split())

    @staticmethod
    def _shown(prompt: Prompt) -> tuple[str, str]:
        first, second = (
            plain_text(prompt)
            .split("\nAnswer A: ")[1]
            .split("\nCheck both")[0]
            .split("\nAnswer B: ")
        )
        return first, second


def says_a(first: str, second: str) -> str:
    return "hm\nBetter: A"


def knows(first: str, second: str) -> str:
    return f"\nBetter: {'A' if first.startswith(RIGHT) else 'B'}"


def mumbles(first: str, second: str) -> str:
    return "both are fine"


def entrants(
    samples: int, problems: int = 1, draw: int = 0, right: int | None = None
) -> list[Candidate]:
    return [
        Candidate(
            Problem(f"p{p}", "test", "abc", None),
            f"{RIGHT if k == right else 'wrong'} {k}",
            derive("seed", p, k, draw),
            sample=k,
            draw=draw,
        )
        for p in range(problems)
        for k in range(samples)
    ]


def play(
    items: Sequence[Candidate], answer: Callable[[str, str], str] = says_a, order: str = "random"
) -> Verdicts:
    return Tournament(order).score(
        items, VerificationContext(TASK, Scripted(answer), [], Sampling(1, 1, 8))
    )


def bias(verdicts: Verdicts) -> PositionBias:
    return position_bias([[score.text for score in verdicts.scores]])


@given(samples=st.integers(1, 70), seed=st.integers(0, 2**32))
def test_a_bracket_of_any_size(samples: int, seed: int) -> None:
    """K - 1 matches; ceil(K / 2^r) survive r rounds; no sample has two byes in a row."""
    bracket, matches, last_bye = Bracket(range(samples), seed), 0, None
    while pairs := bracket.pairs:
        assert len({player for pair in pairs for player in pair}) == 2 * len(pairs)
        bye = set(bracket.players) - {player for pair in pairs for player in pair}
        assert len(bye) == len(bracket.players) % 2 and (last_bye is None or last_bye not in bye)
        matches += len(pairs)
        before = {player: bracket.survived[player] for player in bye}
        bracket.settle([pair[derive(seed, *pair) % 2] for pair in pairs])
        assert all(bracket.survived[player] == rounds + 1 for player, rounds in before.items())
        last_bye = next(iter(bye), None)
    survived = np.array(list(bracket.survived.values()))
    rounds = math.ceil(math.log2(samples))
    assert matches == samples - 1
    assert (survived == rounds).sum() == 1 and survived.max() == rounds
    assert [(survived >= r).sum() for r in range(rounds + 1)] == [
        math.ceil(samples / 2**r) for r in range(rounds + 1)
    ]


def test_every_first_pairing_is_about_equally_likely() -> None:
    """Each of the three pairings of four comes in a third of brackets, within six deviations."""
    partners = [
        next(set(pair) - {0} for pair in Bracket(range(4), seed).pairs if 0 in pair).pop()
        for seed in range(3_000)
    ]
    assert all(abs(partners.count(partner) - 1_000) < 6 * 26 for partner in (1, 2, 3))


@pytest.mark.parametrize("order", ["random", "both"])
@pytest.mark.parametrize("samples", [1, 2, 3, 5, 8, 13])
def test_played_matches_tell_the_scores(samples: int, order: str) -> None:
    """Recomputed from the record: K - 1 matches, one loss for all but the winner, byes between."""
    verdicts = play(entrants(samples, problems=3), order=order)
    readings = 2 if order == "both" else 1
    for p in range(3):
        scores = verdicts.scores[p * samples : (p + 1) * samples]
        rows = [read_matches(score.text) for score in scores]
        assert (
            sum(map(len, rows))
            == 2 * readings * (samples - 1)
            == 2 * Tournament(order).questions(samples)
        )
        lost = [min((match.round for match in row if not match.won), default=None) for row in rows]
        assert lost.count(None) == 1
        rounds = math.ceil(math.log2(samples))
        assert [score.score for score in scores] == [rounds if r is None else r - 1 for r in lost]
        assert all((match.text != "") == (match.shown == "A") for row in rows for match in row)
    assert verdicts.usage.generated_tokens == 3 * readings * (samples - 1)


@given(
    samples=st.integers(1, 20), right=st.integers(0, 19), order=st.sampled_from(["random", "both"])
)
def test_a_perfect_judge_lets_the_right_response_win(samples: int, right: int, order: str) -> None:
    right %= samples
    verdicts = play(entrants(samples, right=right), knows, order)
    best = max(score.score for score in verdicts.scores)
    assert verdicts.scores[right].score == best == math.ceil(math.log2(samples))
    assert all(score.parsed for score in verdicts.scores)


def test_a_judge_that_always_says_a() -> None:
    """The response shown first wins: in one order only the bias shows it, in both every match."""
    once, twice = bias(play(entrants(9))), bias(play(entrants(9), order="both"))
    assert (once.first_won_P, once.read_P, once.disagreed_P, once.twice_P) == ([8], [8], [0], [0])
    assert (twice.first_won_P, twice.read_P, twice.disagreed_P, twice.twice_P) == (
        [16],
        [16],
        [8],
        [8],
    )
    known = bias(
        play(entrants(9, right=4), lambda a, b: f"Better: {'A' if a < b else 'B'}", "both")
    )
    assert (known.first_won_P, known.read_P, known.disagreed_P, known.twice_P) == (
        [8],
        [16],
        [0],
        [8],
    )


def test_coins_are_fair() -> None:
    """The coins have nothing to do with the sample number, within six deviations."""
    for order, expected in (("random", 400), ("both", 400)):
        verdicts = play(entrants(2, problems=800), order=order)
        assert (
            abs(sum(score.score for score in verdicts.scores[::2]) - expected)
            < 6 * math.sqrt(800) / 2
        )


def test_what_cannot_be_read_is_decided_by_a_coin_and_marked() -> None:
    verdicts = play(entrants(8), mumbles)
    assert not any(score.parsed for score in verdicts.scores)
    assert sorted(score.score for score in verdicts.scores) == [0, 0, 0, 0, 1, 1, 2, 3]
    assert (bias(verdicts).read_P, bias(verdicts).first_won_P) == ([0], [0])
    half = play(
        entrants(2), lambda a, b: "Better: A" if a < b else "?", "both"
    )  # one order is read: it decides, and both are marked
    assert [(score.score, score.parsed) for score in half.scores] == [
        (0, False),
        (1, False),
    ] or half.scores[0].score == 1
    assert [match.won for match in read_matches(half.scores[0].text)] == [True, True] and bias(
        half
    ).twice_P == [0]


def test_seeds_alone_decide() -> None:
    """Seeds do not depend on the batch or on other problems.

    Another draw is another tournament; a round of all problems is one batch.
    """
    items, first = entrants(7, problems=4), play(entrants(7, problems=4)).scores
    backwards = play(items[::-1]).scores[::-1]
    assert first == backwards and first[7:14] == play(items[7:14]).scores
    both = play([*items, *entrants(7, problems=4, draw=1)]).scores
    assert both[:28] == first and both[28:] != first
    engine = Scripted(says_a)
    Tournament().score(items, VerificationContext(TASK, engine, [], Sampling(1, 1, 8)))
    assert engine.batches == [12, 8, 4]


def test_a_sample_twice_is_a_fault_of_the_caller() -> None:
    with pytest.raises(AssertionError, match="given twice"):
        play([*entrants(2), replace(entrants(2)[0], text="other")])
    with pytest.raises(UsageError, match="tournament order 'first'"):
        Tournament("first")


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        (" x\n y\nBetter: A", "A"),
        ("Better: A\nBetter: B", "B"),
        ("Better: A or B", None),
        ("Better: Both", None),
        ("Better: AB", None),
        ("Better:B", "B"),
        ("better: A", None),
        ("", None),
        ("Better: A\nQuestion: 1\nBetter: B", "A"),
        ("Better: C", None),
    ],
)
def test_letters_are_read(text: str, letter: str | None) -> None:
    assert read_letter(text) == letter


@given(
    st.text()
    | st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ).map(json.dumps)
)
def test_foreign_records_are_refused(text: str) -> None:
    if text.strip() == "[]":
        assert read_matches(text) == []
    else:
        with pytest.raises(ValueError):
            read_matches(text)


def test_spoilt_records_are_refused() -> None:
    """One field at a time; nested a million deep; longer than any record."""
    [row, _] = [json.loads(score.text) for score in play(entrants(2)).scores]
    for key, value in (
        ("round", True),
        ("against", "1"),
        ("shown", ["A"]),
        ("read", "C"),
        ("won", 1),
        ("text", None),
        ("more", 1),
    ):
        with pytest.raises(ValueError, match="no record"):
            read_matches(json.dumps([row[0] | {key: value}]))
    for text in ("[" * 1_000_000, " " * 10_000_001):
        with pytest.raises(ValueError, match="record of matches"):
            read_matches(text)


@pytest.mark.parametrize(
    "task",
    [task() for task in TASKS.values() if not issubclass(task, Dataset)],
    ids=lambda task: task.label,
)
def test_examples_show_one_right_response_under_either_letter(task: Task) -> None:
    shots = task.shots(6, seed=0)
    turns = tournament_prompt(task, task.problems("test", 1, seed=0)[0], "x", "y", shots)
    assert len(turns) == 13
    letters = [turn.content[-1] for turn in turns[1::2]]
    assert letters.count("A") == letters.count("B") == 3
    for shot, user, letter in zip(shots, turns[::2], letters, strict=False):
        answers = dict(zip("AB", Scripted._shown((user,)), strict=True))
        utilities = {
            key: task.grade(answer, shot).utility_strict for key, answer in answers.items()
        }
        assert utilities[letter] == 1 and sum(utilities.values()) == 1
    with pytest.raises(UsageError, match="--shots 1"):
        tournament_prompt(task, shots[0], "x", "y", shots[:1])
