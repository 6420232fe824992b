"""Single elimination: who meets whom, and who goes on. All by seeds, whatever else is in the batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from strop.records import Score
from strop.seeds import derive, fraction
from strop.verify.base import Candidate
from strop.verify.matches import Letter, Played, write_matches


class Bracket:
    """A tournament among samples. The seed alone decides who meets whom; who had the bye of an odd round plays in the next one."""

    def __init__(self, entrants: Iterable[int], seed: int) -> None:
        self.seed, self.round = seed, 1
        self.players = sorted(entrants, key=lambda sample: derive(seed, "place", sample))
        self.survived = dict.fromkeys(self.players, 0)

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """The matches of the coming round; none once a single one is left, who has then survived ceil(log2 K) rounds."""
        return list(zip(self.players[::2], self.players[1::2], strict=False))

    def settle(self, winners: Sequence[int]) -> None:
        """End a round: ceil(players / 2) go on, and a bye counts as survived."""
        bye = self.players[-1:] if len(self.players) % 2 else []
        self.players = [*bye, *winners]
        self.round += 1
        for sample in self.players:
            self.survived[sample] += 1


@dataclass(frozen=True, slots=True)
class Reading:
    """One answer of the model: the samples shown as A and as B, the letter it named (None: none could be read), and its words."""

    first: int
    second: int
    letter: Letter | None
    text: str

    @property
    def named(self) -> int | None:
        return {"A": self.first, "B": self.second, None: None}[self.letter]


class Contest:
    """A problem's candidates in one draw: their bracket, and what was written down of every match."""

    def __init__(self, entrants: Sequence[Candidate]) -> None:
        self.entrants = {item.sample: item for item in entrants}
        self.bracket = Bracket(self.entrants, derive("bracket", *(item.seed for item in entrants)))
        self.played: dict[int, list[Played]] = {sample: [] for sample in self.entrants}
        self.unread: set[int] = set()

    def coin(self, pair: tuple[int, int], what: str) -> int:
        """One of a pair, by a coin that belongs to this match alone."""
        return pair[fraction(self.bracket.seed, what, self.bracket.round, *pair) < 0.5]

    def settle_round(self, readings: Iterator[Reading], per_match: int) -> None:
        """Decide every match of the round, taking its readings off the front."""
        self.bracket.settle(
            [
                self._decide(pair, [next(readings) for _ in range(per_match)])
                for pair in self.bracket.pairs
            ]
        )

    def score(self, sample: int) -> Score:
        """Rounds survived."""
        return Score(
            float(self.bracket.survived[sample]),
            sample not in self.unread,
            write_matches(self.played[sample]),
        )

    def _decide(self, pair: tuple[int, int], readings: Sequence[Reading]) -> int:
        """The winner: by the readings where they agree, else by a coin."""
        named = {reading.named for reading in readings} - {None}
        winner = named.pop() if len(named) == 1 else self.coin(pair, "outcome")
        assert winner in pair
        for one in readings:
            self.played[one.first].append(
                Played(
                    self.bracket.round, one.second, "A", one.letter, winner == one.first, one.text
                )
            )
            self.played[one.second].append(
                Played(self.bracket.round, one.first, "B", one.letter, winner == one.second, "")
            )
        if any(reading.letter is None for reading in readings):
            self.unread.update(pair)
        return winner
