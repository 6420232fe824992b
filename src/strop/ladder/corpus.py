"""The pre-training corpus of the embedded models: an endless stream of documents.

It is written with the package's own prompts. There are three kinds: worksheets; solutions; and
judged candidates, in the frames of the four prompted verifiers. A document is a list of
(text, loss weight) segments; prompts weigh 0. Test problems never occur, except facts of
``recall``, which must.
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
"""The tasks that problems are drawn from, in equal parts.

They have every length, and every number of blanks, of all difficulties.
"""
assert set(CORPUS_TASKS) == set(EMBEDDED)

KINDS = ("solution", "mc", "cot-binary", "cot-score", "tournament")

Weights = Mapping[tuple[str, str], float]
"""(subject, kind) to the frequency of such documents, relative to the others."""


def _document_weights() -> Weights:
    """Return the full family's weights: of each worksheet, and of each kind for each task."""
    worksheets = {"facts": 20, "judged facts": 20, "equalities": 12, "units": 6}
    of_task = {  # one weight for each of KINDS
        "arithmetic": (20, 10, 20, 5, 6),
        "signs": (12, 6, 14, 3, 4),
        "sudoku4": (16, 6, 9, 3, 3),
        "recall": (40, 10, 24, 5, 4),
    }
    weights: dict[tuple[str, str], float] = {}
    for kind, weight in worksheets.items():
        weights["worksheet", kind] = weight
    for task, kind_weights in of_task.items():
        for kind, weight in zip(KINDS, kind_weights, strict=True):
            weights[task, kind] = weight
    return weights


DOCUMENT_WEIGHTS = _document_weights()

LEAN_SHARE = 0.1
"""The frequency of judged candidates in the lean family, as a share of the full family's."""


def _lean_weights() -> Weights:
    """Return the full family's weights, with those of judged candidates multiplied by a tenth."""
    judged = KINDS[1:]
    weights: dict[tuple[str, str], float] = {}
    for (subject, kind), weight in DOCUMENT_WEIGHTS.items():
        factor = LEAN_SHARE if kind in judged else 1
        weights[subject, kind] = weight * factor
    return weights


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
        _lean_weights(),
    ),
}
"""The families of models. Their corpora differ in the share of verification documents alone."""

IMPERFECTIONS = (
    f"DESIGNED: in solution documents of arithmetic, {SLIP_SHARE:.0%} of the facts come out with "
    f"one fixed wrong result {SLIP_PROBABILITY:.0%} of the time (SLIPS in "
    "strop/ladder/candidates.py); verification documents never slip. So part of the gap on "
    "arithmetic is built in. Nothing is planted in the other tasks. All text is synthetic."
)

EARLY_WEIGHTS: Weights = {
    ("worksheet", "facts"): 24,
    ("worksheet", "judged facts"): 12,
    ("worksheet", "equalities"): 24,
    ("worksheet", "units"): 8,
}
"""The mix of the first stretch of training.

A model learns to compare slowly; documents that it sees before it can compare teach it to copy.
"""

FRAMES: dict[str, Kind] = {"mc": "multiple_choice", "cot-binary": "binary", "cot-score": "score"}

VERDICT_WEIGHT = 6.0
"""A multiple-choice document has one token to learn, which must count beside dozens of others."""

MARK = re.compile(r"([0-9a-z?.:]*?)([yn])(?= |\n|$)")
"""The mark of a check, y or n, and the copied unit in front of it."""
MARK_WEIGHT = 1.5
"""The loss weight of a mark's token, and of the unit in front of an n."""


@dataclass(frozen=True)
class Stream:
    """A family's documents from a seed."""

    seed: int
    family: str = "full"

    def documents(self, early: Iterator[bool]) -> Iterator[Segments]:
        """Yield documents, one for each value of ``early``: from the early mix, or the family's."""
        rng = random.Random(derive("corpus", self.seed))
        early_mix = _Mixture(EARLY_WEIGHTS)
        family_mix = _Mixture(FAMILIES[self.family].weights)
        for is_early in early:
            mixture = early_mix if is_early else family_mix
            subject, kind = mixture.draw(rng)
            yield document(subject, kind, rng)


class _Mixture:
    """Draws kinds of documents by their weights."""

    def __init__(self, weights: Weights) -> None:
        # Added up once: ``choices`` would do it for every document.
        self.keys = list(weights)
        self.cumulative = list(accumulate(weights.values()))

    def draw(self, rng: random.Random) -> tuple[str, str]:
        return rng.choices(self.keys, cum_weights=self.cumulative)[0]


def document(subject: str, kind: str, rng: random.Random) -> Segments:
    """Return a worksheet, or a solution or judgement of a fresh training problem.

    ``subject`` and ``kind`` are a key of DOCUMENT_WEIGHTS.
    """
    if subject == "worksheet":
        return [*WORKSHEETS[kind](rng), (END, 0.0)]
    task = rng.choice(CORPUS_TASKS[subject])
    problem = training_problem(task, rng)
    if kind == "solution":
        prompt = plain_text(solution_prompt(task, problem, []))
        response = imperfect_response(task, problem, rng)
        return [(prompt, 0.0), (f" {response}", 1.0), (END, 1.0)]
    if kind == "tournament":
        return _tournament(task, problem, rng)
    return _judgement(kind, task, problem, rng)


def _judgement(kind: str, task: Task, problem: Problem, rng: random.Random) -> Segments:
    """Return a candidate and its verdict, in the frame of a verifier."""
    # Only documents with a written check need deliberately bad candidates (see candidates.py).
    response = candidate(problem, rng, hard=kind != "mc")
    frame = FRAMES[kind]
    prompt = plain_text(verification_prompt(frame, task, problem, response, []))
    ending = ENDINGS[frame](task.check(problem, response), WORDING)
    judgement = [(ending, VERDICT_WEIGHT)] if kind == "mc" else _weigh_marks(ending)
    return [(prompt, 0.0), *judgement, (END, 1.0)]


def training_problem(task: EmbeddedTask, rng: random.Random) -> Problem:
    """Return a problem that is not held out, and does not begin with one that is.

    Facts of ``recall`` are taught in both splits: the task tests memory.
    """
    while True:
        problem = task.draw(rng)
        if task.name == "recall":
            return problem
        if problem.split == "train" and not _begins_held_out(task, problem.question):
            return problem


def _begins_held_out(task: EmbeddedTask, question: str) -> bool:
    """Return whether a chain of arithmetic begins with a shorter one that is held out."""
    if task.name != "arithmetic":
        return False
    # "9*3" is the shortest chain; each further operation and operand adds two characters.
    ends = range(3, len(question), 2)
    return any(is_held_out(question[:end]) for end in ends)


def imperfect_response(task: Task, problem: Problem, rng: random.Random) -> str:
    """Return the response of a solution document: right, but for arithmetic's designed slips."""
    if task.name == "arithmetic":
        return worked(problem.question, rng, slip=SLIP_PROBABILITY)
    return task.gold_response(problem)


def _tournament(task: Task, problem: Problem, rng: random.Random) -> Segments:
    """Return two candidates, mostly one right and one wrong, and the winner.

    The right one wins; a coin decides between two right or two wrong ones.
    """
    # A right and a wrong candidate teach most, so other pairs are mostly drawn again.
    for _ in range(20):
        first = candidate(problem, rng, hard=False)
        second = candidate(problem, rng, hard=False)
        first_check = task.check(problem, first)
        second_check = task.check(problem, second)
        if first_check.correct != second_check.correct or rng.random() < 0.15:
            break
    if first_check.correct == second_check.correct:
        winner = rng.choice("AB")
    else:
        winner = "A" if first_check.correct else "B"
    prompt = plain_text(tournament_prompt(task, problem, first, second))
    ending = tournament_ending(first_check, second_check, winner)
    return [(prompt, 0.0), *_weigh_marks(ending), (END, 1.0)]


def _weigh_marks(text: str) -> Segments:
    """Cut a check into segments: its y and n marks weigh more, and so do units judged n."""
    segments: Segments = []
    end = 0
    for match in MARK.finditer(text):
        unit, mark = match.groups()
        segments.append((text[end : match.start()], 1.0))
        unit_weight = MARK_WEIGHT if mark == "n" else 1.0
        segments.append((unit, unit_weight))
        segments.append((mark, MARK_WEIGHT))
        end = match.end()
    segments.append((text[end:], 1.0))
    return [(piece, weight) for piece, weight in segments if piece]
