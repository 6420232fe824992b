"""An answer against its reference and its question. Covers ``math_equations.py`` too."""

from __future__ import annotations

import time

import pytest

from strop.records import Problem
from strop.tasks.math_equations import same_equation
from strop.tasks.math_forms import normalise_math
from strop.tasks.math_judgement import is_percentage_of, is_right
from strop.tasks.math_workers import NO_MATH_VERIFY, grader, same_math
from strop.tasks.mathematics import Mathematics
from tests.own_rows import on_own_rows

PAIRS = [
    # answer, reference, right?
    # an equation is not its right side, but a name on the left does not count
    ("x^2+y^2=4", "4", False),
    ("4", "x^2+y^2=4", False),
    ("a+b=4", "4", False),
    ("PQ = 4", "4", True),
    (r"\angle PQR = 40", "40", True),
    (r"m\angle P = 40", "40", True),
    ("|PQ| = 4", "4", True),
    ("f(3) = 4", "4", True),
    (r"\text{Area} = 4", "4", True),
    ("1+3 = 4", "4", True),
    # equations of the same line or curve
    ("3x-y+1=0", "y=3x+1", True),
    ("y=3x+1", "3x-y+1=0", True),
    ("6x-2y=-2", "y=3x+1", True),
    ("y-4=3(x-1)", "y=3x+1", True),
    (r"y=\frac{1}{2}x-\frac{3}{2}", "x-2y=3", True),
    ("y=3x+2", "3x-y+1=0", False),
    ("(x-2)^2+y^2=9", "x^2-4x+y^2-5=0", True),
    # tiny numbers
    (r"\frac{1}{3^{80}}", r"\frac{1}{3^{81}}", False),
    ("10^{-30}", "10^{-31}", False),
    (r"\frac{x}{2^{90}}", r"\frac{x}{2^{91}}", False),
    (r"\frac{1}{3^{80}}", "3^{-80}", True),
    # bases
    (r"213\text{ (base }5)", "213_5", True),
    ("213 base five", "213_5", True),
    (r"213_{\text{five}}", "213_5", True),
    (r"1101\,0011_2", "11010011_2", True),
    ("0213_5", "213_5", True),
    ("213_6", "213_5", False),
    ("213", "213_5", True),
    ("213_5", "213", False),
    ("213_{10}", "213", True),
    # units
    ("15cm", "15", True),
    ("15 cm^3", "15", True),
    ("15km/h", "15", True),
    ("15dollars", "15", True),
    ("15n", "15", False),
    # the letter of a choice
    (r"\textbf{(C)}\ 15", "15", True),
    ("(C) 15", "15", True),
    ("C", r"\textbf{(C)}\ 15", True),
    ("D", r"\textbf{(C)}\ 15", False),
    # matrices
    (
        r"\left(\begin{array}{cc} 1 & 0 \\ 0 & 2 \end{array}\right)",
        r"\begin{pmatrix}1&0\\0&2\end{pmatrix}",
        True,
    ),
    (
        r"\left[\begin{smallmatrix}1\\2\end{smallmatrix}\right]",
        r"\begin{pmatrix}1\\2\end{pmatrix}",
        True,
    ),
    (r"\begin{pmatrix}1\\2\\ \end{pmatrix}", r"\begin{pmatrix}1\\2\end{pmatrix}", True),
    (r"\begin{vmatrix}1&0\\0&2\end{vmatrix}", r"\begin{pmatrix}1&0\\0&2\end{pmatrix}", False),
    # lists
    ("2, 4, and 6", "2,4,6", True),
]
needs_math_verify = pytest.mark.skipif(grader() == NO_MATH_VERIFY, reason="needs math-verify")


@needs_math_verify
@pytest.mark.parametrize(("answer", "reference", "right"), PAIRS)
def test_pairs(answer: str, reference: str, right: bool) -> None:
    assert is_right(normalise_math(answer), reference) is right


def test_what_the_question_asks_for_counts() -> None:
    assert is_right("a+b=4", "4", "Find $a + b$.")
    assert is_right("213_{5}", "213", "Write it in base $5$.")
    assert is_right("101_{2}", "101", "Give a binary number.")
    assert not is_right("213_{5}", "213", "Write it in base $7$.")


def test_a_percentage_may_be_the_value_of_the_reference() -> None:
    """A reference in per cent asks for a percentage, of which 0.5 is another one."""
    assert is_percentage_of("50\\%", "0.5") and is_percentage_of("50%", r"\frac{1}{2}")
    assert not is_percentage_of("50\\%", "0.6")
    assert not is_percentage_of("0.5", "50\\%") and not is_percentage_of("0.5\\%", "50\\%")
    problem = Problem("p", "test", "?", r"\boxed{0.5}")
    grade = on_own_rows(Mathematics).grade(r"\boxed{50\%}", problem)
    assert grade.utility_strict == grade.utility_flexible == 1.0
    grade = on_own_rows(Mathematics).grade("The answer is 50%.", problem)
    assert (grade.utility_strict, grade.utility_flexible) == (0.0, 1.0)


HOSTILE = [
    "(" * 200 + "=1",
    "(x+y)^{8}(x+y)^{8}(x+y)^{8}=1",
    "x^{99999999}+y=1",
    "9" * 150 + "x+y=1",
    "x+y=" + "1+" * 90 + "1",
    r"\frac{x}{0}+y=1",
    r"\frac{x}{y}=1",
    "=",
    "x=y=z",
    "",
]


@pytest.mark.parametrize("equation", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_equations_are_no_others_and_soon_judged(equation: str) -> None:
    started = time.process_time()
    assert not same_equation(equation, "y=2x") and not same_equation("2x-y=0", equation)
    assert time.process_time() - started < 0.2


def test_equal_forms_are_right_without_a_library() -> None:
    assert is_right("3", "x = 3") and same_math("3", "3.0")
    assert not is_right("", "3")
