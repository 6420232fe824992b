"""One way to write a solution prompt and a verification prompt, for every task and every model.

A prompt is a list of turns: few-shot examples as user and assistant, then the user's turn to be answered. The engine renders it, as
a chat or as plain text. Responses are untrusted, but they only ever go into prompts, as text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from strop.errors import UsageError
from strop.prompts.wording import WORDING, Example, Wording
from strop.records import Message, Problem, Prompt
from strop.tasks.base import Check, Judged, Task

Kind = Literal["multiple_choice", "binary", "score"]


def next_question(frame: str) -> str:
    """How a base model goes on where nothing stops it: it invents the next question. Empty where a frame has no words before its holes."""
    words = frame.split("{", 1)[0].split("\n")
    first = next((line.strip() for line in words if line.strip()), "")
    return f"\n{first}" if first else ""


NEXT_QUESTION = next_question(WORDING.solution)

# User text goes in by replacement, not str.format: a response full of braces is only text.


def _fill(frame: str, **parts: str) -> str:
    """Fill the holes, in whatever order they stand, never looking for holes in what was filled in."""
    pieces = re.split(f"{{({'|'.join(parts)})}}", frame)
    return "".join(parts[piece] if place % 2 else piece for place, piece in enumerate(pieces))


def _with_examples(examples: list[tuple[str, str]], last: str) -> Prompt:
    turns = [
        turn
        for user, assistant in examples
        for turn in (Message("user", user), Message("assistant", assistant))
    ]
    return (*turns, Message("user", last))


def _asked(task: Task, problem: Problem) -> str:
    """The question, after the task's own instruction."""
    return f"{task.instruction}\n{problem.question}" if task.instruction else problem.question


def solution_prompt(task: Task, problem: Problem, shots: list[Problem]) -> Prompt:
    """Ask for a response to the problem, after worked examples."""
    if task.writes_prompts:
        return (Message("user", task.context(problem, len(shots))),)
    examples = [
        (_fill(WORDING.solution, question=_asked(task, shot)), f" {task.gold_response(shot)}")
        for shot in shots
    ]
    return _with_examples(examples, _fill(WORDING.solution, question=_asked(task, problem)))


def verification_prompt(
    kind: Kind,
    task: Task,
    problem: Problem,
    response: str,
    shots: list[Problem],
    wording: Wording = WORDING,
) -> Prompt:
    """Ask for a judgement of one response, in the frame of this kind."""
    frame, ending = str(getattr(wording, kind)), ENDINGS[kind]
    judged = [_judged(example) for example in wording.examples] or task.judged(shots)
    examples = [
        (_fill(frame, question=_asked(task, shot), response=answer), ending(check, wording))
        for shot, answer, check in judged
    ]
    return _with_examples(
        examples, _fill(frame, question=_asked(task, problem), response=response.strip())
    )


def tournament_prompt(
    task: Task,
    problem: Problem,
    first: str,
    second: str,
    shots: Sequence[Problem] = (),
    wording: Wording = WORDING,
) -> Prompt:
    """Ask which of two responses is the better one. UsageError where the wording has examples, but no right and wrong one to a question."""
    examples = []
    for shot, answers, checks, winner in _contested_shots(task, shots, wording):
        user = _fill(
            wording.tournament, question=_asked(task, shot), first=answers[0], second=answers[1]
        )
        examples.append((user, tournament_ending(checks[0], checks[1], winner, wording)))
    return _with_examples(
        examples,
        _fill(
            wording.tournament,
            question=_asked(task, problem),
            first=first.strip(),
            second=second.strip(),
        ),
    )


def _contested_shots(
    task: Task, shots: Sequence[Problem], wording: Wording
) -> Iterator[tuple[Problem, list[str], list[Check], str]]:
    """Pairs of a right and a wrong response to one question; A and B are right by turns."""
    contested = _paired(wording.examples) if wording.examples else task.contested(list(shots))
    for place, (shot, right, wrong) in enumerate(contested):
        (first, second), winner = ((right, wrong), "A") if place % 2 == 0 else ((wrong, right), "B")
        yield shot, [first[0], second[0]], [first[1], second[1]], winner


def _paired(examples: Sequence[Example]) -> list[tuple[Problem, Judged, Judged]]:
    """Each question's right responses with its wrong ones, in order; what has no partner is left out."""
    pairs = []
    for question in dict.fromkeys(example.question for example in examples):
        own = [example for example in examples if example.question == question]
        rights, wrongs = (
            [_judged(example) for example in own if example.correct == correct]
            for correct in (True, False)
        )
        pairs += [
            (right[0], right[1:], wrong[1:]) for right, wrong in zip(rights, wrongs, strict=False)
        ]
    if not pairs:
        raise UsageError(
            "a tournament's examples each show a right and a wrong response to one question, and the examples of the prompts hold no such "
            "pair; add one, or ask for no tournament"
        )
    return pairs


def _judged(example: Example) -> tuple[Problem, str, Check]:
    """A written example in the form of a task's own."""
    check = Check(example.check.strip(), (example.correct,), example.score)
    return (
        Problem("example", "train", example.question.strip(), None),
        example.response.strip(),
        check,
    )


def multiple_choice_ending(check: Check, wording: Wording = WORDING) -> str:
    """The verdict alone."""
    return wording.correct if check.correct else wording.incorrect


def binary_ending(check: Check, wording: Wording = WORDING) -> str:
    """The written check, then the verdict."""
    return f" {check.text}{wording.verdict}{multiple_choice_ending(check, wording)}"


def score_ending(check: Check, wording: Wording = WORDING) -> str:
    """The written check, then its score."""
    return f" {check.text}{wording.score_line} {check.score}"


ENDINGS: dict[Kind, Callable[[Check, Wording], str]] = {
    "multiple_choice": multiple_choice_ending,
    "binary": binary_ending,
    "score": score_ending,
}


def tournament_ending(first: Check, second: Check, winner: str, wording: Wording = WORDING) -> str:
    """Both written checks, each with its verdict, then the winner's letter."""
    judged = [f"{check.text}{multiple_choice_ending(check, wording)}" for check in (first, second)]
    return f" {judged[0]}\n{judged[1]}{wording.better} {winner}"


def stop_strings(task: Task, shots: int) -> tuple[str, ...]:
    """What ends a response beside the end token: after examples of ours, the next question that a base model would invent."""
    return (*task.stop, *((NEXT_QUESTION,) if shots and not task.writes_prompts else ()))
