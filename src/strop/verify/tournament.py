"""The tournament: a problem's responses meet in pairs, and the model says which is better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, get_args

from strop.engines.base import Request
from strop.errors import UsageError
from strop.prompts import tournament_prompt
from strop.records import Problem, Prompt, Usage, total_usage
from strop.seeds import derive
from strop.tasks.base import Task
from strop.verify.base import Candidate, PromptedVerifier, Verdicts, VerificationContext, by_problem
from strop.verify.bracket import Contest, Reading
from strop.verify.parse_verdict import read_letter

Order = Literal["random", "both"]


@dataclass(frozen=True)
class Tournament(PromptedVerifier):
    """Single elimination; the score is the number of rounds survived, from 0 to ceil(log2 K).

    A bye counts as survived. ``order`` "random": a coin decides which response is shown first.
    ``order`` "both": every match is played in both orders, and a coin decides where the readings
    disagree. An answer that cannot be read decides nothing: if no reading is left, a coin decides,
    and both responses count as unparsed.
    """

    order: Order = "random"

    name: ClassVar[str] = "tournament"
    description: ClassVar[str] = (
        "single elimination among a problem's responses; the score is the number of rounds survived"
    )
    default_weight: ClassVar[str] = "survivors:2"
    worded: ClassVar[tuple[str, ...]] = ("tournament", "better", "correct", "incorrect", "examples")
    pointwise: ClassVar[bool] = False
    shown: ClassVar[int] = 2

    def __post_init__(self) -> None:
        orders = get_args(Order)
        if self.order not in orders:
            raise UsageError(
                f"tournament order {self.order!r}: expected one of {', '.join(orders)}"
            )

    def prompt(
        self, task: Task, problem: Problem, responses: tuple[str, ...], shots: list[Problem]
    ) -> Prompt:
        return tournament_prompt(task, problem, responses[0], responses[1], shots, self.wording)

    def questions(self, samples: int) -> int:
        # A single elimination has K - 1 matches: each one eliminates one response.
        return (samples - 1) * self.readings

    @property
    def readings(self) -> int:
        """The number of times that a match is played."""
        return 2 if self.order == "both" else 1

    def seats(self, pair: tuple[int, int], first: int) -> list[tuple[int, int]]:
        """Return which sample is shown as A and which as B, in each reading of a match.

        ``first`` is the sample that the coin puts first.
        """
        reversed_pair = pair[::-1]
        if self.order == "both":
            return [pair, reversed_pair]
        if pair[0] == first:
            return [pair]
        return [reversed_pair]

    def score(self, candidates: Sequence[Candidate], context: VerificationContext) -> Verdicts:
        groups = by_problem(candidates)
        contests = []
        for indices in groups:
            entrants = [candidates[index] for index in indices]
            contests.append(Contest(entrants))
        # All problems play their rounds side by side, so that a round is one large batch.
        usages = [Usage()]
        unfinished = [contest for contest in contests if contest.bracket.pairs]
        while unfinished:
            usages.append(self._play_round(unfinished, context))
            unfinished = [contest for contest in unfinished if contest.bracket.pairs]
        scores = {}
        for contest, indices in zip(contests, groups, strict=True):
            for index in indices:
                scores[index] = contest.score(candidates[index].sample)
        in_order = [scores[index] for index in range(len(candidates))]
        return Verdicts(in_order, total_usage(usages))

    def _play_round(self, contests: Sequence[Contest], context: VerificationContext) -> Usage:
        """Play the next round of every problem's tournament, as one batch."""
        seated: list[tuple[Contest, int, int]] = []
        for contest in contests:
            for pair in contest.bracket.pairs:
                first = contest.coin(pair, "shown first")
                for shown_as_a, shown_as_b in self.seats(pair, first):
                    seated.append((contest, shown_as_a, shown_as_b))
        requests = [self._request(*seats, context) for seats in seated]
        generation = context.engine.draw(requests, context.sampling)
        readings = []
        cut = 0
        for (_, first, second), samples in zip(seated, generation.samples, strict=True):
            text = samples[0].text
            letter = read_letter(text, self.wording)
            readings.append(Reading(first, second, letter, text))
            cut += samples[0].finish == "length" and letter is None
        # Readings stand in the order of contests and matches; each contest takes its share.
        remaining = iter(readings)
        for contest in contests:
            contest.settle_round(remaining, self.readings)
        return replace(generation.usage, cut=cut)

    def _request(
        self, contest: Contest, first: int, second: int, context: VerificationContext
    ) -> Request:
        """Return the question which of two samples is better, in the order of their seats."""
        shown_first = contest.entrants[first]
        shown_second = contest.entrants[second]
        texts = (shown_first.text, shown_second.text)
        prompt = self.prompt(context.task, shown_first.problem, texts, context.shots)
        # The order of the seats is part of the seed: both orders of a match differ in it.
        bracket = contest.bracket
        seed = derive(bracket.seed, "match", bracket.round, first, second)
        return Request(prompt, (seed,))
