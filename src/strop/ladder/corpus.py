"""The pre-training corpus of the embedded models: an endless stream of documents, written with the package's own prompts.

Three kinds: worksheets; solutions; and judged candidates, in the frames of the four prompted verifiers. A document is a list of
(text, loss weight) segments; prompts weigh 0. Test problems never occur, facts of ``recall`` aside, which must.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from strop.engines.base import plain_text
from strop.ladder.candidates import SLIP_PROBABILITY, candidate, worked
from strop.ladder.worksheets import WORKSHEETS, Segments
from strop.prompts import WORDING, solution_prompt, tournament_prompt, verification_prompt
from strop.prompts.build import binary_ending, multiple_choice_ending, score_ending, tournament_ending
from strop.records import Problem
from strop.seeds import derive
from strop.tasks import TASKS, Arithmetic, Recall, Signs, Sudoku4, Task

END = "</s>"
EmbeddedTask = Arithmetic | Signs | Recall | Sudoku4

CORPUS_TASKS: dict[str, EmbeddedTask] = {
    "arithmetic": Arithmetic(),
    "signs": Signs(),
    "recall": Recall(),
    "sudoku4": Sudoku4(blanks=(4, 6, 8, 10, 12)),
}
assert set(CORPUS_TASKS) == set(TASKS)

KINDS = ("solution", "mc", "cot-binary", "cot-score", "tournament")
_BY_TASK = {"arithmetic": (20, 8, 20, 4, 1), "signs": (12, 5, 14, 2, 1), "sudoku4": (16, 5, 9, 2, 0.5), "recall": (40, 10, 24, 4, 2)}
_WORKSHEETS = {"facts": 24, "judged facts": 4, "equalities": 12, "units": 6}

DOCUMENT_WEIGHTS: dict[tuple[str, str], float] = {("worksheet", kind): weight for kind, weight in _WORKSHEETS.items()} | {
    (task, kind): weight for task, weights in _BY_TASK.items() for kind, weight in zip(KINDS, weights, strict=True)
}
"""How often each kind of document is drawn, against the others."""

EARLY_WEIGHTS: dict[tuple[str, str], float] = {("worksheet", "facts"): 24, ("worksheet", "equalities"): 24, ("worksheet", "units"): 8}
"""The first stretch of training: comparing is the slow circuit, and what is learned after it learns to copy instead."""

MARK = re.compile(r"([0-9a-z?.:]*?)([yn])(?= |\n|$)")
MARK_WEIGHT = 1.5


@dataclass(frozen=True)
class Stream:
    """Documents from a seed. ``documents(early)`` yields for ever; ``early`` is asked before each draw."""

    seed: int

    def documents(self, early: Iterator[bool]) -> Iterator[Segments]:
        rng = random.Random(derive("corpus", self.seed))
        mixes = {
            flag: (list(weights), list(accumulate(weights.values())))
            for flag, weights in ((True, EARLY_WEIGHTS), (False, DOCUMENT_WEIGHTS))
        }
        for flag in early:
            kinds, cumulative = mixes[flag]
            yield document(*rng.choices(kinds, cum_weights=cumulative)[0], rng)


def document(subject: str, kind: str, rng: random.Random) -> Segments:
    """One document: a worksheet, or a solution or judgement of a fresh training problem."""
    if subject == "worksheet":
        return [*WORKSHEETS[kind](rng), (END, 0.0)]
    task = CORPUS_TASKS[subject]
    problem = training_problem(task, rng)
    if kind == "solution":
        return [(plain_text(solution_prompt(task, problem, [])), 0.0), (" " + imperfect_response(task, problem, rng), 1.0), (END, 1.0)]
    if kind == "tournament":
        return _tournament(task, problem, rng)
    response = candidate(problem, rng, hard=kind != "mc")
    check = task.check(problem, response)
    frame, ending = {
        "mc": (WORDING.multiple_choice, multiple_choice_ending),
        "cot-binary": (WORDING.binary, binary_ending),
        "cot-score": (WORDING.score, score_ending),
    }[kind]
    prompt = plain_text(verification_prompt(frame, task, problem, response, []))
    return [(prompt, 0.0), *_weigh_marks(ending(check)), (END, 1.0)]


def training_problem(task: EmbeddedTask, rng: random.Random) -> Problem:
    """A problem that is not held out. Facts are taught whatever their split, since what is tested is whether they were learned."""
    while True:
        problem = task.draw(rng)
        if problem.split == "train" or task.name == "recall":
            return problem


def imperfect_response(task: Task, problem: Problem, rng: random.Random) -> str:
    """What a solution document shows: right, but for arithmetic's designed slips."""
    return worked(problem.question, rng, slip=SLIP_PROBABILITY) if task.name == "arithmetic" else task.gold_response(problem)


def _tournament(task: Task, problem: Problem, rng: random.Random) -> Segments:
    """Two candidates, mostly one right and one wrong; the one with more checks that hold wins, ties by a coin."""
    for _ in range(20):
        first, second = candidate(problem, rng, hard=False), candidate(problem, rng, hard=False)
        checks = task.check(problem, first), task.check(problem, second)
        if checks[0].correct != checks[1].correct or rng.random() < 0.1:
            break
    keys = [(check.correct, check.share) for check in checks]
    winner = "A" if keys[0] > keys[1] else "B" if keys[1] > keys[0] else rng.choice("AB")
    prompt = plain_text(tournament_prompt(task, problem, first, second))
    return [(prompt, 0.0), *_weigh_marks(tournament_ending(*checks, winner)), (END, 1.0)]


def _weigh_marks(text: str) -> Segments:
    """The y and n marks of a check weigh more, and so does the copy of a unit judged n."""
    segments: Segments = []
    place = 0
    for match in MARK.finditer(text):
        segments += [(text[place : match.start()], 1.0)]
        segments += [(match.group(1), MARK_WEIGHT if match.group(2) == "n" else 1.0), (match.group(2), MARK_WEIGHT)]
        place = match.end()
    return [(piece, weight) for piece, weight in [*segments, (text[place:], 1.0)] if piece]
