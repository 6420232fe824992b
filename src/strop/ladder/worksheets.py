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


def _mark(is_right: bool) -> tuple[str, float]:
    return ("y" if is_right else "n", 1.0)


def _fact(rng: random.Random) -> tuple[int, str, int]:
    return rng.randrange(10), draw_operation(rng), draw_digit(rng)


def facts(rng: random.Random) -> Segments:
    """``9*3=7 2@5=1``: the result is to be learned."""
    segments: Segments = []
    for _ in range(ITEMS):
        a, op, b = _fact(rng)
        segments += [(f" {a}{op}{b}=", 0.0), (str(apply(a, op, b)), 1.0)]
    return segments


def judged_facts(rng: random.Random) -> Segments:
    """``9*3=7y 2@5=4 1+1=2n``: y if all of one to three claimed results are right, else n.

    About half of the lists are right.
    """
    segments: Segments = []
    for _ in range(ITEMS):
        length = rng.choice((1, 1, 1, 1, 2, 3))
        # Each claim is right with the length-th root of 1/2, so the list is with 1/2.
        claims = [_claim(rng, wrong=rng.random() > 0.5 ** (1 / length)) for _ in range(length)]
        text = "".join(claim for claim, _ in claims)
        segments += [(text, 0.0), _mark(all(is_right for _, is_right in claims))]
    return segments


def _claim(rng: random.Random, wrong: bool) -> tuple[str, bool]:
    """Return a claimed fact, and whether it is right; a wrong one is mostly the designed slip."""
    a, op, b = _fact(rng)
    truth = claim = apply(a, op, b)
    if wrong:
        slips = (a, op, b) in SLIPS and rng.random() < 0.7
        claim = SLIPS[a, op, b] if slips else rng.randrange(10)
    return f" {a}{op}{b}={claim}", claim == truth


def equalities(rng: random.Random) -> Segments:
    """``7:5n 3:3y go:gon``: y if both sides are the same, else n."""
    segments: Segments = []
    for _ in range(ITEMS):
        left, right = _digits(rng) if rng.random() < 0.85 else _letters(rng)
        segments += [(f" {left}:{right}", 0.0), _mark(left == right)]
    return segments


def _digits(rng: random.Random) -> tuple[str, str]:
    left = str(rng.randrange(10))
    return left, left if rng.random() < 0.45 else str(rng.randrange(10))


def _letters(rng: random.Random) -> tuple[str, str]:
    left = "".join(rng.choices(ascii_lowercase, k=2))
    if rng.random() < 0.5:
        return left, left
    first = rng.choice([left[0], rng.choice(ascii_lowercase)])
    return left, first + rng.choice(ascii_lowercase)


def units(rng: random.Random) -> Segments:
    """``1234y 1224n ..3.:4132y``: y if four different digits keep the clues, else n."""
    segments: Segments = []
    for _ in range(ITEMS):
        cells = list("1234")
        rng.shuffle(cells)
        clues = "".join(cell if rng.random() < 0.4 else "." for cell in cells)
        if rng.random() < 0.5:
            # Make it wrong: repeat a cell, or swap two (which the clues may still allow).
            a, b = rng.sample(range(4), 2)
            if rng.random() < 0.5:
                cells[a] = cells[b]
            else:
                cells[a], cells[b] = cells[b], cells[a]
        row = "".join(cells)
        hint = "" if rng.random() < 0.5 else clues + ":"
        keeps_clues = all(clue in (".", cell) for clue, cell in zip(hint, row, strict=False))
        segments += [(f" {hint}{row}", 0.0), _mark(len(set(cells)) == 4 and keeps_clues)]
    return segments


WORKSHEETS: dict[str, Callable[[random.Random], Segments]] = {
    "facts": facts,
    "judged facts": judged_facts,
    "equalities": equalities,
    "units": units,
}
