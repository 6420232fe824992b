"""Right and wrong responses to judge: what the verification documents of the corpus are written about.

Wrong candidates are made to look like a model's errors. In arithmetic, documents that show a written check are given deliberately
bad candidates: with few wrong lines, a small model learns to copy the claim instead of working the step out again.
"""

from __future__ import annotations

import random
from string import ascii_lowercase

from strop.records import Problem
from strop.seeds import fraction
from strop.tasks.arithmetic import OPERATIONS, apply, read_chain, solve, write_solution
from strop.tasks.recall import FACT_OF, KEYS
from strop.tasks.signs import choices, read_question
from strop.tasks.sudoku4 import GRIDS, in_rows, is_held_out, is_solution

SLIP_SHARE = 0.30
SLIP_PROBABILITY = 0.40

SLIPS = {
    (a, op, b): (apply(a, op, b) + (1 if fraction("slip direction", a, op, b) < 0.5 else -1)) % 10
    for a in range(10)
    for op in OPERATIONS
    for b in range(10)
    if fraction("slip", a, op, b) < SLIP_SHARE
}
"""A DESIGNED IMPERFECTION. On these facts, solution documents of arithmetic give one fixed wrong result with SLIP_PROBABILITY;
verification documents never do. So the generator errs where the verifier need not: a gap that pre-training could close is built in."""

TRAINING_GRIDS = [grid for grid in GRIDS if not is_held_out(grid)]


def worked(question: str, rng: random.Random, slip: float = 0.0, noise: float = 0.0) -> str:
    """A worked solution whose steps slip on SLIPS, or go wrong at random, with these probabilities."""
    current, steps = read_chain(question)
    results = []
    for op, operand in steps:
        result = apply(current, op, operand)
        if (current, op, operand) in SLIPS and rng.random() < slip:
            result = SLIPS[current, op, operand]
        elif rng.random() < noise:
            result = rng.randrange(10)
        results.append(result)
        current = result
    return write_solution(question, results)


def arithmetic_candidate(problem: Problem, rng: random.Random, hard: bool) -> str:
    """``hard``: 80% wrong, with about half the lines wrong in most of those; else 60% wrong."""
    gold = write_solution(problem.question, solve(problem.question))
    if rng.random() < (0.2 if hard else 0.4):
        return gold
    while True:
        if rng.random() < 0.35:
            candidate = worked(problem.question, rng, slip=0.6, noise=0.15 if hard else 0.05)
        else:
            candidate = worked(problem.question, rng, noise=0.5 if hard else 0.3)
        if candidate != gold:
            return candidate


def signs_candidate(problem: Problem, rng: random.Random) -> str:
    """40% of candidates reach the target."""
    target = read_question(problem.question)[1]
    wanted = rng.random() < 0.4
    return rng.choice(
        [choice for choice in choices(problem.question) if (solve(choice)[-1] == target) is wanted]
    )


def sudoku_candidate(problem: Problem, rng: random.Random) -> str:
    """35% right; else a few wrong cells, two cells swapped, a near grid that breaks a clue, or guesses."""
    assert problem.reference is not None
    if rng.random() < 0.35:
        return problem.reference
    clues, grid = problem.question.replace(" ", ""), problem.reference.replace(" ", "")
    while True:
        cells = _wrong_grid(clues, grid, rng)
        if not is_solution(clues, cells):
            return in_rows(cells)


def _wrong_grid(clues: str, grid: str, rng: random.Random) -> str:
    blanks = [cell for cell in range(16) if clues[cell] == "."]
    cells = list(grid)
    kind = rng.random()
    if kind < 0.45:
        for cell in rng.sample(blanks, min(len(blanks), rng.randint(1, 3))):
            cells[cell] = rng.choice("1234")
    elif kind < 0.65:
        row, (a, b) = rng.randrange(4), rng.sample(range(4), 2)
        cells[4 * row + a], cells[4 * row + b] = cells[4 * row + b], cells[4 * row + a]
    elif kind < 0.87:
        others = [other for other in rng.sample(TRAINING_GRIDS, 40) if other != grid]
        cells = list(
            min(
                others,
                key=lambda other: sum(
                    clue not in (".", cell) for clue, cell in zip(clues, other, strict=True)
                ),
            )
        )
    else:
        for cell in blanks:
            cells[cell] = rng.choice("1234")
    return "".join(cells)


def recall_candidate(problem: Problem, rng: random.Random) -> str:
    """Half right; else another key's value, or letters changed."""
    truth = FACT_OF[problem.question]
    if rng.random() < 0.5:
        return truth
    while True:
        if rng.random() < 0.6:
            candidate = FACT_OF[rng.choice(KEYS)]
        else:
            candidate = "".join(
                char if rng.random() < 0.5 else rng.choice(ascii_lowercase) for char in truth
            )
        if candidate != truth:
            return candidate


def candidate(problem: Problem, rng: random.Random, hard: bool) -> str:
    """A response to judge. ``hard`` asks for deliberately bad ones, where the task makes the difference."""
    task = problem.id.split("-", 1)[0]
    if task == "arithmetic":
        return arithmetic_candidate(problem, rng, hard)
    return {"signs": signs_candidate, "sudoku4": sudoku_candidate, "recall": recall_candidate}[
        task
    ](problem, rng)
