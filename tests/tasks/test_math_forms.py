"""The one spelling of a mathematical answer.

Covers ``math_forms.py`` with ``math_tokens.py``, ``math_reader.py`` and ``math_numbers.py``.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strop.tasks.math_answers import math_flexible
from strop.tasks.math_boxes import boxed
from strop.tasks.math_forms import MAX_ANSWER, normalise_math

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
