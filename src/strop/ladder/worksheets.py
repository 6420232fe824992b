"""Short exercises in the parts of a check: single facts, judging a claimed fact, equality, and rows of four cells.

Without them, and without a first stretch of training on them alone, small models learn to copy the claim instead of comparing it.
"""

from __future__ import annotations

import random
from string import ascii_lowercase

from strop.ladder.candidates import SLIPS
from strop.tasks.arithmetic import apply, draw_digit, draw_operation

Segments = list[tuple[str, float]]
ITEMS = 10


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
    """``9*3=7y 2@5=4 1+1=2n``: are the claimed results, one to three of them, all right? Half of the lists are, about."""
    segments: Segments = []
    for _ in range(ITEMS):
        length = rng.choice((1, 1, 1, 1, 2, 3))
        claims = [_claim(rng, wrong=rng.random() > 0.5 ** (1 / length)) for _ in range(length)]
        segments += [
            ("".join(text for text, _ in claims), 0.0),
            ("y" if all(right for _, right in claims) else "n", 1.0),
        ]
    return segments


def _claim(rng: random.Random, wrong: bool) -> tuple[str, bool]:
    """A claimed fact, and whether it is right; a wrong one is mostly a slip, where there is one."""
    a, op, b = _fact(rng)
    truth = claim = apply(a, op, b)
    if wrong:
        claim = SLIPS[a, op, b] if (a, op, b) in SLIPS and rng.random() < 0.7 else rng.randrange(10)
    return f" {a}{op}{b}={claim}", claim == truth


def equalities(rng: random.Random) -> Segments:
    """``7:5n 3:3y go:gon``: are both sides the same?"""
    segments: Segments = []
    for _ in range(ITEMS):
        if rng.random() < 0.85:
            left = str(rng.randrange(10))
            right = left if rng.random() < 0.45 else str(rng.randrange(10))
        else:
            left = "".join(rng.choices(ascii_lowercase, k=2))
            right = (
                left
                if rng.random() < 0.5
                else rng.choice([left[0], rng.choice(ascii_lowercase)])
                + rng.choice(ascii_lowercase)
            )
        segments += [(f" {left}:{right}", 0.0), ("y" if left == right else "n", 1.0)]
    return segments


def units(rng: random.Random) -> Segments:
    """``1234y 1224n ..3.:4132y``: four different digits that keep the clues?"""
    segments: Segments = []
    for _ in range(ITEMS):
        cells = list("1234")
        rng.shuffle(cells)
        clues = "".join(cell if rng.random() < 0.4 else "." for cell in cells)
        if rng.random() < 0.5:
            a, b = rng.sample(range(4), 2)
            cells[a], cells[b] = (
                (cells[b], cells[b]) if rng.random() < 0.5 else (cells[b], cells[a])
            )
        row = "".join(cells)
        hint = "" if rng.random() < 0.5 else clues + ":"
        good = len(set(cells)) == 4 and all(
            clue in (".", cell) for clue, cell in zip(hint, row, strict=False)
        )
        segments += [(f" {hint}{row}", 0.0), ("y" if good else "n", 1.0)]
    return segments


WORKSHEETS = {
    "facts": facts,
    "judged facts": judged_facts,
    "equalities": equalities,
    "units": units,
}
