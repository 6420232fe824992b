"""The answer that a mathematical response gives. Covers ``math_answers.py``, ``math_boxes.py``."""

from __future__ import annotations

import time

import pytest

from strop.tasks.displayed_text import MAX_TEXT
from strop.tasks.math_answers import math_flexible
from strop.tasks.math_boxes import boxed
from strop.tasks.math_forms import MAX_ANSWER, normalise_math

RESPONSES = [
    # text, boxed answer, flexible answer
    (r"so $x = \boxed{6}$.", "6", "6"),
    (r"$\boxed{\frac{1}{\sqrt{2}}}$", r"\frac{1}{\sqrt{2}}", r"\frac{1}{\sqrt{2}}"),
    (r"first \boxed{1}, no, \boxed{2}", "2", "2"),
    (r"\boxed{5} and then \boxed{6 and the text breaks off", "5", "5"),
    (r"\boxed{5} goes into \boxed{}", "5", "5"),
    (r"\boxed{\boxed{9}}", "9", "9"),
    (r"\fbox{7}", "7", "7"),
    (r"\boxed {8}", "8", "8"),
    (r"it is $\boxed 5$.", "5", "5"),
    (r"a brace { stays open, \boxed{5}", "5", "5"),
    (r"\boxed{\{1,2\}}", r"\{1,2\}", r"\{1,2\}"),
    (r"\boxed{x \} y}", r"x \} y", r"x \} y"),
    (r"\boxed{1}} and }}", "1", "1"),
    (r"\boxed{\text{even}}. The answer is 7.", r"\text{even}", r"\text{even}"),
    (r"\boxedly 3", None, "3"),
    (r"so \boxed{1}. Then \boxed{2}.", "2", "2"),
    (r"\boxed{1} or \boxed{1.0}", "1.0", "1.0"),
    ("Here $n = 9$, but one is left, so the sum is 8.", None, "8"),
    (r"As \(n = 9\), there are **8** left.", None, "8"),
    ("It is $n = 9$, by step 2", None, "9"),
    ("odd", None, "odd"),
    ("**No solution.**", None, "No solution"),
    (r"\frac{\sqrt5}{3}", None, r"\frac{\sqrt5}{3}"),
    ("We add them up.\n\\frac{\\sqrt5}{3}", None, r"\frac{\sqrt5}{3}"),
    (r"x = \frac{\sqrt5}{3}.", None, r"\frac{\sqrt5}{3}"),
    ("2, 4, 6", None, "2, 4, 6"),
    ("1. 5", None, "5"),
    ("We tried.\nSo 5 or 6 of 9", None, "9"),
    (r"The final answer is $\frac{3}{4}$. I hope it is correct.", None, r"\frac{3}{4}"),
    ("The final answer is 5x+3. I hope it is correct.", None, "5x+3"),
    ("**Final Answer:** 12", None, "12"),
    (r"**Final Answer**: \(x=5\)", None, "x=5"),
    ("**Final Answer**\n\n$7$", None, "7"),
    ("The answer is\n\\[ \\frac{1}{2} \\]", None, r"\frac{1}{2}"),
    ("The answer is 5. Check: $2+3=5$, as $x=9$.", None, "5"),
    ("The answer is 3.14.", None, "3.14"),
    ("The answer is therefore (2, 3).", None, "(2, 3)"),
    ("The answer is **even**.", None, "even"),
    ("The answer is 4, I thought. But the answer is $8$", None, "8"),
    ("the answer is $x=3$ and $y=4$, as $z=1$.", None, "x=3$ and $y=4"),
    ("So $3x = 18$, and $x = 6$", None, "6"),
    (r"the sum is $\sum_{n=1}^{3} n$", None, r"\sum_{n=1}^{3} n"),
    ("Ann pays $5 and Bob pays $3.", None, "$3"),
    (r"I get \frac{3}{4}.", None, r"\frac{3}{4}"),
    ("The answer isn't 5 but 6", None, "6"),
    ("It is 1,200 in all.", None, "1,200"),
    ("I do not know.", None, None),
    ("", None, None),
    ("The answer is", None, None),
    (rf"\boxed{{{'1' * (MAX_ANSWER + 1)}}}", None, None),
]


@pytest.mark.parametrize(("text", "strict", "flexible"), RESPONSES, ids=range(len(RESPONSES)))
def test_the_answer_that_a_response_gives(
    text: str, strict: str | None, flexible: str | None
) -> None:
    for found, answer in ((boxed(text), strict), (math_flexible(text), flexible)):
        assert (found and found.answer) == answer
        assert found is None or text[found.start :].startswith(found.answer)


JOINED = [
    (r"$m = \boxed{4}$ or $m = \boxed{-2}$.", "4, -2"),
    (r"\boxed{2}, \boxed{4} and \boxed{6}", "2, 4, 6"),
    (r"$\boxed{(1,2)} \text{ and } \boxed{(3,4)}$", "(1,2), (3,4)"),
    (r"a &= 3 = \boxed{3}, \\ b + c &= 1 + 4 = \boxed{5}", "3, 5"),
    (r"\boxed{1\frac12}$, or $\boxed{\frac{3}{2}}$ of it", r"\frac{3}{2}"),
    (r"\boxed{3}$. Then $m = \boxed{5}$", "5"),
    (r"\boxed{3} \boxed{5}", "5"),
    (r"\boxed{3}, so we get \boxed{5}", "5"),
]


@pytest.mark.parametrize(("text", "answer"), JOINED)
def test_boxes_that_are_joined_are_one_answer(text: str, answer: str) -> None:
    found = boxed(text)
    assert found and found.answer == answer


def test_only_the_end_of_a_response_is_read_and_places_are_the_text_s_own() -> None:
    found = boxed(r"\boxed{1}" + " " * MAX_TEXT)
    assert found is None
    text = "word " * MAX_TEXT + r"\boxed{2}"
    found = boxed(text)
    assert found and found.answer == "2" and text[found.start] == "2"


LONG = [
    "{",
    "9",
    r"\boxed{",
    r"\boxed ",
    r"\boxed{1}, ",
    r"\boxed{1} or $k = ",
    "x is 1 ",
    "x=1, ",
    "$",
    "$1",
    r"\(",
    r"\[x",
    "The answer is ",
    "the answer is therefore ",
    "\n\n",
    r"\frac",
    "(",
    "^",
    "1,",
    "1,000",
    "a ",
    r"{\text",
    "^-",
    "]",
    "and ",
    r"\left",
    "x_",
    "Final Answer: $",
    " ",
    "\\",
    "1/",
    r"\frac{1}{2}",
]


@pytest.mark.parametrize("piece", LONG)
def test_a_megabyte_takes_milliseconds(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    started = time.process_time()
    boxed(text), math_flexible(text), normalise_math(text), normalise_math(text[:MAX_ANSWER])
    assert time.process_time() - started < 0.5
