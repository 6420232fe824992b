"""Hard cases for every task's own grade, at least twenty for each.

A case is (reference, text, strict, flexible): whether the text is right for that reference. Single
extractors have their tables in ``test_answers.py``, ``test_choices.py`` and
``test_math_answers.py``. The game of 24 and ProntoQA have theirs beside their other tests; they are
counted here.
"""

from __future__ import annotations

from collections import Counter

import pytest

from strop.records import Problem
from strop.tasks import TASKS, Arithmetic, Recall, Signs, Sudoku4, Task
from strop.tasks.dataset import ROWS
from strop.tasks.gsm8k import Gsm8k
from strop.tasks.mathematics import Mathematics
from strop.tasks.mmlu import MmluBiology, MmluChemistry, MmluPhysics
from strop.tasks.natural_questions import NaturalQuestions
from strop.tasks.qa import QuestionsAndAnswers
from tests.tasks.test_game24 import HARD as GAME24
from tests.tasks.test_prontoqa import HARD as PRONTOQA

Case = tuple[str, str, int, int]


def of(reference: str, cases: list[tuple[str, int, int]]) -> list[Case]:
    """Return cases that have one reference."""
    return [(reference, *case) for case in cases]


GSM8K: list[Case] = [
    ("6*7 = <<6*7=42>>42\n#### 42", "Six times 7 is 42.\n#### 42", 1, 1),
    ("#### 29", "#### 29.00", 1, 1),
    ("#### 29.00", "#### 29", 1, 1),
    ("#### -7", "#### -7", 1, 1),
    ("#### -7", "#### −7", 1, 1),
    ("#### -7", "It fell to –7 degrees.", 0, 1),
    ("#### -7", "#### 7", 0, 0),
    ("#### 7", "#### -7", 0, 0),
    ("#### 7", "It is 10-7", 0, 1),
    ("#### 1,200", "#### 1200", 1, 1),
    ("#### 1200", "#### 1,200", 1, 1),
    ("#### 1200", "#### 1{,}200", 1, 1),
    ("#### 1200", "#### 1,20", 0, 0),
    ("#### 12", "#### 1,2", 0, 0),
    ("#### 5", "#### $5", 0, 1),
    ("#### 5", "#### 5 dollars.", 1, 1),
    ("#### 5", "He pays $5.00.", 0, 1),
    ("#### 50", "#### 50%", 1, 1),
    ("#### 50", "#### 0.50", 0, 0),
    ("#### 5", "#### 5.", 1, 1),
    ("#### 5", "#### 5...", 1, 1),
    ("#### 5", "#### **5**", 0, 1),
    ("#### 5", r"so \boxed{5}.", 0, 1),
    ("#### 5", "5 ####", 0, 1),
    ("#### 5", "####5", 0, 1),
    ("#### 5", "#### 5\nor is it 6?", 1, 1),
    ("#### 5", "#### 6\n#### 5", 0, 0),
    ("#### 5", "#### ...\n#### 5", 1, 1),
    ("#### 5", "5 is wrong\n#### 6", 0, 0),
    ("#### 5", "5 and then 6", 0, 0),
    ("#### 5", "five\n####", 0, 0),
    ("#### 5", "", 0, 0),
    ("#### 5", "...", 0, 0),
    ("#### 12.50", "#### 25/2", 1, 1),
    ("#### 0.5", "#### .5", 1, 1),
    ("#### 0.5", "#### 1/2", 1, 1),
    ("#### 5", "#### 5e0", 1, 1),
    ("#### 500", "5e2", 0, 0),
]

MATH: list[Case] = [
    (r"\boxed{29}", r"\boxed{29}", 1, 1),
    (r"\boxed{29}", r"\boxed{29.00}", 1, 1),
    (r"\boxed{-7}", r"\boxed{−7}", 1, 1),
    (r"\boxed{-7}", r"\boxed{7}", 0, 0),
    (r"\boxed{1{,}200}", r"$\boxed{1,200}$", 1, 1),
    (r"\boxed{(1,200)}", r"\boxed{1200}", 0, 0),
    (r"\boxed{\frac{1}{2}}", r"so \boxed{\dfrac{1}{2}}.", 1, 1),
    (r"\boxed{\frac{1}{2}}", r"\boxed{0.5}", 1, 1),
    (r"\boxed{\frac{1}{2}}", r"\boxed{\frac{1}{20}}", 0, 0),
    (r"\boxed{\sqrt{3+\frac{1}{x^{2}}}}", r"\boxed{\sqrt{3 + \frac{1}{x^2}}}", 1, 1),
    (r"\boxed{\frac{3}{\sqrt{2}}}", r"\boxed{\frac{3\sqrt{2}}{2}}", 1, 1),
    (r"\boxed{6}", r"first \boxed{5}, no: \boxed{6}", 1, 1),
    (r"\boxed{5}", r"first \boxed{5}, no: \boxed{6}", 0, 0),
    (r"\boxed{6}", r"\boxed{\boxed{6}}", 1, 1),
    (r"\boxed{6}", r"\boxed{6", 0, 1),
    (r"\boxed{6}", r"\boxed{6} and \boxed{", 1, 1),
    (r"\boxed{6}", r"\boxed{6}}}", 1, 1),
    (r"\boxed{35}", r"\boxed{35\%}", 1, 1),
    (r"\boxed{35\%}", r"\boxed{0.35}", 0, 0),
    (r"\boxed{5}", r"\boxed{\$5.00}", 1, 1),
    (r"\boxed{10\text{ cm}}", r"\boxed{10}", 1, 1),
    (r"\boxed{10}", r"\boxed{10\text{ cm}^2}", 1, 1),
    (r"\boxed{144^\circ}", r"\boxed{144}", 1, 1),
    (r"\boxed{6}", r"\boxed{6.}", 1, 1),
    (r"\boxed{6}", "The answer is 6.", 0, 1),
    (r"\boxed{6}", r"The final answer is $x = 6$. I hope it is correct.", 0, 1),
    (r"\boxed{6}", "6", 0, 1),
    (r"\boxed{6}", r"6 \boxed{}", 0, 1),
    (r"\boxed{6}", r"6, or \boxed{7}", 0, 0),
    (r"\boxed{6}", "#### 6", 0, 1),
    (r"\boxed{(1,2)}", r"\boxed{(2,1)}", 0, 0),
    (r"\boxed{(1,2)}", r"\boxed{[1,2]}", 0, 0),
    (r"\boxed{\text{even}}", r"\boxed{Even}", 1, 1),
    (r"\boxed{6}", "", 0, 0),
    (r"\boxed{6}", "I do not know.", 0, 0),
    (r"\boxed{6}", r"\boxed{}", 0, 0),
    (r"\boxed{6}", r"\boxed{5 or 6}", 0, 0),
]

NATURAL_QUESTIONS: list[Case] = [
    ("Paris", "Paris", 1, 1),
    ("Paris", "  paris.\nIt is in France", 1, 1),
    ("Paris", "**Paris**", 1, 1),
    ("Paris", "The Paris", 1, 1),
    ("Paris", "Paris. It is in France.", 0, 1),
    ("Paris", "The answer is Paris.", 0, 1),
    ("Paris", "Lyon", 0, 0),
    ("Paris", "", 0, 0),
    ("Paris", "Lyon\nParis", 0, 0),
    ("Paris", "Paris or Lyon", 0, 0),
    ("Paris\nLyon", "Lyon", 1, 1),
    ("Paris\nLyon", "Paris Lyon", 0, 0),
    ("Paris", "Not Paris", 0, 0),
    ("Paris", "Parisian", 0, 0),
    ("Beyoncé", "Beyonce\u0301", 1, 1),
    ("Beyoncé", "Beyonce", 0, 0),
    ("Dr. No", "Dr. No", 1, 1),
    ("Dr. Who", "Dr. Who. A film.", 0, 1),
    ("Dr. No", "Dr. No. A film.", 0, 0),
    ("J.K. Rowling", "JK Rowling", 1, 1),
    ("1,200", "1200", 1, 1),
    ("29", "29.00", 0, 0),
    ("50%", "50", 1, 1),
    ("$5", "5", 1, 1),
    ("5", "−5", 1, 1),
    ("U.S. Army", "the US army", 1, 1),
    ("The Who", "Who", 1, 1),
    ("A", "a", 1, 1),
    ("A", "The", 0, 0),
    ("Paris", "Answer:\nParis", 0, 1),
    ("Paris", "...", 0, 0),
    ("Paris", "“Paris”", 1, 1),
    ("Spider-Man", "Spider–Man", 1, 1),
    ("Spider-Man", "Spider Man", 0, 0),
    ("Paris", "Ｐａｒｉｓ", 1, 1),
]

MMLU: list[Case] = [
    ("B", "B", 1, 1),
    ("B", " (B)\n", 1, 1),
    ("B", "B.", 1, 1),
    ("B", "The answer is (B).", 1, 1),
    ("B", "So the answer is B", 1, 1),
    ("B", "The answer is **B**.", 0, 1),
    ("B", r"\boxed{B}", 0, 1),
    ("B", r"$\boxed{\text{(B)}}$.", 0, 1),
    ("B", "Answer: B", 0, 1),
    ("B", "B) mitosis, unlike A", 0, 1),
    ("B", "b", 0, 1),
    ("B", "it must be (b)", 0, 1),
    ("B", "-5 #### B", 0, 1),
    ("B", "The answer is (A). No: the answer is (B).", 1, 1),
    ("A", "The answer is (A). No: the answer is (B).", 0, 0),
    ("B", "The answer is (A) or (B)", 0, 0),
    ("B", "It is B, not A", 0, 1),
    ("B", "It is (B), not (A).", 0, 1),
    ("B", "The answer is not (B).", 0, 0),
    ("B", "The answer is not A. Rather B", 0, 1),
    ("A", "A cell is alive", 0, 0),
    ("A", "A because it fits", 0, 1),
    ("A", "The answer is A cell", 0, 1),
    ("D", "Washington, D.C.", 0, 0),
    ("C", "I would use C++", 0, 0),
    ("A", "A/B", 0, 0),
    ("B", "ABCD", 0, 0),
    ("B", "E", 0, 0),
    ("B", "", 0, 0),
    ("B", "...", 0, 0),
    ("B", "I take\nB", 0, 1),
    ("B", "A. x\nB. y\nC. z\nD. w", 0, 0),
    ("B", "（Ｂ）", 1, 1),
    ("B", "<b>B</b>", 1, 1),
]

ARITHMETIC = of(
    "8",
    [
        ("9*3=7 7+1=8 #8", 1, 1),
        (" 9*3=7 7+1=8 #8 ", 1, 1),
        ("9*3=7 7+1=8", 0, 1),
        ("9*3=7, then 7+1=8, so #8.", 0, 1),
        ("9*3=7 7+1=9 #9", 0, 0),
        ("9*3=6 6+2=8 #8", 0, 0),
        ("#8", 0, 0),
        ("8", 0, 0),
        ("", 0, 0),
        ("9*3=7 7+1=8 #7", 0, 0),
        ("9*3=7 7+1=8 8+0=8 #8", 0, 0),
        ("7+1=8 9*3=7 #7", 0, 0),
        ("9*3=7\n7+1=8\n#8", 0, 1),
        ("9*3=27 7+1=8 #8", 0, 0),
        ("9*3=7 7+1=8 #8 and more", 0, 1),
        ("9 * 3 = 7 7 + 1 = 8 #8", 0, 0),
        ("9*3=7 7+1=8 #87", 0, 0),
        ("9*3=7 7+1=88 #8", 0, 0),
        ("#8 9*3=7 7+1=8", 0, 1),
        ("9*3=7 7+1=8 ####8", 0, 1),
        ("9*3=7 7+1=8 #8 #7", 0, 1),
        ("9*3=7 7+1=8 #7 #8", 0, 0),
        ("9*3=7 7+1=8 #-8", 0, 1),
        ("9*3=7 7+1=8 #8.0", 0, 1),
        ("3*9=7 7+1=8 #8", 0, 0),
        ("9*3=7 1+7=8 #8", 0, 0),
        ("9*3=7 9*3=7 7+1=8 #8", 0, 0),
        ("٩*3=7 7+1=8 #8", 0, 0),
        ("$9*3=7$ $7+1=8$ \\boxed{8}", 0, 1),
        ("9*3=7 7+1=8 #", 0, 1),
        ("9*3=7 7+1=8  #8", 0, 1),
        ("19*3=7 7+1=8 #8", 0, 0),
    ],
)

SIGNS = of(
    "9-1-1+1+4",
    [
        ("9-1-1+1+4", 1, 1),
        (" 9-1-1+1+4\n", 1, 1),
        ("9-1+1-1+4", 1, 1),
        ("9+1-1-1+4", 1, 1),
        ("9+1+1-1+5", 0, 0),
        ("9+1+1+1-0", 0, 0),
        ("9 - 1 - 1 + 1 + 4", 0, 1),
        ("9-1-1+1+4=2", 0, 1),
        ("9-1-1+1", 0, 0),
        ("9*1-1+1+4", 0, 0),
        ("", 0, 0),
        ("-9-1-1+1+4", 0, 0),
        ("9-1-1+1+4 ok", 0, 1),
        ("9-1-1+1+47", 0, 0),
        ("9-1-1+1+4+1", 0, 0),
        ("9-1-1+1+4.", 0, 1),
        ("9−1−1+1+4", 0, 0),
        ("9?1?1?1?4", 0, 0),
        ("9-1-1+1-4", 0, 0),
        ("4+1+1-1-9", 0, 0),
        ("The answer is 9-1-1+1+4", 0, 0),
        ("9-1-1+1+4\n9+1+1+1+4", 0, 0),
        ("(9-1)-1+1+4", 0, 0),
        ("2", 0, 0),
        ("--++", 0, 0),
        ("9-1-1+1+4\n\nQuestion", 0, 1),
        ("９-1-1+1+4", 0, 0),
        ("9-1\n-1+1+4", 0, 1),
    ],
)

RECALL = of(
    "go",
    [
        ("go", 1, 1),
        (" go", 1, 1),
        ("go\n", 1, 1),
        ("Go", 0, 1),
        ("GO.", 0, 1),
        ("go.", 0, 1),
        ("go,", 0, 1),
        ("go: a value", 0, 1),
        ("go on", 0, 1),
        ("go go", 0, 1),
        ("go\nno", 0, 1),
        ("...go...", 0, 1),
        ("og", 0, 0),
        ("g", 0, 0),
        ("g o", 0, 0),
        ("goo", 0, 0),
        ("go-no", 0, 0),
        ("no go", 0, 0),
        ("not go", 0, 0),
        ("it is go", 0, 0),
        ("**go**", 0, 0),
        ("go!", 0, 0),
        ("abc", 0, 0),
        ("ｇｏ", 0, 0),
        ("#### go", 0, 0),
        ("", 0, 0),
        ("   \n", 0, 0),
        (".", 0, 0),
    ],
)

SOLVED = "1234 3412 2143 4321"
SUDOKU = of(
    SOLVED,
    [
        (SOLVED, 1, 1),
        (f" {SOLVED}\n", 1, 1),
        (SOLVED.replace(" ", ""), 0, 1),
        (SOLVED.replace(" ", "\n"), 0, 1),
        (f"{SOLVED} done", 0, 1),
        (f"{SOLVED}.", 0, 1),
        (" ".join(SOLVED), 0, 1),
        ("|".join(SOLVED), 0, 1),
        (", ".join(SOLVED.replace(" ", "")), 0, 1),
        (f"Answer: {SOLVED}", 0, 1),
        (f"$${SOLVED}$$", 0, 1),
        (f"{SOLVED}\n1111 1111 1111 1111", 0, 1),
        (f"1111 1111 1111 1111\n{SOLVED}", 0, 0),
        (f"1. {SOLVED}", 0, 0),
        ("1234 3412 2143 4312", 0, 0),
        ("1234 3412 2143", 0, 0),
        ("1234 3412 2143 432", 0, 0),
        ("", 0, 0),
        ("1243 3412 2134 4321", 0, 0),
        (SOLVED.replace("1", "5"), 0, 0),
        ("12934 3412 2143 4321", 0, 0),
        ("1234 2143 3412 4321", 0, 0),
        ("2134 3412 1243 4321", 0, 0),
        ("12.. 3... .14. ....", 0, 0),
        ("-1234 -3412 -2143 -4321", 0, 1),
        (SOLVED.replace("1", "１"), 0, 0),
        (SOLVED.replace("4", "0"), 0, 0),
        ("1 2 3 4", 0, 0),
        ("1111 2222 3333 4444", 0, 0),
    ],
)

EXACT: list[Case] = [
    ("Paris", "Paris", 1, 1),
    ("Paris", " paris. ", 1, 1),
    ("Paris", "the PARIS", 1, 1),
    ("Paris", "Answer: Paris", 0, 1),
    ("Paris", "It is large.\nThe answer is Paris.", 0, 1),
    ("Paris", "**Answer:** Paris", 0, 1),
    ("Paris", r"The answer is \boxed{Paris}.", 0, 1),
    ("Paris", "x #### Paris", 0, 1),
    ("Paris", "Paris ####", 1, 1),
    ("Paris", "Answer: Lyon\nAnswer: Paris", 0, 1),
    ("Paris", "Answer: Paris\nAnswer: Lyon", 0, 0),
    ("Paris", "Answer: Paris\nAnswer:", 0, 1),
    ("Paris", "Paris\nAnswer: Lyon", 0, 0),
    ("Paris", "Answer:\n\nParis", 0, 1),
    ("Paris", "Paris, France", 0, 0),
    ("Paris", "It is Paris", 0, 0),
    ("Paris", "Lyon", 0, 0),
    ("Paris", "", 0, 0),
    ("Paris", "Answer: ", 0, 0),
    ("Paris", "The answer isn't Paris", 0, 0),
    ("29", "29.00", 0, 0),
    ("1,200", "1200", 1, 1),
    ("-5", "−5", 1, 1),
    ("-5", "5", 1, 1),
    ("50%", "50", 1, 1),
    ("$5", "Answer: $5.", 0, 1),
    ("{1, {2}}", "{1, {2}}", 1, 1),
    ("The answer is 42", "The answer is 42", 1, 1),
    ("Dr. No", "Answer: Dr. No.", 0, 1),
    ("Paris", "Answer: Paris. It is large.", 0, 0),
    ("!!!", "!!!", 1, 1),
    ("!!!", "???", 0, 0),
]

NUMERIC: list[Case] = [
    ("29", "29", 1, 1),
    ("29", "29.00", 1, 1),
    ("29.00", " 29. ", 1, 1),
    ("-7", "−7", 1, 1),
    ("-7", "7", 0, 0),
    ("7", "-7", 0, 0),
    ("7", "+7", 1, 1),
    ("1200", "1,200", 1, 1),
    ("1,200", "1{,}200", 1, 1),
    ("12", "1,2", 0, 0),
    ("5", "$5", 1, 1),
    ("-5", "-$5.00", 1, 1),
    ("5", "5 €", 1, 1),
    ("50", "50%", 1, 1),
    ("0.5", "50%", 0, 0),
    ("0.5", "1/2", 1, 1),
    ("0.5", ".50", 1, 1),
    ("5", "5 apples", 0, 0),
    ("5", "Answer: 5", 0, 1),
    ("5", "The answer is $5.", 0, 1),
    ("5", r"The answer is \boxed{5.0}.", 0, 1),
    ("5", "#### 5", 0, 1),
    ("5", "5 ####", 0, 0),
    ("5", "Answer: 6\nAnswer: 5", 0, 1),
    ("5", "Answer: 5\nAnswer: 6", 0, 0),
    ("5", "**Answer: −5**", 0, 0),
    ("5", "Answer: 5 apples", 0, 0),
    ("5", "", 0, 0),
    ("5", "five", 0, 0),
    ("5", "5 or 6", 0, 0),
    ("5", "5...", 0, 0),
    ("100000", "1e5", 0, 0),
    ("5", "٥", 1, 1),
    ("5", "4.999", 0, 0),
]

HARD: list[tuple[Task, str, list[Case]]] = [
    (Gsm8k(), "?", GSM8K),
    (Mathematics(), "?", MATH),
    (NaturalQuestions(), "?", NATURAL_QUESTIONS),
    *((task(), "?", MMLU) for task in (MmluBiology, MmluPhysics, MmluChemistry)),
    (Arithmetic(steps=2), "9*3+1", ARITHMETIC),
    (Signs(), "9?1?1?1?4=2 (+-)", SIGNS),
    (Recall(), "abc", RECALL),
    (Sudoku4(), "12.. 3... .14. ....", SUDOKU),
    (QuestionsAndAnswers(data=str(ROWS / "qa.jsonl")), "?", EXACT),
    (QuestionsAndAnswers(data=str(ROWS / "qa.jsonl"), grading="numeric"), "?", NUMERIC),
]


def label(task: Task) -> str:
    return (
        f"{task.name}-numeric"
        if isinstance(task, QuestionsAndAnswers) and task.grading == "numeric"
        else task.name
    )


@pytest.mark.parametrize(
    ("task", "question", "case"),
    [
        pytest.param(task, question, case, id=f"{label(task)}-{place}")
        for task, question, cases in HARD
        for place, case in enumerate(cases)
    ],
)
def test_hard_cases(task: Task, question: str, case: Case) -> None:
    reference, text, strict, flexible = case
    grade = task.grade(text, Problem("p", "test", question, reference))
    assert (grade.utility_strict, grade.utility_flexible) == (strict, flexible), (grade, text)


def test_every_task_has_twenty_different_cases_right_wrong_and_right_only_flexibly() -> None:
    tables = {
        label(task): [(f"{reference} {text}", *right) for reference, text, *right in cases]
        for task, _, cases in HARD
    }
    tables |= {
        "game24": GAME24,
        "prontoqa": [
            (text, strict == "False", flexible == "False") for text, strict, flexible in PRONTOQA
        ],
    }
    assert {*TASKS, "qa-numeric"} == tables.keys()
    for name, cases in tables.items():
        assert len({" ".join(text.split()) for text, *_ in cases}) >= 20, name
        kinds = Counter((bool(strict), bool(flexible)) for _, strict, flexible in cases)
        assert (
            set(kinds) == {(True, True), (False, True), (False, False)} and min(kinds.values()) >= 2
        ), (name, kinds)
