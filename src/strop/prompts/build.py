"""One way to write a solution prompt and a verification prompt, for every task and every model.

A prompt is a list of turns: few-shot examples as user and assistant, then the user's turn to be answered. The engine renders it, as
a chat or as plain text. Responses are untrusted, but they only ever go into prompts, as text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from strop.prompts.wording import CORRECT, INCORRECT, WORDING
from strop.records import Message, Problem, Prompt
from strop.tasks.base import Check, Task

NEXT_QUESTION = f"\n{WORDING.solution.split('{', 1)[0].strip()}"
"""How a base model goes on where nothing stops it: it invents the next question."""

# User text goes in by replacement, not str.format: a response full of braces is only text.


def _fill(frame: str, **parts: str) -> str:
    """Fill the holes from left to right, never looking for holes in what was filled in."""
    filled = []
    for name, text in parts.items():
        before, frame = frame.split(f"{{{name}}}", 1)
        filled += [before, text]
    return "".join([*filled, frame])


def _with_examples(examples: list[tuple[str, str]], last: str) -> Prompt:
    turns = [turn for user, assistant in examples for turn in (Message("user", user), Message("assistant", assistant))]
    return (*turns, Message("user", last))


def _asked(task: Task, problem: Problem) -> str:
    """The question, after the task's own instruction."""
    return f"{task.instruction}\n{problem.question}" if task.instruction else problem.question


def solution_prompt(task: Task, problem: Problem, shots: list[Problem]) -> Prompt:
    """Ask for a response to the problem, after worked examples."""
    if task.writes_prompts:
        return (Message("user", task.context(problem, len(shots))),)
    examples = [(_fill(WORDING.solution, question=_asked(task, shot)), f" {task.gold_response(shot)}") for shot in shots]
    return _with_examples(examples, _fill(WORDING.solution, question=_asked(task, problem)))


def verification_prompt(frame: str, task: Task, problem: Problem, response: str, shots: list[Problem]) -> Prompt:
    """Ask for a judgement of one response. ``frame`` is one of WORDING.multiple_choice, .binary and .score."""
    endings = {WORDING.multiple_choice: multiple_choice_ending, WORDING.binary: binary_ending, WORDING.score: score_ending}
    examples = [
        (_fill(frame, question=_asked(task, shot), response=answer), endings[frame](check)) for shot, answer, check in task.judged(shots)
    ]
    return _with_examples(examples, _fill(frame, question=_asked(task, problem), response=response.strip()))


def tournament_prompt(task: Task, problem: Problem, first: str, second: str, shots: Sequence[Problem] = ()) -> Prompt:
    """Ask which of two responses is the better one."""
    examples = []
    for shot, answers, checks, winner in _contested_shots(task, shots):
        user = _fill(WORDING.tournament, question=_asked(task, shot), first=answers[0], second=answers[1])
        examples.append((user, tournament_ending(checks[0], checks[1], winner)))
    return _with_examples(examples, _fill(WORDING.tournament, question=_asked(task, problem), first=first.strip(), second=second.strip()))


def _contested_shots(task: Task, shots: Sequence[Problem]) -> Iterator[tuple[Problem, list[str], list[Check], str]]:
    """Pairs of a right and a wrong response to one question; A and B are right by turns."""
    for place, (shot, right, wrong) in enumerate(task.contested(list(shots))):
        (first, second), winner = ((right, wrong), "A") if place % 2 == 0 else ((wrong, right), "B")
        yield shot, [first[0], second[0]], [first[1], second[1]], winner


def multiple_choice_ending(check: Check) -> str:
    """The verdict alone."""
    return CORRECT if check.correct else INCORRECT


def binary_ending(check: Check) -> str:
    """The written check, then the verdict."""
    return f" {check.text}{WORDING.verdict}{multiple_choice_ending(check)}"


def score_ending(check: Check) -> str:
    """The written check, then a score: 1 + floor(9 x share of checks that hold)."""
    return f" {check.text}{WORDING.score_line} {1 + int(9 * check.share + 1e-9)}"


def tournament_ending(first: Check, second: Check, winner: str) -> str:
    """Both written checks, each with its verdict, then the winner's letter."""
    judged = [f"{check.text}{multiple_choice_ending(check)}" for check in (first, second)]
    return f" {judged[0]}\n{judged[1]}{WORDING.better} {winner}"


def stop_strings(task: Task, shots: int) -> tuple[str, ...]:
    """What ends a response beside the end token: after examples of ours, the next question that a base model would invent."""
    return (*task.stop, *((NEXT_QUESTION,) if shots and not task.writes_prompts else ()))
