"""The rows that ship with strop: each has its public schema and is consistent."""

from __future__ import annotations

import ast
import json
import operator
import re
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from importlib.resources import files
from typing import Any

import pytest

Row = dict[str, Any]

SCHEMAS: dict[str, dict[str, type]] = {
    "gsm8k": {"question": str, "answer": str, "split": str},
    "math": {"problem": str, "level": str, "type": str, "solution": str, "split": str},
    "natural-questions": {"question": str, "answer": list, "split": str},
    "mmlu-biology": {"question": str, "subject": str, "choices": list, "answer": int, "split": str},
    "mmlu-physics": {"question": str, "subject": str, "choices": list, "answer": int, "split": str},
    "mmlu-chemistry": {
        "question": str,
        "subject": str,
        "choices": list,
        "answer": int,
        "split": str,
    },
}
JUDGED = {"question": str, "response": str, "check": str, "holds": list}
COUNTS = {"gsm8k": (12, 28), "math": (14, 42), "natural-questions": (12, 30)}
TYPES = (
    "Algebra",
    "Counting & Probability",
    "Geometry",
    "Intermediate Algebra",
    "Number Theory",
    "Prealgebra",
    "Precalculus",
)
MMLU = [name for name in SCHEMAS if name.startswith("mmlu")]
VERDICTS = re.compile(
    r"\b(?:in)?(?:correct|valid)(?:ly)?\b|\b(?:right|wrong|true|false|yes|no|scores?|verdict)\b",
    re.IGNORECASE,
)

ANNOTATION = re.compile(r"<<([^<>=]+)=([^<>=]+)>>")
OPERATIONS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def worth(expression: str) -> Fraction:
    """Return the exact value of an expression of + - * / and decimal numbers."""

    def walk(node: ast.expr) -> Fraction:
        if isinstance(node, ast.BinOp):
            return OPERATIONS[type(node.op)](walk(node.left), walk(node.right))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return -walk(node.operand)
        assert isinstance(node, ast.Constant) and type(node.value) in (int, float), expression
        return Fraction(str(node.value))

    return walk(ast.parse(expression, mode="eval").body)


def boxed(text: str) -> list[str]:
    """Return the content of each ``\\boxed{...}``, by counting braces."""
    found = []
    for part in text.split(r"\boxed{")[1:]:
        depth, end = 1, 0
        while depth and end < len(part):
            depth += {"{": 1, "}": -1}.get(part[end], 0)
            end += 1
        assert depth == 0, f"unbalanced: {text}"
        found.append(part[: end - 1])
    return found


def final_number(answer: str) -> Fraction:
    """Return the number behind ``####`` on the last line, which may group its thousands."""
    number = answer.split("\n")[-1].removeprefix("#### ")
    assert re.fullmatch(r"-?(\d{1,3}(,\d{3})+|\d+)(\.\d+)?", number), answer
    return Fraction(number.replace(",", ""))


def faults_of_gsm8k(row: Row) -> list[str]:
    """Return false annotations, lines without one, and a final number unlike the last value."""
    *lines, last = row["answer"].split("\n")
    found = ANNOTATION.findall(row["answer"])
    faults = [f"{left}={right}" for left, right in found if worth(left) != Fraction(right)]
    faults += [f"no annotation: {line}" for line in lines if "<<" not in line]
    faults += [
        f"{line} does not repeat its value"
        for line in lines
        for _, value in ANNOTATION.findall(line)
        if f">>{value}" not in line
    ]
    if not 2 <= len(found) <= 6:
        faults.append(f"{len(found)} steps")
    if not last.startswith("#### "):
        faults.append("no final line")
    elif final_number(row["answer"]) != Fraction(found[-1][1]):
        faults.append(f"ends in {last}")
    return faults


def is_right(name: str, row: Row, response: str) -> bool:
    """Return whether the response ends in the gold answer of its row."""
    if name == "gsm8k":
        return final_number(response) == final_number(row["answer"])
    if name == "math":
        return boxed(response) == boxed(row["solution"])
    if name == "natural-questions":
        return response.casefold() in map(str.casefold, row["answer"])
    end = re.search(r" The answer is \(([ABCD])\)\.$", response)
    assert end, response
    return bool("ABCD".index(end[1]) == row["answer"])


@cache
def rows(name: str) -> list[Row]:
    text = files("strop.tasks").joinpath("rows", f"{name}.jsonl").read_bytes().decode("utf-8")
    assert text.endswith("\n") and "\r" not in text
    return [json.loads(line) for line in text[:-1].split("\n")]


def question(row: Row) -> str:
    text = row["problem"] if "problem" in row else row["question"]
    assert isinstance(text, str)
    return text


@pytest.mark.parametrize("name", SCHEMAS)
def test_rows_have_the_columns_of_their_schema(name: str) -> None:
    for row in rows(name):
        assert {column: type(value) for column, value in row.items()} == SCHEMAS[name], row
        assert list(row) == list(SCHEMAS[name])
        texts = [
            text
            for value in row.values()
            for text in (value if isinstance(value, list) else [value])
            if not isinstance(text, int)
        ]
        assert all(isinstance(text, str) and text and text == text.strip() for text in texts), row


@pytest.mark.parametrize("name", SCHEMAS)
def test_questions_differ_and_splits_are_as_large_as_said(name: str) -> None:
    assert len({question(row).casefold() for row in rows(name)}) == len(rows(name))
    assert Counter(row["split"] for row in rows(name)) == dict(
        zip(("train", "test"), COUNTS.get(name, (5, 15)), strict=True)
    )


def test_gsm8k_answers_work_out() -> None:
    assert {
        row["question"]: faults for row in rows("gsm8k") if (faults := faults_of_gsm8k(row))
    } == {}


def test_gsm8k_has_thousands_a_negative_and_a_broken_amount() -> None:
    finals = [row["answer"].split("#### ")[1] for row in rows("gsm8k") if row["split"] == "test"]
    assert sum("," in final for final in finals) >= 3
    assert sum(final.startswith("-") for final in finals) == 1
    assert sum("." in final for final in finals) == 1


def test_math_solutions_have_one_boxed_answer() -> None:
    for row in rows("math"):
        (answer,) = boxed(row["solution"])
        assert (
            answer and row["problem"].count("$") % 2 == 0 and row["solution"].count("$") % 2 == 0
        ), row
        assert r"\boxed" not in row["problem"]
        for text in (row["problem"], row["solution"]):
            assert text.count("{") == text.count("}") and text.count(r"\[") == text.count(r"\]"), (
                row
            )


def test_math_covers_its_types_and_levels_and_half_its_answers_are_integers() -> None:
    assert Counter((row["type"], row["split"]) for row in rows("math")) == {
        (t, s): n for t in TYPES for s, n in (("train", 2), ("test", 6))
    }
    assert {row["level"] for row in rows("math")} == {f"Level {level}" for level in range(1, 6)}
    answers = [boxed(row["solution"])[0] for row in rows("math")]
    assert (
        0.4 <= sum(bool(re.fullmatch(r"-?\d+", answer)) for answer in answers) / len(answers) <= 0.6
    )
    assert {r"\frac{3}{\sqrt{2}}", r"\text{even}", "(-1,6)", "(3,7)"} <= set(answers)
    assert sum("matrix" in answer for answer in answers) == 1


def test_natural_questions_are_lower_case_and_have_one_to_four_answers() -> None:
    for row in rows("natural-questions"):
        assert re.fullmatch(r"[a-z0-9 ]+", row["question"]), row
        assert 1 <= len(row["answer"]) <= 4 and len(set(row["answer"])) == len(row["answer"]), row


def test_natural_questions_do_not_name_their_answers() -> None:
    assert [
        row
        for row in rows("natural-questions")
        for a in row["answer"]
        if f" {a.casefold()} " in f" {row['question']} "
    ] == []


@pytest.mark.parametrize("name", MMLU)
def test_mmlu_has_four_choices_and_answers_spread_over_them(name: str) -> None:
    for row in rows(name):
        assert row["subject"] == name.replace("mmlu-", "college_")
        assert len(set(row["choices"])) == 4 and 0 <= row["answer"] <= 3, row
    spread = Counter(row["answer"] for row in rows(name) if row["split"] == "test")
    assert set(spread) == set(range(4)) and max(spread.values()) <= 5


@pytest.mark.parametrize("name", SCHEMAS)
def test_judged_responses_are_one_right_and_one_wrong_to_each_of_four_train_questions(
    name: str,
) -> None:
    train = {question(row): row for row in rows(name) if row["split"] == "train"}
    judged = rows(f"{name}.judged")
    assert [{column: type(value) for column, value in row.items()} for row in judged] == [
        JUDGED
    ] * 8
    found = Counter(
        (row["question"], is_right(name, train[row["question"]], row["response"])) for row in judged
    )
    assert (
        len({asked for asked, _ in found}) == 4 and set(found.values()) == {1} and len(found) == 8
    )
    rightful = [is_right(name, train[row["question"]], row["response"]) for row in judged]
    assert [all(row["holds"]) for row in judged] == rightful
    assert all({rightful[i], rightful[i + 1]} == {True, False} for i in range(0, 8, 2))


@pytest.mark.parametrize("name", SCHEMAS)
def test_checks_have_a_line_for_each_that_holds_or_not_and_no_verdict(name: str) -> None:
    for row in rows(f"{name}.judged"):
        lines = row["check"].split("\n")
        assert len(lines) == len(row["holds"]) and 2 <= len(lines) <= 5, row
        assert all(line and line == line.strip() for line in lines) and set(
            map(type, row["holds"])
        ) == {bool}, row
        assert not VERDICTS.search(row["check"]), row


@pytest.mark.parametrize(
    ("answer", "faults"),
    [
        ("2+3 = <<2+3=5>>5.\n5*2 = <<5*2=10>>10.\n#### 10", 0),
        ("$<<3*2.75=8.25>>8.25\n<<8.25+3=11.25>>11.25\n#### 11.25", 0),
        ("<<6-10=-4>>-4\n<<-4-3=-7>>-7\n#### -7", 0),
        ("<<25*34=850>>850\n<<850*3/5=510>>510\n#### 510", 0),
        ("<<10*100=1000>>1000\n<<1000+250=1250>>1250\n#### 1,250", 0),
        ("<<1/3*9=3>>3\n<<0.1+0.2=0.3>>0.3\n#### 0.3", 0),
        ("<<2+3=6>>6\n<<6*2=12>>12\n#### 12", 1),
        ("<<2+3*4=20>>20\n<<20-1=19>>19\n#### 19", 1),
        ("<<2+3=5>>5\n<<5*2=10>>10\n#### 11", 1),
        ("<<2+3=5>>5\n#### 5", 1),
        ("<<2+3=5>>5\n<<5*2=10>>10\nSo 10.\n#### 10", 1),
        ("<<2+3=5>>6\n<<5*2=10>>10\n#### 10", 1),
        ("<<2+3=5>>5\n<<5*2=10>>10\n10", 1),
        ("<<2+3=6>>6\n<<6*2=13>>13\n#### 12", 3),
    ],
)
def test_faulty_answers_are_found(answer: str, faults: int) -> None:
    assert len(faults_of_gsm8k({"answer": answer})) == faults


@pytest.mark.parametrize("expression", ["2**3", "f(2)", "x+1", "True+1", "'2'*3", "(2,3)", "2//3"])
def test_only_plain_arithmetic_is_evaluated(expression: str) -> None:
    with pytest.raises((AssertionError, KeyError)):
        worth(expression)


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("That is Correct.", True),
        ("It is incorrect.", True),
        ("Wrong: 3.", True),
        ("score 1", True),
        ("All right.", True),
        ("This is invalid.", True),
        ("A corrected sum is not added.", False),
        ("Nothing is left, and 5 is given.", False),
    ],
)
def test_verdict_words_are_found(text: str, verdict: bool) -> None:
    assert bool(VERDICTS.search(text)) == verdict
