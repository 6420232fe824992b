"""Right and wrong responses to judge: the subjects of the corpus's verification documents.

Wrong candidates look like a model's errors. In arithmetic, documents that show a written check get
deliberately bad candidates: with few wrong lines, a small model learns to copy the claim instead of
working the step out again.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import product
from string import ascii_lowercase

from strop.records import Problem
from strop.seeds import fraction
from strop.tasks.arithmetic import OPERATIONS, apply, read_chain, solve, write_solution
from strop.tasks.recall import FACT_OF, KEYS
from strop.tasks.signs import choices, read_question
from strop.tasks.sudoku4 import GRIDS, in_rows, is_held_out, is_solution

SLIP_SHARE = 0.30
"""Share of the facts of arithmetic that slip in solution documents."""
SLIP_PROBABILITY = 0.40
"""The probability that such a fact slips, each time that it occurs."""


def _designed_slips() -> dict[tuple[int, str, int], int]:
    """Return the one wrong result of each fact that slips: one more or less than the right one."""
    slips = {}
    for a, op, b in product(range(10), OPERATIONS, range(10)):
        # A hash of the fact decides, so the slips are the same in every corpus and process.
        if fraction("slip", a, op, b) >= SLIP_SHARE:
            continue
        offset = -1
        if fraction("slip direction", a, op, b) < 0.5:
            offset = 1
        slips[a, op, b] = (apply(a, op, b) + offset) % 10
    return slips


SLIPS = _designed_slips()
"""A DESIGNED IMPERFECTION. On these facts, solution documents of arithmetic show one fixed wrong
result with SLIP_PROBABILITY; verification documents never do. So the generator errs where the
verifier need not: a gap that pre-training could close is built in."""

TRAINING_GRIDS = [grid for grid in GRIDS if not is_held_out(grid)]


def worked(question: str, rng: random.Random, slip: float = 0.0, noise: float = 0.0) -> str:
    """Return a worked solution with errors.

    A step of SLIPS slips with probability ``slip``; any other step is random with probability
    ``noise``. Later steps go on from the wrong result, as a model's would.
    """
    current, steps = read_chain(question)
    results = []
    for op, operand in steps:
        fact = (current, op, operand)
        result = apply(current, op, operand)
        # The number of draws a step depends on its fact: the order of these conditions is part of
        # what a corpus seed means.
        if fact in SLIPS and rng.random() < slip:
            result = SLIPS[fact]
        elif rng.random() < noise:
            result = rng.randrange(10)
        results.append(result)
        current = result
    return write_solution(question, results)


def arithmetic_candidate(problem: Problem, rng: random.Random, hard: bool) -> str:
    """Return a candidate that is wrong in 60% of cases.

    ``hard``: in 80%, and most of those have about half of their lines wrong.
    """
    question = problem.question
    gold = write_solution(question, solve(question))
    right_share = 0.2 if hard else 0.4
    noise_beside_slips = 0.15 if hard else 0.05
    noise = 0.5 if hard else 0.3
    if rng.random() < right_share:
        return gold
    while True:
        # A third are mostly the generator's designed slips; the others are random errors.
        if rng.random() < 0.35:
            candidate = worked(question, rng, slip=0.6, noise=noise_beside_slips)
        else:
            candidate = worked(question, rng, noise=noise)
        # No error may have happened; then draw again.
        if candidate != gold:
            return candidate


def signs_candidate(problem: Problem, rng: random.Random) -> str:
    """Return a candidate that reaches the target in 40% of cases."""
    target = read_question(problem.question)[1]
    shall_reach = rng.random() < 0.4
    candidates = []
    for choice in choices(problem.question):
        reaches = solve(choice)[-1] == target
        if reaches is shall_reach:
            candidates.append(choice)
    return rng.choice(candidates)


def sudoku_candidate(problem: Problem, rng: random.Random) -> str:
    """Return a candidate that is right in 35% of cases; else a wrong grid."""
    assert problem.reference is not None
    if rng.random() < 0.35:
        return problem.reference
    clues = problem.question.replace(" ", "")
    grid = problem.reference.replace(" ", "")
    while True:
        # A change may give another valid grid; then change again.
        cells = _changed_grid(clues, grid, rng)
        if not is_solution(clues, cells):
            return in_rows(cells)


def _changed_grid(clues: str, grid: str, rng: random.Random) -> str:
    """Return a grid with a few wrong cells, two cells swapped, broken clues, or guesses."""
    blanks = [cell for cell in range(16) if clues[cell] == "."]
    cells = list(grid)
    draw = rng.random()
    if draw < 0.45:
        # One to three blanks are filled anew.
        wrong = min(len(blanks), rng.randint(1, 3))
        for cell in rng.sample(blanks, wrong):
            cells[cell] = rng.choice("1234")
    elif draw < 0.65:
        # Two cells of one row change places.
        row = 4 * rng.randrange(4)
        a, b = rng.sample(range(4), 2)
        cells[row + a], cells[row + b] = cells[row + b], cells[row + a]
    elif draw < 0.87:
        # A valid grid, of 40 the one that breaks the fewest clues.
        others = [other for other in rng.sample(TRAINING_GRIDS, 40) if other != grid]
        nearest: str = min(others, key=lambda other: _broken_clues(clues, other))
        cells = list(nearest)
    else:
        # All blanks are guessed.
        for cell in blanks:
            cells[cell] = rng.choice("1234")
    return "".join(cells)


def _broken_clues(clues: str, grid: str) -> int:
    """Return the number of clues that a grid does not keep; "." is no clue."""
    broken = 0
    for clue, cell in zip(clues, grid, strict=True):
        if clue not in (".", cell):
            broken += 1
    return broken


def recall_candidate(problem: Problem, rng: random.Random) -> str:
    """Return a candidate that is right in half of the cases; else another fact, or typos."""
    truth = FACT_OF[problem.question]
    if rng.random() < 0.5:
        return truth
    while True:
        other_fact = rng.random() < 0.6
        candidate = FACT_OF[rng.choice(KEYS)] if other_fact else _with_typos(truth, rng)
        if candidate != truth:
            return candidate


def _with_typos(text: str, rng: random.Random) -> str:
    """Return the text with about half of its characters replaced by random letters."""
    letters = []
    for char in text:
        if rng.random() < 0.5:
            letters.append(char)
        else:
            letters.append(rng.choice(ascii_lowercase))
    return "".join(letters)


CANDIDATES: dict[str, Callable[[Problem, random.Random], str]] = {
    "signs": signs_candidate,
    "sudoku4": sudoku_candidate,
    "recall": recall_candidate,
}


def candidate(problem: Problem, rng: random.Random, hard: bool) -> str:
    """Return a response to judge. ``hard`` asks for deliberately bad ones, in arithmetic alone."""
    task = problem.id.split("-", 1)[0]
    if task == "arithmetic":
        return arithmetic_candidate(problem, rng, hard)
    return CANDIDATES[task](problem, rng)
