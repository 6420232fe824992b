"""Verification prompts in words of one's own: what is asked, which examples are shown, and what a file may say."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import strop
from strop.engines.base import plain_text
from strop.errors import UsageError
from strop.prompts import (
    WORDING,
    Example,
    Wording,
    read_wording,
    tournament_prompt,
    verification_prompt,
    wording_as_toml,
)
from strop.prompts.wording import HOLES, LINES, VERDICTS
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
    """The models were trained on these very characters: no change without new models."""
    question, response = PROBLEM.question, "{question} 7"
    asked = {
        kind: plain_text(verification_prompt(kind, TASK, PROBLEM, f" {response}\n", []))
        for kind in ("multiple_choice", "binary", "score")
    }
    assert asked == {
        "multiple_choice": f"Question: {question}\nAnswer: {response}\nIs this answer correct or incorrect?\nVerdict:",
        "binary": f"Question: {question}\nAnswer: {response}\n"
        "Check this answer step by step, then end with the verdict, Correct or Incorrect.\nCheck:",
        "score": f"Question: {question}\nAnswer: {response}\n"
        "Check this answer step by step, then end with a score from 1 (wrong) to 10 (right).\nCheck:",
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
    """All of them, whatever the number of shots, each with the ending of its kind."""
    examples = TASK.shots(shots, seed=0)
    choice, score = (
        plain_text(verification_prompt(kind, TASK, PROBLEM, "7", examples, OWN))
        for kind in ("multiple_choice", "score")
    )
    assert choice.startswith(
        "Rate 5\nfor the problem 2+3?\nIs it fine? Yes or No: Yes\n\nRate 6\nfor the problem 2+3?\nIs it fine? Yes or No: No\n\n"
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
    """As many matches as there are pairs; A and B win by turns."""
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


def test_the_printed_file_is_the_default_and_its_comments_can_be_used(tmp_path: Path) -> None:
    printed = wording_as_toml()
    (tmp_path / "prompts.toml").write_text(printed)
    assert read_wording(tmp_path / "prompts.toml") == WORDING
    assert set(tomllib.loads(printed)) == {field.name for field in fields(Wording)} - {"examples"}
    comment = printed.split("#\n# [[examples]]", 1)[1]
    (tmp_path / "prompts.toml").write_text("[[examples]]" + comment.replace("\n# ", "\n"))
    read = strop.read_wording(str(tmp_path / "prompts.toml"))
    assert read == replace(WORDING, examples=read.examples) and [
        one.score for one in read.examples
    ] == [2]


def test_the_file_in_the_readme_is_one(tmp_path: Path) -> None:
    [block] = re.findall(
        r"```toml\n(.*?)```", (Path(__file__).parents[2] / "README.md").read_text(), re.DOTALL
    )
    (tmp_path / "prompts.toml").write_text(block)
    read = read_wording(tmp_path / "prompts.toml")
    assert read == replace(
        WORDING,
        multiple_choice=read.multiple_choice,
        correct=" Yes",
        incorrect=" No",
        examples=read.examples,
    )
    assert read.multiple_choice.endswith("Yes or No:") and not read.examples[0].correct


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
visible = words.filter(str.strip)


@st.composite
def wordings(draw: st.DrawFn) -> Wording:
    plain = words.map(lambda text: text.replace("{", "(").replace("}", ")"))
    own: dict[str, Any] = {
        name: "".join(draw(plain) + f"{{{hole}}}" for hole in draw(st.permutations(holes)))
        for name, holes in HOLES.items()
    }
    own |= {name: draw(visible) for name in LINES} | {
        name: f"{name[0]}{draw(words)}" for name in VERDICTS
    }
    example = st.builds(
        Example, visible, visible, visible, st.booleans(), st.none() | st.integers(1, 10)
    )
    return Wording(**own, examples=tuple(draw(st.lists(example, max_size=3))))


@given(wordings())
def test_every_wording_comes_back_from_its_file(
    tmp_path_factory: pytest.TempPathFactory, wording: Wording
) -> None:
    path = tmp_path_factory.getbasetemp() / "wording.toml"
    path.write_text(wording_as_toml(wording), encoding="utf-8", newline="")
    assert read_wording(path) == wording


def test_a_file_of_another_system_is_read_like_one_of_ours(tmp_path: Path) -> None:
    (tmp_path / "prompts.toml").write_bytes(
        b"\xef\xbb\xbf" + wording_as_toml(OWN).replace("\n", "\r\n").encode()
    )
    assert read_wording(tmp_path / "prompts.toml") == OWN


EXAMPLE = "[[examples]]\nquestion = 'q'\nresponse = 'r'\ncheck = 'c'\ncorrect = true\n"
BAD = {
    "binary = ": "is not TOML (Invalid value (at",
    "a = [" * 5000: "is not TOML (",
    "binery = 'x'": "there is no key 'binery'; there are multiple_choice, binary, score, tournament, verdict, score_line, better, correct",
    "solution = 'x'": "there is no key 'solution'",
    "binary = 3": "binary is 3; expected a text",
    "verdict = ['x']": "verdict is ['x']; expected a text",
    "binary = 'Question: {question}'": "binary has {question}; expected {question} and {response}, each once",
    "binary = 'Check it.'": "binary has no holes; expected {question} and {response}, each once",
    "score = '{question} {response} {answer}:'": "score has {question} and {response} and {answer}; expected",
    "tournament = '{question} {first} {second} {first}:'": "{first} and {second} and {first}; expected {question} and {first} and {second}",
    "binary = '''\n{question} {response}:\n'''": "binary ends in white space",
    "verdict = ''": "verdict is empty; expected words",
    "correct = ' '": "correct is empty; expected words",
    "better = '\\n'\nscore_line = \"\\n\"": "score_line is empty; expected words",
    "correct = 'Yes'\nincorrect = ' Yes, but'": "'Yes' and 'Yes, but' one begins with the other",
    "incorrect = 'Correct'": "one begins with the other",
    "examples = 3": "examples is 3; expected tables, each under a line [[examples]]",
    "examples = ['x']": "expected tables",
    EXAMPLE
    + "[[examples]]\nquestion = 'q'": "example 2: there is no response; expected question, response, check, correct, and score",
    EXAMPLE + "note = 'x'": "example 1: there is no key 'note'; there are question",
    EXAMPLE.replace("true", "'yes'"): "example 1: correct is 'yes'; expected true or false",
    EXAMPLE.replace("true", "1"): "example 1: correct is 1; expected true or false",
    EXAMPLE.replace("'c'", "' '"): "example 1: an example's check is empty",
    EXAMPLE
    + "score = 11": "example 1: an example's score is 11; expected a whole number from 1 to 10",
    EXAMPLE + "score = true": "example 1: score is True; expected a whole number",
    EXAMPLE + "score = 7.5": "example 1: score is 7.5; expected a whole number",
}


@pytest.mark.parametrize(("text", "message"), BAD.items(), ids=[text[:40] for text in BAD])
def test_a_file_that_cannot_be_used_is_refused_by_name(
    text: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(UsageError) as refused:
        read_wording(tmp_path / "mine.toml")
    said = str(refused.value)
    assert (
        message in said
        and said.startswith(str(tmp_path / "mine.toml"))
        and len(said) < 400 + len(str(tmp_path))
    )


def test_what_is_no_file_and_no_text(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.toml"):
        with pytest.raises(
            UsageError, match=r"there is no file .*; `strop verifiers --prompts` prints one"
        ):
            read_wording(path)
    (tmp_path / "bytes.toml").write_bytes(b"binary = '\xff'")
    with pytest.raises(UsageError, match=r"is not TOML .*utf-8"):
        read_wording(tmp_path / "bytes.toml")


def test_from_python_the_same_is_refused() -> None:
    with pytest.raises(UsageError, match="binary has no holes"):
        strop.Wording(binary="Check it.")
    with pytest.raises(UsageError, match="score is 0"):
        replace(RIGHT, score=0)
