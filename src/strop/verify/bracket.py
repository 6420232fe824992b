"""Single elimination: which responses meet, and which advance.

All draws depend on seeds alone, not on the rest of the batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from strop.records import Score
from strop.seeds import derive, fraction
from strop.verify.base import Candidate
from strop.verify.matches import Letter, Played, write_matches


class Bracket:
    """A tournament among samples.

    The seed alone decides which samples meet. The sample with the bye of an odd round plays in the
    next one.
    """

    def __init__(self, entrants: Iterable[int], seed: int) -> None:
        """Seat the samples in an order that the seed gives: neighbours meet first."""
        self.seed = seed
        self.round = 1
        self.players = sorted(entrants, key=lambda sample: derive(seed, "place", sample))
        self.survived = dict.fromkeys(self.players, 0)

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """The matches of the coming round; none once one sample is left.

        That sample has then survived ceil(log2 K) rounds.
        """
        # Neighbours meet. In an odd round the last player has no neighbour: zip drops it.
        return list(zip(self.players[::2], self.players[1::2], strict=False))

    def settle(self, winners: Sequence[int]) -> None:
        """End a round: ceil(players / 2) samples go on, and a bye counts as survived."""
        bye = []
        if len(self.players) % 2:
            bye = self.players[-1:]
        # The bye goes to the front, so that no sample has two byes in a row.
        self.players = [*bye, *winners]
        self.round += 1
        for sample in self.players:
            self.survived[sample] += 1


@dataclass(frozen=True, slots=True)
class Reading:
    """One answer of the model in a match.

    ``first`` and ``second`` are the samples shown as A and as B; ``letter`` is the one it named,
    None if none could be read; ``text`` is the answer.
    """

    first: int
    second: int
    letter: Letter | None
    text: str

    @property
    def named(self) -> int | None:
        """The sample that the letter stands for."""
        if self.letter is None:
            return None
        if self.letter == "A":
            return self.first
        return self.second


class Contest:
    """The candidates of one problem in one draw: their bracket, and the record of every match."""

    def __init__(self, entrants: Sequence[Candidate]) -> None:
        self.entrants = {candidate.sample: candidate for candidate in entrants}
        # A candidate's seed names its problem, sample and draw, and so do these together.
        seeds = [candidate.seed for candidate in entrants]
        seed = derive("bracket", *seeds)
        self.bracket = Bracket(self.entrants, seed)
        self.played: dict[int, list[Played]] = {sample: [] for sample in self.entrants}
        self.unread: set[int] = set()

    def coin(self, pair: tuple[int, int], purpose: str) -> int:
        """Return one of a pair, by a coin that belongs to this match and purpose alone."""
        heads = fraction(self.bracket.seed, purpose, self.bracket.round, *pair) < 0.5
        if heads:
            return pair[1]
        return pair[0]

    def settle_round(self, readings: Iterator[Reading], per_match: int) -> None:
        """Decide every match of the round; take ``per_match`` readings for each off the front."""
        winners = []
        for pair in self.bracket.pairs:
            of_match = [next(readings) for _ in range(per_match)]
            winners.append(self._decide(pair, of_match))
        self.bracket.settle(winners)

    def score(self, sample: int) -> Score:
        """Return the rounds that a sample survived, with the record of its matches as text."""
        return Score(
            score=float(self.bracket.survived[sample]),
            parsed=sample not in self.unread,
            text=write_matches(self.played[sample]),
        )

    def _decide(self, pair: tuple[int, int], readings: Sequence[Reading]) -> int:
        """Return the winner: by the readings where they agree, else by a coin."""
        # None stands for an answer that could not be read: it decides nothing.
        named = {reading.named for reading in readings} - {None}
        winner = named.pop() if len(named) == 1 else self.coin(pair, "outcome")
        assert winner in pair
        for reading in readings:
            self._record(reading, winner)
            if reading.letter is None:
                self.unread.update(pair)
        return winner

    def _record(self, reading: Reading, winner: int) -> None:
        """Note the reading for both samples; the text stands with the one shown as A only."""
        first, second = reading.first, reading.second
        of_first = Played(
            round=self.bracket.round,
            against=second,
            shown="A",
            read=reading.letter,
            won=winner == first,
            text=reading.text,
        )
        of_second = replace(of_first, against=first, shown="B", won=winner == second, text="")
        self.played[first].append(of_first)
        self.played[second].append(of_second)
