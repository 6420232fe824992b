"""The stored record of tournament matches, and the position bias computed from it."""

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
"""Characters. A longer record does not come from strop, and is not parsed."""


@dataclass(frozen=True, slots=True)
class Played:
    """One reading of a match, as recorded with one of its two responses.

    ``shown`` is the letter that the response was shown under. ``read`` is the letter that the model
    named as better, None where it could not be read. ``won`` is the outcome of the match, by the
    readings or by the coin. ``text`` stands with the response shown as A; else it is empty.
    """

    round: int
    against: int
    shown: Letter
    read: Letter | None
    won: bool
    text: str


def write_matches(played: Sequence[Played]) -> str:
    """Return the record of matches as the ``text`` of a score."""
    return json.dumps([asdict(match) for match in played])


def read_matches(text: str) -> list[Played]:
    """Return the matches recorded in a score's ``text``.

    Raises ValueError for anything that ``write_matches`` does not write.
    """
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
    """Return True if the row has exactly the fields of ``Played``, each of its type."""
    return (
        isinstance(row, dict)
        and row.keys() == {field.name for field in fields(Played)}
        # ``type(...) is int``, because True is an instance of int.
        and type(row["round"]) is type(row["against"]) is int
        and row["shown"] in LETTERS
        and row["read"] in (*LETTERS, None)
        and isinstance(row["won"], bool)
        and isinstance(row["text"], str)
    )


@dataclass(frozen=True, slots=True)
class PositionBias:
    """Counts by problem, to be summed and then divided.

    ``read_P`` counts the readings that named a winner, ``first_won_P`` those that named the
    response shown first; their ratio is 0.5 without bias. ``twice_P`` counts the matches that were
    read in both orders, ``disagreed_P`` those whose two readings name different responses; their
    ratio is 0 without bias.
    """

    first_won_P: NDArray[np.float64]
    read_P: NDArray[np.float64]
    disagreed_P: NDArray[np.float64]
    twice_P: NDArray[np.float64]


def position_bias(texts: Iterable[Iterable[str]]) -> PositionBias:
    """Count the advantage of being shown first, from the texts of each problem's scores."""
    counts = []
    for texts_of_problem in texts:
        records = [read_matches(text) for text in texts_of_problem]
        first_won, read = _count_first(records)
        disagreed, twice = _count_disagreements(records)
        counts.append((first_won, read, disagreed, twice))
    # (P, 4) even without a problem, so that the columns below exist.
    count_P4 = np.array(counts, float).reshape(-1, 4)
    first_won_P, read_P, disagreed_P, twice_P = count_P4.T
    return PositionBias(first_won_P, read_P, disagreed_P, twice_P)


def _count_first(records: list[list[Played]]) -> tuple[int, int]:
    """Count the readings that named the response shown first, and all that named one."""
    # Every reading is recorded twice; the record of the response shown as A stands for it.
    first_won = read = 0
    for record in records:
        for match in record:
            if match.shown == "A" and match.read:
                read += 1
                first_won += match.read == "A"
    return first_won, read


def _count_disagreements(records: list[list[Played]]) -> tuple[int, int]:
    """Count the matches whose two readings disagree, and all matches with two readings."""
    disagreed = twice = 0
    for record in records:
        # Every match has one winner, so the winners' records hold each match once.
        rounds_won = {match.round for match in record if match.won}
        for number in rounds_won:
            readings = [match for match in record if match.round == number and match.read]
            if len(readings) != 2:
                continue
            twice += 1
            first, second = readings
            first_names_winner = first.read == first.shown
            second_names_winner = second.read == second.shown
            disagreed += first_names_winner != second_names_winner
    return disagreed, twice
