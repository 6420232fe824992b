"""Which answer a mathematical response gives, and its one spelling."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strop.tasks.answers import MAX_TEXT
from strop.tasks.math_answers import MAX_ANSWER, boxed, math_flexible, normalise_math

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


def test_only_the_end_of_a_response_is_read_and_places_are_the_text_s_own() -> None:
    found = boxed(r"\boxed{1}" + " " * MAX_TEXT)
    assert found is None
    text = "word " * MAX_TEXT + r"\boxed{2}"
    found = boxed(text)
    assert found and found.answer == "2" and text[found.start] == "2"


ONE = [
    # all of a line have the first one's form
    (
        r"\frac{1}{2}",
        "1/2",
        ".5",
        "0.50",
        r"\dfrac{2}{4}",
        r"\tfrac12",
        r"\frac1{2}",
        r"$\frac{1}{2}$",
        "½",
        r"0.5\text{ cm}",
        r"\left.\frac12\right.",
    ),
    (r"-\frac{1}{2}", "-1/2", r"\frac{-1}{2}", r"\frac{1}{-2}", "-.5", "−1/2"),
    (r"\frac{3}{2}", r"1\frac{1}{2}", "1 1/2", r"1\frac12", "1.5"),
    (r"\frac{1}{3}", r"0.\overline{3}", "2/6", r"\frac{1}{3} "),
    (
        "29",
        "29.00",
        "29.",
        "+29",
        "029",
        r"29^\circ",
        r"29^{\circ}",
        "29 degrees",
        r"29\%",
        "29%",
        r"\$29",
        r"29\text{ cm}^2",
        "29 square units",
        "x = 29",
        "x=29.",
        r"f(x) = 29",
        r"\boxed{29}",
        "{29}",
        "29 apples",
        r"29\mbox{ feet}",
        "29 percent",
    ),
    ("1200", "1,200", r"1,\!200", "1{,}200", r"1\,200", "1,200.0"),
    ("1, 200", "1,  200", "1 , 200", r"1,\ 200"),
    ("(1, 200)", "(1,200)", r"\left(1,\,200\right)", "(x,y) = (1,200)"),
    (
        r"(3\sqrt{2}, \frac{3\pi}{4})",
        r"\left( 3\sqrt2, 3\pi/4 \right)",
        r"(3\sqrt{2},\dfrac{3 \pi}{4})",
    ),
    (r"\sqrt{2}", r"\sqrt2", r"\sqrt 2", "sqrt(2)", "√2", "sqrt{2}"),
    ("even", r"\text{even}", "Even", r"\textbf{even}.", r"\mathrm{even}"),
    ("no solution", r"\text{no solution}", "No  solution."),
    ("B", "(B)", r"\text{(B)}", r"\textbf{(B)}"),
    ("202_{7}", "202_7", "202_{7}", r"202_{7}\text{ units}"),
    ("-1, 3", "-1,3", r"-1\text{ and }3", "-1 or 3", "x = -1, 3", r"-1 \text{, } 3"),
    ("(-2, 1]", "(-2,1]", r"x\in(-2,1]", r"\left(-2, 1\right]"),
    (r"\{1, 2\}", r"\left\{1,2\right\}", r"\lbrace 1,2 \rbrace"),
    (
        r"\begin{pmatrix}3&-1\\-5&2\end{pmatrix}",
        r"\begin{bmatrix} 3 & -1 \\ -5 & 2 \end{bmatrix}",
        r"\begin{pmatrix} 3.0 & -1 \\-5&2\end{pmatrix}",
    ),
    (r"x^{10}", "x^10", "x^{10}", r"x ^ { 10 }"),
    (r"x\ge3", r"x \geq 3", "x ≥ 3", r"x\geqslant 3"),
    (r"2\pi", r"2 \pi", "2pi", "2π"),
    (r"3\cdot10^{5}", r"3 \times 10^5", "3*10^5"),
    (r"(-\infty, 2)\cup(3, \infty)", r"(-\infty,2) \cup (3,\infty)", "(-∞, 2) ∪ (3, ∞)"),
    ("3 million", r"3 \text{ million}", r"\$3 million"),
    (r"i+2j", r"\mathbf{i}+2\mathbf{j}", r"\mathbf{i} + 2 \mathbf{j}"),
    ("", " ", "$$", r"\boxed{}", "1" * (MAX_ANSWER + 1), "{" * 100 + "1" + "}" * 100),
]


@pytest.mark.parametrize("answers", ONE, ids=[line[0] or "none" for line in ONE])
def test_one_answer_has_one_form(answers: tuple[str, ...]) -> None:
    assert {answer: normalise_math(answer) for answer in answers[1:]} == dict.fromkeys(
        answers[1:], answers[0]
    )


def test_different_answers_have_different_forms() -> None:
    forms = [line[0] for line in ONE] + [
        "1/20",
        "(2, 1)",
        "[1, 2]",
        "(1, 2)",
        "1, 2",
        "202_8",
        "202",
        r"6\text{ p.m.}",
        r"6\text{ a.m.}",
        "5x",
        "5!",
    ]
    assert len({normalise_math(form) for form in forms}) == len(forms)


PIECES = [
    r"\frac",
    r"\sqrt",
    *"{}()[]^_/-+.,=|&:;$ ",
    r"\{",
    r"\}",
    "1",
    "20",
    ".5",
    "0.50",
    "1,000",
    "x",
    "ab",
    "cm",
    r"\text",
    "{ cm}",
    "{and}",
    "or",
    r"\circ",
    r"\pi",
    r"\left",
    r"\right",
    r"\%",
    r"\in",
    r"\le",
    r"\\",
    r"\begin{bmatrix}",
    r"\end{pmatrix}",
    r"\overline",
    "sqrt",
    "B",
    "f(x)=",
    "\\",
    '"',
    "\n",
    "√",
    "²",
    "½",
    "{,}",
    r"\!",
    r"\boxed",
    r"\mathrm",
    "million",
    "٣",
    "é",
]


@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_the_form_of_a_form_is_itself(answer: str) -> None:
    form = normalise_math(answer)
    assert normalise_math(form) == form and len(form) <= MAX_ANSWER
    assert math_flexible(rf"{answer}\boxed{{1}}") == boxed(rf"{answer}\boxed{{1}}")


LONG = [
    "{",
    "9",
    r"\boxed{",
    r"\boxed ",
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
