"""Solution and verification prompts, built in one way for every task and every model.

A prompt is a list of turns: few-shot examples as user and assistant, then the user's turn to be
answered. The engine renders it as a chat or as plain text. Responses are untrusted, but they only
go into prompts, as text.
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
    """Return how a frame begins, after a line break; "" if it has no words before its holes.

    A base model that is not stopped continues with this text: it invents the next question.
    """
    words = frame.split("{", 1)[0].split("\n")
    first_line = next((line.strip() for line in words if line.strip()), "")
    return f"\n{first_line}" if first_line else ""


NEXT_QUESTION = next_question(WORDING.solution)


def solution_prompt(task: Task, problem: Problem, shots: list[Problem]) -> Prompt:
    """Ask for a response to the problem, after worked examples."""
    if task.writes_prompts:
        return (Message("user", task.context(problem, len(shots))),)
    examples = []
    for shot in shots:
        user = _fill(WORDING.solution, question=_question(task, shot))
        examples.append((user, f" {task.gold_response(shot)}"))
    last = _fill(WORDING.solution, question=_question(task, problem))
    return _with_examples(examples, last)


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
    examples = []
    for shot, shot_response, check in judged:
        user = _fill(frame, question=_question(task, shot), response=shot_response)
        examples.append((user, ending(check, wording)))
    last = _fill(frame, question=_question(task, problem), response=response.strip())
    return _with_examples(examples, last)


def tournament_prompt(
    task: Task,
    problem: Problem,
    first: str,
    second: str,
    shots: Sequence[Problem] = (),
    wording: Wording = WORDING,
) -> Prompt:
    """Ask which of two responses is better.

    Raises UsageError if the wording has examples, but no right and wrong one to the same question.
    """
    examples = []
    for shot, answer_a, answer_b, winner in _comparisons(task, shots, wording):
        (response_a, check_a), (response_b, check_b) = answer_a, answer_b
        user = _fill(
            wording.tournament,
            question=_question(task, shot),
            first=response_a,
            second=response_b,
        )
        examples.append((user, tournament_ending(check_a, check_b, winner, wording)))
    last = _fill(
        wording.tournament,
        question=_question(task, problem),
        first=first.strip(),
        second=second.strip(),
    )
    return _with_examples(examples, last)


def stop_strings(task: Task, shots: int) -> tuple[str, ...]:
    """Return the strings that end a response: the task's own, and the next question.

    A base model invents the next question only after the examples of a prompt built here.
    """
    if shots and not task.writes_prompts:
        return (*task.stop, NEXT_QUESTION)
    return task.stop


def _fill(frame: str, **parts: str) -> str:
    """Fill each hole of a frame once, in any order.

    Not ``str.format``: a response full of braces is only text, and no holes are searched in it.
    """
    pieces = re.split(f"{{({'|'.join(parts)})}}", frame)
    # Because of the group in the pattern, every second piece is the name of a hole.
    pieces[1::2] = [parts[name] for name in pieces[1::2]]
    return "".join(pieces)


def _with_examples(examples: list[tuple[str, str]], last: str) -> Prompt:
    turns = []
    for user, assistant in examples:
        turns += [Message("user", user), Message("assistant", assistant)]
    turns.append(Message("user", last))
    return tuple(turns)


def _question(task: Task, problem: Problem) -> str:
    """Return the question, after the task's own instruction."""
    return f"{task.instruction}\n{problem.question}" if task.instruction else problem.question


def _comparisons(
    task: Task, shots: Sequence[Problem], wording: Wording
) -> Iterator[tuple[Problem, Judged, Judged, str]]:
    """Yield a problem, its answers A and B, and the letter of the right one: A and B alternate."""
    contested = _pairs(wording.examples) if wording.examples else task.contested(list(shots))
    for index, (shot, right, wrong) in enumerate(contested):
        if index % 2 == 0:
            yield shot, right, wrong, "A"
        else:
            yield shot, wrong, right, "B"


def _pairs(examples: Sequence[Example]) -> list[tuple[Problem, Judged, Judged]]:
    """Pair each question's right responses with its wrong ones, in order.

    Examples without a partner are left out.
    """
    pairs = []
    for question in dict.fromkeys(example.question for example in examples):
        same_question = [example for example in examples if example.question == question]
        rights = [_judged(example) for example in same_question if example.correct]
        wrongs = [_judged(example) for example in same_question if not example.correct]
        for right, wrong in zip(rights, wrongs, strict=False):
            pairs.append((right[0], right[1:], wrong[1:]))
    if not pairs:
        raise UsageError(
            "a tournament's examples each show a right and a wrong response to one question, and "
            "the examples of the prompts hold no such pair; add one, or ask for no tournament"
        )
    return pairs


def _judged(example: Example) -> tuple[Problem, str, Check]:
    """Return a written example in the form of a task's own."""
    problem = Problem("example", "train", example.question.strip(), None)
    check = Check(example.check.strip(), (example.correct,), example.score)
    return problem, example.response.strip(), check


def multiple_choice_ending(check: Check, wording: Wording = WORDING) -> str:
    """Write the verdict alone."""
    return wording.correct if check.correct else wording.incorrect


def binary_ending(check: Check, wording: Wording = WORDING) -> str:
    """Write the check, then the verdict."""
    return f" {check.text}{wording.verdict}{multiple_choice_ending(check, wording)}"


def score_ending(check: Check, wording: Wording = WORDING) -> str:
    """Write the check, then its score."""
    return f" {check.text}{wording.score_line} {check.score}"


ENDINGS: dict[Kind, Callable[[Check, Wording], str]] = {
    "multiple_choice": multiple_choice_ending,
    "binary": binary_ending,
    "score": score_ending,
}


def tournament_ending(first: Check, second: Check, winner: str, wording: Wording = WORDING) -> str:
    """Write both checks, each with its verdict, then the winner's letter."""
    first_text = f"{first.text}{multiple_choice_ending(first, wording)}"
    second_text = f"{second.text}{multiple_choice_ending(second, wording)}"
    return f" {first_text}\n{second_text}{wording.better} {winner}"
