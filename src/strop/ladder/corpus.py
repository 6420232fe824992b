"""The pre-training corpus of the embedded models: an endless stream of documents, written with the package's own prompts.

Three kinds: worksheets; solutions; and judged candidates, in the frames of the four prompted verifiers. A document is a list of
(text, loss weight) segments; prompts weigh 0. Test problems never occur, facts of ``recall`` aside, which must.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate

from strop.engines.base import plain_text
from strop.ladder.candidates import SLIP_PROBABILITY, SLIP_SHARE, candidate, worked
from strop.ladder.worksheets import WORKSHEETS, Segments
from strop.prompts import WORDING, solution_prompt, tournament_prompt, verification_prompt
from strop.prompts.build import ENDINGS, Kind, tournament_ending
from strop.records import Problem
from strop.seeds import derive
from strop.tasks import EMBEDDED, Arithmetic, Recall, Signs, Sudoku4, Task
from strop.tasks.arithmetic import is_held_out

END = "</s>"
EmbeddedTask = Arithmetic | Signs | Recall | Sudoku4

CORPUS_TASKS: dict[str, tuple[EmbeddedTask, ...]] = {
    "arithmetic": (Arithmetic(steps=3), Arithmetic(), Arithmetic(), Arithmetic(steps=6)),
    "signs": (Signs(numbers=4), Signs(), Signs(), Signs(numbers=7)),
    "recall": (Recall(),),
    "sudoku4": (Sudoku4(blanks=tuple(range(3, 13))),),
}
"""What problems of each task are drawn from, in equal parts: every length and number of blanks that the difficulties have."""
assert set(CORPUS_TASKS) == set(EMBEDDED)

KINDS = ("solution", "mc", "cot-binary", "cot-score", "tournament")
_BY_TASK = {
    "arithmetic": (20, 10, 20, 5, 6),
    "signs": (12, 6, 14, 3, 4),
    "sudoku4": (16, 6, 9, 3, 3),
    "recall": (40, 10, 24, 5, 4),
}
_WORKSHEETS = {"facts": 20, "judged facts": 20, "equalities": 12, "units": 6}

Weights = Mapping[tuple[str, str], float]

DOCUMENT_WEIGHTS: Weights = {
    ("worksheet", kind): weight for kind, weight in _WORKSHEETS.items()
} | {
    (task, kind): weight
    for task, weights in _BY_TASK.items()
    for kind, weight in zip(KINDS, weights, strict=True)
}
"""How often each kind of document is drawn, against the others."""

LEAN_SHARE = 0.1


@dataclass(frozen=True)
class Mix:
    """The corpus of a family of models."""

    description: str
    weights: Weights


FAMILIES = {
    "full": Mix(
        "worksheets, solutions, and judged candidates in the frames of the four prompted verifiers",
        DOCUMENT_WEIGHTS,
    ),
    "lean": Mix(
        f"as the full family's, but judged candidates are drawn {LEAN_SHARE:g} times as often",
        {
            key: weight * (LEAN_SHARE if key[1] in KINDS[1:] else 1)
            for key, weight in DOCUMENT_WEIGHTS.items()
        },
    ),
}
"""The two families of models: their corpora differ in the share of verification documents, and in nothing else."""

IMPERFECTIONS = (
    f"DESIGNED: in solution documents of arithmetic, {SLIP_SHARE:.0%} of the facts come out with one fixed wrong result "
    f"{SLIP_PROBABILITY:.0%} of the time (SLIPS in strop/ladder/candidates.py); verification documents never slip. So part of the gap on "
    "arithmetic is built in. Nothing is planted in the other tasks. All text is synthetic."
)

EARLY_WEIGHTS: Weights = {
    ("worksheet", "facts"): 24,
    ("worksheet", "judged facts"): 12,
    ("worksheet", "equalities"): 24,
    ("worksheet", "units"): 8,
}
"""The first stretch of training: comparing is the slow circuit, and what is learned after it learns to copy instead."""

MARK = re.compile(r"([0-9a-z?.:]*?)([yn])(?= |\n|$)")
MARK_WEIGHT = 1.5
VERDICT_WEIGHT = 6.0
"""A multiple-choice document teaches by its verdict alone: one token, which has to count beside documents of dozens."""
FRAMES: dict[str, Kind] = {"mc": "multiple_choice", "cot-binary": "binary", "cot-score": "score"}


@dataclass(frozen=True)
class Stream:
    """A family's documents from a seed. ``documents(early)`` yields for ever; ``early`` is asked before each draw."""

    seed: int
    family: str = "full"

    def documents(self, early: Iterator[bool]) -> Iterator[Segments]:
        rng = random.Random(derive("corpus", self.seed))
        mixes = {
            flag: (list(weights), list(accumulate(weights.values())))
            for flag, weights in ((True, EARLY_WEIGHTS), (False, FAMILIES[self.family].weights))
        }
        for flag in early:
            kinds, cumulative = mixes[flag]
            yield document(*rng.choices(kinds, cum_weights=cumulative)[0], rng)


def document(subject: str, kind: str, rng: random.Random) -> Segments:
    """One document: a worksheet, or a solution or judgement of a fresh training problem."""
    if subject == "worksheet":
        return [*WORKSHEETS[kind](rng), (END, 0.0)]
    task = rng.choice(CORPUS_TASKS[subject])
    problem = training_problem(task, rng)
    if kind == "solution":
        return [
            (plain_text(solution_prompt(task, problem, [])), 0.0),
            (" " + imperfect_response(task, problem, rng), 1.0),
            (END, 1.0),
        ]
    if kind == "tournament":
        return _tournament(task, problem, rng)
    response = candidate(problem, rng, hard=kind != "mc")
    check = task.check(problem, response)
    frame = FRAMES[kind]
    prompt, ending = (
        plain_text(verification_prompt(frame, task, problem, response, [])),
        ENDINGS[frame](check, WORDING),
    )
    judgement = [(ending, VERDICT_WEIGHT)] if kind == "mc" else _weigh_marks(ending)
    return [(prompt, 0.0), *judgement, (END, 1.0)]


def training_problem(task: EmbeddedTask, rng: random.Random) -> Problem:
    """A problem that is not held out, nor begins with one that is. Facts are taught whatever their split: what is tested is memory."""
    while True:
        problem = task.draw(rng)
        if task.name == "recall" or (
            problem.split == "train"
            and not (task.name == "arithmetic" and _begins_held_out(problem.question))
        ):
            return problem


def _begins_held_out(question: str) -> bool:
    """Is a shorter chain that this one begins with held out?"""
    return any(is_held_out(question[:end]) for end in range(3, len(question), 2))


def imperfect_response(task: Task, problem: Problem, rng: random.Random) -> str:
    """What a solution document shows: right, but for arithmetic's designed slips."""
    return (
        worked(problem.question, rng, slip=SLIP_PROBABILITY)
        if task.name == "arithmetic"
        else task.gold_response(problem)
    )


def _tournament(task: Task, problem: Problem, rng: random.Random) -> Segments:
    """Two candidates, mostly one right and one wrong; the right one wins, and a coin decides between two right or two wrong ones."""
    for _ in range(20):
        first, second = candidate(problem, rng, hard=False), candidate(problem, rng, hard=False)
        checks = task.check(problem, first), task.check(problem, second)
        if checks[0].correct != checks[1].correct or rng.random() < 0.15:
            break
    right = [check.correct for check in checks]
    winner = rng.choice("AB") if right[0] == right[1] else "A" if right[0] else "B"
    prompt = plain_text(tournament_prompt(task, problem, first, second))
    return [(prompt, 0.0), *_weigh_marks(tournament_ending(*checks, winner)), (END, 1.0)]


def _weigh_marks(text: str) -> Segments:
    """The y and n marks of a check weigh more, and so does the copy of a unit judged n."""
    segments: Segments = []
    place = 0
    for match in MARK.finditer(text):
        segments += [(text[place : match.start()], 1.0)]
        segments += [
            (match.group(1), MARK_WEIGHT if match.group(2) == "n" else 1.0),
            (match.group(2), MARK_WEIGHT),
        ]
        place = match.end()
    return [(piece, weight) for piece, weight in [*segments, (text[place:], 1.0)] if piece]
