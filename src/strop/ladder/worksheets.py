"""Short exercises in the parts of a check: facts, claimed facts, equality, rows of four cells.

Without them, and without a first stretch of training on them alone, small models learn to copy the
claim instead of comparing it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from string import ascii_lowercase

from strop.ladder.candidates import SLIPS
from strop.tasks.arithmetic import apply, draw_digit, draw_operation

Segments = list[tuple[str, float]]
"""Pieces of a document, each with the weight of its tokens in the loss."""
ITEMS = 10
"""Exercises on a worksheet."""


def _mark(is_right: bool) -> tuple[str, float]:
    """Return the mark of a check as a segment that is learned."""
    mark = "y" if is_right else "n"
    return (mark, 1.0)


def _fact(rng: random.Random) -> tuple[int, str, int]:
    """Draw the operands and the operation of a fact, in the order in which they are written."""
    a = rng.randrange(10)
    op = draw_operation(rng)
    b = draw_digit(rng)
    return a, op, b


def facts(rng: random.Random) -> Segments:
    """``9*3=7 2@5=1``: the result is to be learned."""
    segments: Segments = []
    for _ in range(ITEMS):
        a, op, b = _fact(rng)
        result = str(apply(a, op, b))
        segments += [(f" {a}{op}{b}=", 0.0), (result, 1.0)]
    return segments


def judged_facts(rng: random.Random) -> Segments:
    """``9*3=7y 2@5=4 1+1=2n``: y if all of one to three claimed results are right, else n.

    About half of the lists are right.
    """
    segments: Segments = []
    for _ in range(ITEMS):
        length = rng.choice((1, 1, 1, 1, 2, 3))
        # Each claim is right with the length-th root of 1/2, so the list is with 1/2.
        right_share = 0.5 ** (1 / length)
        text = ""
        all_right = True
        for _ in range(length):
            wrong = rng.random() > right_share
            claim, is_right = _claim(rng, wrong)
            text += claim
            all_right = all_right and is_right
        segments += [(text, 0.0), _mark(all_right)]
    return segments


def _claim(rng: random.Random, wrong: bool) -> tuple[str, bool]:
    """Return a claimed fact, and whether it is right; a wrong one is mostly the designed slip."""
    a, op, b = _fact(rng)
    truth = apply(a, op, b)
    claim = truth
    if wrong:
        # A random digit is right one time in ten: the mark follows the claim, not ``wrong``.
        slips = (a, op, b) in SLIPS and rng.random() < 0.7
        claim = SLIPS[a, op, b] if slips else rng.randrange(10)
    return f" {a}{op}{b}={claim}", claim == truth


def equalities(rng: random.Random) -> Segments:
    """``7:5n 3:3y go:gon``: y if both sides are the same, else n."""
    segments: Segments = []
    for _ in range(ITEMS):
        draw_sides = _digits if rng.random() < 0.85 else _letters
        left, right = draw_sides(rng)
        segments += [(f" {left}:{right}", 0.0), _mark(left == right)]
    return segments


def _digits(rng: random.Random) -> tuple[str, str]:
    """Draw two digits that are the same in about half of the cases."""
    left = str(rng.randrange(10))
    right = left
    if rng.random() >= 0.45:
        right = str(rng.randrange(10))
    return left, right


def _letters(rng: random.Random) -> tuple[str, str]:
    """Draw two pairs of letters: the same, or often with the same first letter."""
    left = "".join(rng.choices(ascii_lowercase, k=2))
    if rng.random() < 0.5:
        return left, left
    # The inner draw is made first, whichever of the two is chosen.
    other = rng.choice(ascii_lowercase)
    first = rng.choice([left[0], other])
    second = rng.choice(ascii_lowercase)
    return left, first + second


def units(rng: random.Random) -> Segments:
    """``1234y 1224n ..3.:4132y``: y if four different digits keep the clues, else n."""
    segments: Segments = []
    for _ in range(ITEMS):
        cells = list("1234")
        rng.shuffle(cells)
        clues = _clues(cells, rng)
        if rng.random() < 0.5:
            # Make it wrong: repeat a cell, or swap two (which the clues may still allow).
            a, b = rng.sample(range(4), 2)
            if rng.random() < 0.5:
                cells[a] = cells[b]
            else:
                cells[a], cells[b] = cells[b], cells[a]
        row = "".join(cells)
        are_different = len(set(cells)) == 4
        if rng.random() < 0.5:
            # Without clues only the digits count.
            segments += [(f" {row}", 0.0), _mark(are_different)]
        else:
            is_right = are_different and _keeps_clues(clues, row)
            segments += [(f" {clues}:{row}", 0.0), _mark(is_right)]
    return segments


def _clues(cells: list[str], rng: random.Random) -> str:
    """Return a row in which each cell stays with probability 0.4; "." is a blank."""
    clues = ""
    for cell in cells:
        clues += cell if rng.random() < 0.4 else "."
    return clues


def _keeps_clues(clues: str, row: str) -> bool:
    """Return whether every clue is the digit of its cell."""
    return all(clue in (".", cell) for clue, cell in zip(clues, row, strict=True))


WORKSHEETS: dict[str, Callable[[random.Random], Segments]] = {
    "facts": facts,
    "judged facts": judged_facts,
    "equalities": equalities,
    "units": units,
}
