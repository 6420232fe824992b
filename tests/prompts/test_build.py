"""Solution and verification prompts: default and own words, and the examples shown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from strop.engines.base import plain_text
from strop.errors import UsageError
from strop.prompts import (
    Example,
    Wording,
    tournament_prompt,
    verification_prompt,
)
from strop.tasks import TASKS

TASK = TASKS["recall"]()


PROBLEM = TASK.problems("test", 1, seed=0)[0]


RIGHT, WRONG = Example("2+3?", "5", "It is 5.", True), Example("2+3?", "6\n", "It is 5.\n", False)


NEAR = replace(RIGHT, response="five", check="Right, but in words.", score=8)


OWN = Wording(
    multiple_choice="Rate {response}\nfor the problem {question}\nIs it fine? Yes or No:",
    score="Problem: {question}\nTry: {response}\nMarks:",
    tournament="Problem: {question}\n1) {second}\n2) {first}\nWhich?",
    verdict="\nSo:",
    score_line=" =>",
    better="\nTake",
    correct=" Yes",
    incorrect=" No",
    examples=(RIGHT, WRONG, NEAR),
)


def test_the_words_of_the_embedded_models_stand() -> None:
    """The embedded models were trained on exactly these characters: a change needs new models."""
    question, response = PROBLEM.question, "{question} 7"
    asked = {
        kind: plain_text(verification_prompt(kind, TASK, PROBLEM, f" {response}\n", []))
        for kind in ("multiple_choice", "binary", "score")
    }
    assert asked == {
        "multiple_choice": f"Question: {question}\nAnswer: {response}\n"
        "Is this answer correct or incorrect?\nVerdict:",
        "binary": f"Question: {question}\nAnswer: {response}\n"
        "Check this answer step by step, then end with the verdict, Correct or Incorrect.\nCheck:",
        "score": f"Question: {question}\nAnswer: {response}\n"
        "Check this answer step by step, then end with a score from 1 (wrong) to 10 (right)."
        "\nCheck:",
    }
    assert plain_text(tournament_prompt(TASK, PROBLEM, response, "{first}")) == (
        f"Question: {question}\nAnswer A: {response}\nAnswer B: {{first}}\n"
        "Check both answers step by step, then end with the better one, A or B.\nCheck:"
    )


def test_holes_stand_in_any_order_and_nothing_is_filled_in_twice() -> None:
    text = plain_text(
        verification_prompt(
            "multiple_choice", TASK, PROBLEM, "{question} {x}", [], replace(OWN, examples=())
        )
    )
    assert (
        text
        == f"Rate {{question}} {{x}}\nfor the problem {PROBLEM.question}\nIs it fine? Yes or No:"
    )
    text = plain_text(
        tournament_prompt(TASK, PROBLEM, "{second}", "{first}", [], replace(OWN, examples=()))
    )
    assert text == f"Problem: {PROBLEM.question}\n1) {{first}}\n2) {{second}}\nWhich?"


@pytest.mark.parametrize("shots", [0, 2])
def test_own_examples_replace_those_of_the_task(shots: int) -> None:
    """All examples are shown, whatever the number of shots, each with the ending of its kind."""
    examples = TASK.shots(shots, seed=0)
    choice, score = (
        plain_text(verification_prompt(kind, TASK, PROBLEM, "7", examples, OWN))
        for kind in ("multiple_choice", "score")
    )
    assert choice.startswith(
        "Rate 5\nfor the problem 2+3?\nIs it fine? Yes or No: Yes\n\n"
        "Rate 6\nfor the problem 2+3?\nIs it fine? Yes or No: No\n\n"
    )
    assert choice.count("Rate ") == 4 and choice.endswith(
        f"Rate 7\nfor the problem {PROBLEM.question}\nIs it fine? Yes or No:"
    )
    assert (
        "Marks: It is 5. => 10\n\n" in score
        and "Marks: It is 5. => 1\n\n" in score
        and "Marks: Right, but in words. => 8\n\n" in score
    )


def test_a_right_and_a_wrong_example_meet_in_a_tournament() -> None:
    """There are as many comparisons as pairs; A and B are right alternately."""
    second = [Example("1+1?", "3", "No: 2.", False), Example("1+1?", "2", "It is 2.", True)]
    text = plain_text(
        tournament_prompt(
            TASK, PROBLEM, "7", "8", [], replace(OWN, examples=(RIGHT, WRONG, NEAR, *second))
        )
    )
    assert text == (
        "Problem: 2+3?\n1) 6\n2) 5\nWhich? It is 5. Yes\nIt is 5. No\nTake A\n\n"
        "Problem: 1+1?\n1) 2\n2) 3\nWhich? No: 2. No\nIt is 2. Yes\nTake B\n\n"
        f"Problem: {PROBLEM.question}\n1) 8\n2) 7\nWhich?"
    )
    with pytest.raises(UsageError, match="hold no such pair"):
        tournament_prompt(TASK, PROBLEM, "7", "8", [], replace(OWN, examples=(RIGHT, second[0])))
