"""What is written down of each match, so that position bias can be computed again from what is stored."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Letter = Literal["A", "B"]
LETTERS: tuple[Letter, ...] = get_args(Letter)
LONGEST_RECORD = 10_000_000


@dataclass(frozen=True, slots=True)
class Played:
    """One reading of a match, seen from one of its two responses.

    ``shown`` is the letter it was shown under, ``read`` the letter the model gave the match to, None where it could not be read;
    ``won`` is the match's outcome, by the reading or by the coin. ``text`` stands with the response shown as A, else it is empty.
    """

    round: int
    against: int
    shown: Letter
    read: Letter | None
    won: bool
    text: str


def write_matches(played: Sequence[Played]) -> str:
    """As a score's ``text`` holds them."""
    return json.dumps([asdict(match) for match in played])


def read_matches(text: str) -> list[Played]:
    """Back from a score's ``text``. ValueError for anything that ``write_matches`` does not write."""
    if len(text) > LONGEST_RECORD:
        raise ValueError(
            f"a record of matches has {len(text)} characters; expected {LONGEST_RECORD} at most"
        )
    try:
        rows = json.loads(text)
    except RecursionError:
        raise ValueError("a record of matches is nested too deeply") from None
    if not isinstance(rows, list) or not all(_is_played(row) for row in rows):
        raise ValueError(f"{text[:80]!r} is no record of matches")
    return [Played(**row) for row in rows]


def _is_played(row: object) -> bool:
    return (
        isinstance(row, dict)
        and row.keys() == {f.name for f in fields(Played)}
        and type(row["round"]) is type(row["against"]) is int
        and row["shown"] in LETTERS
        and row["read"] in (*LETTERS, None)
        and isinstance(row["won"], bool)
        and isinstance(row["text"], str)
    )


@dataclass(frozen=True, slots=True)
class PositionBias:
    """Counts by problem, to be divided as sums. ``first_won_P / read_P`` is 0.5 without bias; ``disagreed_P / twice_P`` is 0 then.

    ``read_P``: readings that named a winner; ``first_won_P``: those that named the response shown first. ``twice_P``: matches that were
    read in both orders; ``disagreed_P``: those of them whose two readings name different responses.
    """

    first_won_P: NDArray[np.float64]
    read_P: NDArray[np.float64]
    disagreed_P: NDArray[np.float64]
    twice_P: NDArray[np.float64]


def position_bias(texts: Iterable[Iterable[str]]) -> PositionBias:
    """How much being shown first is worth, from the texts of every problem's tournament scores."""
    counts = [_count([read_matches(text) for text in own]) for own in texts]
    return PositionBias(*np.array(counts, float).reshape(-1, 4).T)


def _count(rows: list[list[Played]]) -> tuple[int, int, int, int]:
    shown_first = [match.read for row in rows for match in row if match.shown == "A" and match.read]
    by_winner: list[
        list[bool]
    ] = []  # every match once: for each of its readings, did it name the winner?
    for row in rows:
        for number in {match.round for match in row if match.won}:
            by_winner.append(
                [match.read == match.shown for match in row if match.round == number and match.read]
            )
    twice = [named for named in by_winner if len(named) == 2]
    return (
        shown_first.count("A"),
        len(shown_first),
        sum(named[0] != named[1] for named in twice),
        len(twice),
    )
