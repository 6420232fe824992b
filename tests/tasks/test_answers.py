"""Numbers and short answers in responses: hard cases, and properties of every extractor.

Covers ``answers.py`` and ``displayed_text.py``, and the properties of ``choices.py``.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strop.tasks.answers import after_marker, gsm8k_flexible, gsm8k_strict, nq_flexible, nq_strict
from strop.tasks.choices import choice_flexible, choice_strict
from strop.tasks.displayed_text import MAX_TEXT
from strop.tasks.extraction import Found
from strop.tasks.numbers import canonical_number
from strop.tasks.squad import matches_any, normalise_squad


def answer(found: Found | None) -> str | None:
    return None if found is None else found.answer


def value(found: Found | None) -> str | None:
    return None if found is None else canonical_number(found.answer)


WIDE = "THE TOTAL IS ４２ ＡＰＰＬＥＳ．"


@pytest.mark.parametrize(
    ("text", "strict", "flexible"),
    [
        ("6*7=42\n#### 42", "42", "42"),
        ("#### -42", "-42", "-42"),
        ("#### −42", "-42", "-42"),
        ("#### 1,200", "1200", "1200"),
        ("#### 29.00", "29", "29"),
        ("#### 29.", "29", "29"),
        ("#### 29...", "29", "29"),
        ("#### $29", None, "29"),
        ("#### 29%", "29", "29"),
        ("#### 29 dollars and 5 cents", "29", "29"),
        ("#### 3/4", "3/4", "3/4"),
        ("#### 1{,}200", "1200", "1200"),
        ("29 ####", None, "29"),
        ("####29", None, "29"),
        ("####  29", None, "29"),
        ("####\n29", None, "29"),
        ("### 29", None, "29"),
        ("#### 1\n#### 2", "1", "1"),
        ("#### none\n#### 2", "2", "2"),
        ("#### ...\n#### 2", "2", "2"),
        ("#### 1,2\n#### 2", "2", "2"),
        ("5 and 7\n#### ", None, "7"),
        ("#### **29**", None, "29"),
        ("#### 5-3", "5", "5"),
        ("#### 1/2/2020 and 6", None, "6"),
        ("#### 5\nThat is 7 too", "5", "5"),
        ("", None, None),
        ("none at all", None, None),
        ("... ,, $$ - ####", None, None),
        ("It costs $1,200.", None, "1200"),
        ("He has 3 apples, 4 pears.", None, "4"),
        ("It fell to -7.", None, "-7"),
        ("It fell to −7 °C.", None, "-7"),
        ("5-10 minutes", None, "10"),
        ("10−3", None, "3"),
        ("x=-3", None, "-3"),
        ("(4)-3", None, "3"),
        ("--7", None, "-7"),
        ("-$-7", None, "-7"),
        ("+7", None, "7"),
        ("Pay -$5", None, "-5"),
        ("Pay $-5", None, "-5"),
        (r"Pay \$5.50", None, "11/2"),
        ("that's 50% of it", None, "50"),
        (r"so \boxed{42}", None, "42"),
        (r"$\boxed{\text{1,200}}$.", None, "1200"),
        (r"$$x = \boxed{-7}$$", None, "-7"),
        ("so it is ...5", None, "5"),
        ("5 ... or so ...", None, "5"),
        ("42 $$", None, "42"),
        ("42, 1.2.3", None, "42"),
        ("7 or 5/0", None, "7"),
        ("in all 1,2,3", None, None),
        ("on 1/2/2020 he had 9", None, "9"),
        ("1\u202f200 m", None, "1200"),
        ("#### 5/day", "5", "5"),
        ("60km/2h", None, "2"),
        ("$5.$6", None, "6"),
        ("<h1>42</h1>", None, "42"),
        ("<td>4</td><td>2</td>", None, "2"),
        ('<b class="x9">42</b><br/>', None, "42"),
        ("3<4 and 5>2", None, "2"),
        ("\x1b[1m#### 42\x1b[0m", "42", "42"),
        ("#### \x1b[1m42\x1b[0m", "42", "42"),
        ("&#36;42&#37;", None, "42"),
        ("&minus;42", None, "-42"),
        ("\u200f#### \u200e42\u200f", "42", "42"),
        ("4\u200b2", None, "42"),
        (WIDE, None, "42"),
        ("＃＃＃＃ −１，２００", "-1200", "-1200"),
        ("٤٢", None, "42"),
        ("9" * 101, None, None),
        ("7 then " + "9" * 101, None, "7"),
        ("#### " + "9" * 101 + " 7", None, "7"),
    ],
)
def test_gsm8k_hard_cases(text: str, strict: str | None, flexible: str | None) -> None:
    assert (value(gsm8k_strict(text)), value(gsm8k_flexible(text))) == (strict, flexible)


@pytest.mark.parametrize(
    ("text", "accepted", "strict", "flexible"),
    [
        ("Paris", ["Paris"], True, True),
        (" \n paris. \nIt is in France", ["Paris"], True, True),
        ("The Paris", ["Paris"], True, True),
        ("Paris. It is in France.", ["Paris"], False, True),
        ("The answer is Paris.", ["Paris"], False, True),
        ("Answer: Paris", ["Paris"], False, True),
        ("**Answer:** **Paris**", ["Paris"], False, True),
        ("Answer:\nParis", ["Paris"], False, True),
        ("I think that the correct answer is Paris. Or not.", ["Paris"], False, True),
        ("Lyon\nThe answer is Paris", ["Paris"], False, True),
        ("Dr. No", ["Dr. No"], True, True),
        ("Dr. Who. A film.", ["Dr. Who"], False, True),
        ("St. Louis. A city.", ["St. Louis"], False, True),
        ("J. K. Rowling. She wrote it.", ["J.K. Rowling"], False, False),
        ("J.K. Rowling. She did.", ["J. K. Rowling", "JK Rowling"], False, True),
        ("The Answer is Blowin' in the Wind", ["The answer is blowin in the wind"], True, True),
        ("Yahoo! Answers", ["Yahoo Answers"], True, True),
        ("Who's Afraid? Nobody. Mr. X", ["whos afraid nobody mr x"], True, True),
        ("1. Paris", ["1 Paris"], True, True),
        ("1945. Then it ended.", ["1945"], False, True),
        ("3.5 million. Or so.", ["3.5 million"], False, True),
        ("the U.S. Army", ["U.S. Army", "US army"], True, True),
        ("Spider–Man", ["spider-man"], True, True),
        ("“Paris”", ["Paris"], True, True),
        ("Beyonce", ["Beyoncé"], False, False),
        ("Beyonce\u0301", ["Beyoncé"], True, True),
        ("Ｐａｒｉｓ", ["Paris"], True, True),
        ("\x1b[1mParis\x1b[0m", ["Paris"], True, True),
        ("<p>Paris</p>", ["Paris"], True, True),
        ("Tom &amp; Jerry", ["Tom & Jerry"], True, True),
        ("\u200fParis\u200e", ["Paris"], True, True),
        (r"The answer is $\boxed{\text{Paris}}$.", ["Paris"], False, True),
        ("", ["Paris"], False, False),
        ("", [""], False, False),
        ("...", [""], False, False),
        ("The The", ["The The"], True, True),
        ("The", ["A"], False, False),
        ("!!!", ["!!!"], True, True),
        ("Paris or Lyon", ["Paris", "Lyon"], False, False),
        ("Paris", [], False, False),
        ("-5", ["5"], True, True),
        ("Paris" * 200_000, ["Paris"], False, False),
        ("x " * MAX_TEXT + "\nAnswer: Paris", ["Paris"], False, True),
    ],
)
def test_natural_questions_hard_cases(
    text: str, accepted: list[str], strict: bool, flexible: bool
) -> None:
    right = [
        each is not None and matches_any(each.answer, accepted)
        for each in (nq_strict(text), nq_flexible(text))
    ]
    assert (right[0], any(right)) == (strict, flexible)


def test_the_first_sentence_is_cut_off() -> None:
    assert answer(nq_flexible("Paris. It is in France.")) == "Paris"
    assert answer(nq_flexible("Inner City. Blues")) == "Inner City"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Answer: Paris", "Paris"),
        ("Answer: Paris.", "Paris"),
        ("answer:Paris\nmore", "Paris"),
        ("The answer is: Paris", "Paris"),
        ("#### 42", "42"),
        ("x #### -1,200.", "-1,200"),
        ("Answer: a\nAnswer: b", "b"),
        ("Answer: a\nAnswer:", "a"),
        ("Answer: a ####", "a"),
        ("Answer: The answer is Paris", "Paris"),
        ("The answer is Paris #### Lyon", "Lyon"),
        ("Answer:\n\n Paris \nmore", "Paris"),
        ("**Answer:** Paris", "Paris"),
        ("**Answer: Paris.**", "Paris"),
        (r"The answer is \boxed{42}.", "42"),
        ("Answer: `x`", "x"),
        (r"Answer: $\boxed{\text{\mathrm{x}}}$", "x"),
        ("Answer: 50%", "50%"),
        ("Answer: $5", "$5"),
        ("Answer: −5", "−5"),
        ("Answer: 29.00", "29.00"),
        ("Paris", None),
        ("", None),
        ("Answer:", None),
        ("Answer: .", None),
        ("Answer: ####", None),
        ("Paris #### ", None),
        ("NoAnswer: x", None),
        ("The answer isn't x", None),
        ("The answer island", None),
        ("\u200fAnswer: \u200e42", "42"),
        ("<b>Answer:</b> <i>42</i>", "42"),
        ("\x1b[1mAnswer:\x1b[0m 42", "42"),
        ("Ａｎｓｗｅｒ： ４２", "42"),
        ("Answer: 1\r\n2", "1"),
        ("Answer: a &lt; b", "a < b"),
        ("Answer: " + "1" * 1_000_000, None),
        ("x " * 500_000 + "Answer: 42", "42"),
        ("Answer: 42 " + "x " * 500_000, None),
    ],
)
def test_after_marker_hard_cases(text: str, expected: str | None) -> None:
    assert answer(after_marker(text)) == expected


def test_markers_are_the_askers() -> None:
    assert answer(after_marker("Result => 5. Answer: 6", ["=>"])) == "5. Answer: 6"
    assert (
        after_marker("Answer: 6", ["(.*)"]) is None
        and after_marker("Answer: 6", []) is None
        and after_marker("Answer: 6", [""]) is None
    )


EXTRACTORS: dict[str, Callable[[str], Found | None]] = {
    function.__name__: function
    for function in (
        gsm8k_strict,
        gsm8k_flexible,
        nq_strict,
        nq_flexible,
        choice_strict,
        choice_flexible,
        after_marker,
    )
}


every_extractor = pytest.mark.parametrize("extract", EXTRACTORS.values(), ids=EXTRACTORS)


PIECES = [
    "#### ",
    "####",
    "The answer is ",
    "Answer:",
    "(B)",
    "B",
    "A",
    " a ",
    "C.",
    "D)",
    "\n",
    " ",
    "-",
    "−",
    "$",
    "%",
    ",",
    ".",
    "/",
    "1",
    "23",
    "456",
    "{,}",
    "\u00a0",
    "\u200f",
    "\x1b[1m",
    "<b>",
    "</b>",
    "&#36;",
    "&amp;",
    "&",
    "<",
    "４",
    "Ｂ",
    "\\boxed{",
    "\\text{",
    "}",
    "**",
    "Dr.",
    "Paris",
    "The",
    "é",
    "e\u0301",
    "'",
    "’",
]


TEXTS = st.text(max_size=100) | st.lists(st.sampled_from(PIECES), max_size=25).map("".join)


@every_extractor
@given(text=TEXTS)
def test_any_text_is_read_and_start_is_true(
    extract: Callable[[str], Found | None], text: str
) -> None:
    found = extract(text)
    if found is not None:
        assert found.answer == found.answer.strip() != "" and found.how
        there = text[found.start]
        wide = chr(ord(there) - 0xFEE0) if "！" <= there <= "～" else there
        assert found.answer[0] in (there, wide, wide.upper()) or there == "&"


@every_extractor
@pytest.mark.parametrize(
    "unit",
    [
        "1",
        ",",
        " ",
        "#### ",
        "111,",
        "11,",
        "1.",
        "1/",
        "1{,}",
        "1\u00a0",
        "#### 1,",
        "#### 1/",
        "-",
        "<a ",
        "<a =",
        "\x1b[0",
        "&#",
        "&#1;",
        "A ",
        "A)\n",
        "(",
        "{",
        "answer ",
        "Answer:",
        "The answer is ",
        "The answer is B   ",
        "\\boxed{",
        "answer\\a{",
        ". ",
        "\n",
        "\ufdfa",
        "\u0301",
    ],
)
def test_a_megabyte_is_read_in_milliseconds(
    extract: Callable[[str], Found | None], unit: str
) -> None:
    text = unit * (1_000_000 // len(unit))
    began = time.process_time()
    extract(text)
    extract("Answer: #### The answer is B" + text + "x")
    normalise_squad(text), normalise_squad(text[:MAX_TEXT]), canonical_number(text)
    assert time.process_time() - began < 0.5


def test_start_is_true_beyond_what_is_read() -> None:
    text = "x " * MAX_TEXT + "<b>Answer:</b> The answer is (B). 42"
    for extract, expected in (
        (gsm8k_flexible, "42"),
        (choice_strict, "B"),
        (after_marker, "(B). 42"),
    ):
        found = extract(text)
        assert (
            found is not None
            and found.answer == expected
            and text[found.start :].startswith(expected)
        )
    assert after_marker(r"Answer: \boxed{ 42 }") == Found("42", "after Answer:", 16)
    assert answer(choice_flexible("w" * 100 + "\nB) " + "z " * (MAX_TEXT // 2 - 10) + "A")) == "A"


@pytest.mark.parametrize("extract", [gsm8k_strict, gsm8k_flexible])
def test_a_number_cut_in_two_is_not_read(extract: Callable[[str], Found | None]) -> None:
    assert extract("x" * (MAX_TEXT - 8) + " #### 123456" + "y" * MAX_TEXT) is None
    assert extract("#### 123456" + "y" * (MAX_TEXT - 3)) is None


@given(TEXTS)
def test_strict_implies_flexible(text: str) -> None:
    for strict, flexible in ((gsm8k_strict, gsm8k_flexible), (choice_strict, choice_flexible)):
        found = strict(text)
        assert found is None or flexible(text) == found
