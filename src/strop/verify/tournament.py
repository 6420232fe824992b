"""The tournament: a problem's responses meet in pairs, and the model says which of two is the better one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
    """Single elimination; the score is the number of rounds survived, from 0 to ceil(log2 K). A bye counts as survived.

    ``order`` "random": a coin decides who is shown first. "both": every match is played in both orders, and where the two readings
    disagree a coin decides. What cannot be read decides nothing: if no reading is left, a coin does, and both responses count as unparsed.
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
        if self.order not in get_args(Order):
            raise UsageError(
                f"tournament order {self.order!r}: expected one of {', '.join(get_args(Order))}"
            )

    def prompt(
        self, task: Task, problem: Problem, responses: tuple[str, ...], shots: list[Problem]
    ) -> Prompt:
        return tournament_prompt(task, problem, responses[0], responses[1], shots, self.wording)

    def questions(self, samples: int) -> int:
        return (samples - 1) * self.readings

    @property
    def readings(self) -> int:
        """How often a match is played."""
        return 2 if self.order == "both" else 1

    def seats(self, pair: tuple[int, int], first: int) -> list[tuple[int, int]]:
        """Who is shown as A and who as B, in each reading of a match."""
        return (
            [pair, pair[::-1]]
            if self.order == "both"
            else [pair if pair[0] == first else pair[::-1]]
        )

    def score(self, candidates: Sequence[Candidate], bench: VerificationContext) -> Verdicts:
        groups = by_problem(candidates)
        contests = [Contest([candidates[place] for place in places]) for places in groups]
        usages = [Usage()]
        while open_ := [contest for contest in contests if contest.bracket.pairs]:
            usages.append(self._play_round(open_, bench))
        pairs = zip(contests, groups, strict=True)
        scores = {
            place: contest.score(candidates[place].sample)
            for contest, places in pairs
            for place in places
        }
        return Verdicts([scores[place] for place in range(len(candidates))], total_usage(usages))

    def _play_round(self, contests: Sequence[Contest], bench: VerificationContext) -> Usage:
        """The next round of every problem's tournament, as one batch."""
        rounds = [(contest, pair) for contest in contests for pair in contest.bracket.pairs]
        seated = [
            (contest, *seats)
            for contest, pair in rounds
            for seats in self.seats(pair, contest.coin(pair, "shown first"))
        ]
        generation = bench.engine.sample(
            [self._request(*seats, bench) for seats in seated], bench.sampling
        )
        texts = [samples[0].text for samples in generation.samples]
        readings = (
            Reading(first, second, read_letter(text, self.wording), text)
            for (_, first, second), text in zip(seated, texts, strict=True)
        )
        for contest in contests:
            contest.settle_round(readings, self.readings)
        return generation.usage

    def _request(
        self, contest: Contest, first: int, second: int, bench: VerificationContext
    ) -> Request:
        one, other, bracket = contest.entrants[first], contest.entrants[second], contest.bracket
        prompt = self.prompt(bench.task, one.problem, (one.text, other.text), bench.shots)
        return Request(prompt, (derive(bracket.seed, "match", bracket.round, first, second),))
