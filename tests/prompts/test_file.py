"""A wording as a file: written, read back, and refused."""

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
from strop.errors import UsageError
from strop.prompts import (
    WORDING,
    Example,
    Wording,
    read_wording,
    wording_as_toml,
)
from strop.prompts.wording import HOLES, LINES, VERDICTS

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
    "binery = 'x'": "there is no key 'binery'; there are multiple_choice, binary, score, "
    "tournament, verdict, score_line, better, correct",
    "solution = 'x'": "there is no key 'solution'",
    "binary = 3": "binary is 3; expected a text",
    "verdict = ['x']": "verdict is ['x']; expected a text",
    "binary = 'Question: {question}'": "binary has {question}; "
    "expected {question} and {response}, each once",
    "binary = 'Check it.'": "binary has no holes; expected {question} and {response}, each once",
    "score = '{question} {response} {answer}:'": "score has {question} and {response} "
    "and {answer}; expected",
    "tournament = '{question} {first} {second} {first}:'": "{first} and {second} and {first}; "
    "expected {question} and {first} and {second}",
    "binary = '''\n{question} {response}:\n'''": "binary ends in white space",
    "verdict = ''": "verdict is empty; expected words",
    "correct = ' '": "correct is empty; expected words",
    "better = '\\n'\nscore_line = \"\\n\"": "score_line is empty; expected words",
    "correct = 'Yes'\nincorrect = ' Yes, but'": "'Yes' and 'Yes, but' one begins with the other",
    "incorrect = 'Correct'": "one begins with the other",
    "examples = 3": "examples is 3; expected tables, each under a line [[examples]]",
    "examples = ['x']": "expected tables",
    EXAMPLE + "[[examples]]\nquestion = 'q'": "example 2: there is no response; "
    "expected question, response, check, correct, and score",
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
