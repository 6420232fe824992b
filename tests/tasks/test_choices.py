"""Letters of multiple-choice answers.

What holds for every extractor is tested in ``test_answers.py``.
"""

from __future__ import annotations

import pytest

from strop.tasks.choices import choice_flexible, choice_strict
from strop.tasks.extraction import Found


def answer(found: Found | None) -> str | None:
    return None if found is None else found.answer


@pytest.mark.parametrize(
    ("text", "strict", "flexible"),
    [
        ("B", "B", "B"),
        ("(B)", "B", "B"),
        ("B.", "B", "B"),
        (" B) \n", "B", "B"),
        ("The answer is (B).", "B", "B"),
        ("So the answer is B", "B", "B"),
        ("The answer is B.\n\nNext", "B", "B"),
        ("The answer is (A). No: the answer is (C).", "C", "C"),
        ("The answer is (B) as A is not", "B", "B"),
        ("The answer is A cell", None, "A"),
        ("The answer is A because it is", None, "A"),
        ("A because it fits", None, "A"),
        ("A cell is alive", None, None),
        ("A cell is alive. The answer is (C).", "C", "C"),
        ("A cell is alive, so C", None, "C"),
        ("Answer: A cell is alive", None, None),
        ("Answer: C\nA cell is alive", None, "C"),
        ("Answer:\nB", None, "B"),
        ("ANSWER: B", None, "B"),
        ("The correct answer is B, not A", None, "B"),
        ("The best option is D", None, "D"),
        ("the answer is **B**.", None, "B"),
        (r"The answer is $\boxed{\text{(B)}}$.", None, "B"),
        (r"\boxed{B}", None, "B"),
        (r"$\boxed{\textbf{C}}$ since A, B fail", None, "C"),
        ("B) Mitosis, unlike A", None, "B"),
        ("B. Mitosis", None, "B"),
        ("A. x\nB. y\nC. z\nI take C", None, "C"),
        ("(b)", None, "B"),
        ("b", None, "B"),
        ("it must be (c)", None, "C"),
        ("The answer is (A) or (B)", None, "A"),
        ("It is E", None, None),
        ("E", None, None),
        ("", None, None),
        ("ABCD", None, None),
        ("A/B", None, None),
        ("D.C.", None, None),
        ("C++", None, None),
        ("I got an A+", None, None),
        ("Bob's B's", None, None),
        ("It is D, not A", None, "D"),
        ("It is (D), not (A).", None, "D"),
        ("D, not **A**", None, "D"),
        ("It is D; it isn't A", None, "D"),
        ("The answer is not (B).", None, None),
        ("The answer isn’t (B)", None, None),
        ("it is (d), not (a)", None, "D"),
        ("The answer is not A. Rather C", None, "C"),
        ("<b>B</b>", "B", "B"),
        ("The answer is <b>B</b>", None, "B"),
        ("\x1b[1m(B)\x1b[0m", "B", "B"),
        ("\u200fB\u200e", "B", "B"),
        ("（Ｂ）", "B", "B"),
        ("&#40;B&#41;", "B", "B"),
        ("-5 #### D", None, "D"),
        ("x" * 1_000_000, None, None),
        (" " * 1_000_000 + "B", None, "B"),
        ("x " * 500_000 + "The answer is (D).", "D", "D"),
        ("The answer is (B). " + "x " * 500_000, None, None),
    ],
)
def test_multiple_choice_hard_cases(text: str, strict: str | None, flexible: str | None) -> None:
    assert (answer(choice_strict(text)), answer(choice_flexible(text))) == (strict, flexible)


def test_other_letters() -> None:
    assert (
        answer(choice_strict("The answer is (J).", "ABCDEFGHIJ")) == "J"
        and choice_flexible("The answer is (J).") is None
    )
    assert (
        choice_flexible("I think so", "ABCDEFGHI") is None
        and answer(choice_flexible("answer: I", "ABCDEFGHI")) == "I"
    )
