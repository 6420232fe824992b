"""GSM8K's grades compared with the filters and the metric of the installed lm-evaluation-harness.

If the two disagree on a text, the rules of DIFFERENCES rewrite it, each with its reason; the
harness must then read the rewritten text as strop reads the original. So every difference has a
name, and nothing else differs. (Texts of more than MAX_TEXT characters, of which strop reads one
end, are only in the table of cases.)
"""

from __future__ import annotations

import html
import random
import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from functools import cache, reduce
from importlib.resources import files
from itertools import combinations
from typing import NamedTuple

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from lm_eval.api.instance import Instance
from lm_eval.api.metrics import exact_match_fn
from lm_eval.filters import build_filter_ensemble

from strop.engines import LADDER
from strop.engines.base import Request
from strop.engines.llama import LlamaEngine
from strop.generate import response_seeds
from strop.prompts import solution_prompt
from strop.records import Message, Problem, Sampling
from strop.tasks.answers import gsm8k_flexible, gsm8k_strict
from strop.tasks.displayed_text import MAX_TEXT
from strop.tasks.gsm8k import Gsm8k
from strop.tasks.numbers import canonical_number
from tests.own_rows import on_own_rows

CONFIG = yaml.safe_load(
    files("lm_eval").joinpath("tasks", "gsm8k", "gsm8k.yaml").read_text(encoding="utf-8")
)
FILTERS = [
    build_filter_ensemble(
        one["name"],
        [
            (step["function"], {k: v for k, v in step.items() if k != "function"})
            for step in one["filter"]
        ],
    )
    for one in CONFIG["filter_list"]
]
(METRIC,) = CONFIG["metric_list"]
OPTIONS = {
    name: METRIC[name] for name in ("ignore_case", "ignore_punctuation", "regexes_to_ignore")
}
STRICT, FLEXIBLE = range(2)
TASK = on_own_rows(Gsm8k)
NOTHING = "[invalid]"
SAMPLES, MUTANTS = 20, 60
"""Sampled responses to a test problem and way to begin, and mutants of a gold solution."""


class Verdict(NamedTuple):
    """The exact value that was found, or None if it is no number, and whether it is right."""

    value: Fraction | None
    right: bool


def filtered(text: str) -> tuple[str, str]:
    """Return what the harness's two filters find in a response."""
    instance = Instance("generate_until", {}, (), 0, resps=[text])
    for one in FILTERS:
        one.apply([instance])
    return instance.filtered_resps["strict-match"], instance.filtered_resps["flexible-extract"]


def compared(answer: str) -> str:
    """Return what the harness's metric compares of an answer."""
    return reduce(
        lambda kept, ignored: re.sub(ignored, "", kept), OPTIONS["regexes_to_ignore"], answer
    )


@cache
def theirs(text: str, reference: str) -> tuple[Verdict, Verdict]:
    """Return the harness's verdicts, strict and flexible."""
    strict, flexible = (
        Verdict(
            Fraction(compared(found))
            if re.fullmatch(r"-?(\d+|\d*\.\d+)", compared(found), re.ASCII)
            else None,
            bool(
                exact_match_fn(predictions=[found], references=[reference], **OPTIONS)[
                    "exact_match"
                ]
                == 1.0
            ),
        )
        for found in filtered(text)
    )
    return strict, flexible


def ours(text: str, problem: Problem) -> tuple[Verdict, Verdict]:
    """Return strop's verdicts, from the task's own grade."""
    grade = TASK.grade(text, problem)
    answers, right = (
        (grade.answer_strict, grade.answer_flexible),
        (grade.utility_strict, grade.utility_flexible),
    )
    found = [
        Verdict(None if answer is None else Fraction(answer), score == 1.0)
        for answer, score in zip(answers, right, strict=True)
    ]
    return found[STRICT], found[FLEXIBLE]


def sub(pattern: str, by: str | Callable[[re.Match[str]], str]) -> Callable[[str], str]:
    return lambda text: re.sub(pattern, by, text)


def plain_characters(match: re.Match[str]) -> str:
    return "".join(
        str(unicodedata.decimal(char)) if char.isdecimal() else unicodedata.normalize("NFKC", char)
        for char in match[0]
    )


def as_it_looks(text: str) -> str:
    text = re.sub(r"\x1b\[\d*m|[\u200b\u200e\u200f\u00ad]", "", text)
    return html.unescape(re.sub(r"</?[a-z]\w*>", " ", text))


def blank_unless_a_number(match: re.Match[str]) -> str:
    number = r"(\d+(,\d{3})*)?(\.\d+)?|\d+(,\d{3})*/(?!0+$)\d+(,\d{3})*"
    written = match[0].rstrip(".,/")
    return match[0] if re.fullmatch(number, written) and len(written) <= 100 else " "


def as_decimal(match: re.Match[str]) -> str:
    above, below = (Decimal(digits.replace(",", "")) for digits in match.groups())
    return format(above / below, "f") if below else match[0]


def in_lowest_terms(text: str) -> str:
    text = re.sub(r"(?<![\d.,])0+(?=\d)", "", re.sub(r"(?<![\d.,])\.(?=\d)", "0.", text))
    text = re.sub(r"(?<=\d)\.0+(?!\d)|(?<=\.)(\d*[1-9])0+(?!\d)", r"\1", text)
    return re.sub(r"-0(?![\d.,])", "0", text)


DIFFERENCES: dict[str, Callable[[str], str]] = {
    # "(i.e., 1 dozen)" says the number before it again; theirs takes the 1.
    "a remark in parentheses": sub(r"(?<=\d) \(i\.e\.[^()]*\)", " "),
    # Not displayed: the harness takes the 0 of an escape code, the 1 of <h1> and the 36 of &#36;.
    "escapes, tags, entities, unseen marks": as_it_looks,
    # The same signs in another form, which theirs does not see.
    "other digits": sub(r"[！-～٠-٩]+", plain_characters),
    # Models write a typographical minus; theirs drops it, and with it the sign.
    "unicode minus": sub(r"[−–](?=[$.\d])", "-"),
    # One number to a reader; theirs takes the first group (strict) or the last (flexible).
    "groups by {,} or unbreakable spaces": sub(
        r"(?<=\d)(?:\{,\}|[\u00a0\u2009\u202f])(?=\d{3})", ","
    ),
    # 1,2 may be a list or a decimal comma; 1.2.3 and 1/2/2020 are no numbers. The harness reads
    # 12, "1.2.3" and 2020.
    "not one number": sub(r"\.?\d[\d.,/]*", blank_unless_a_number),
    # One half is no answer 1 and no answer 2, which theirs finds.
    "fraction": sub(r"(?<![\d.,/])([\d,]+)/([\d,]+)(?![\d/])", as_decimal),
    # No answer at all, which theirs takes for one: "..", "", "".
    "no digit": sub(r"(?<![\d$.,])[$.,]{2,}(?![\d$.,])", " "),
    # An ellipsis is no part of the number; theirs deletes one point of it.
    "points at the end": sub(r"(?<=\d)[.,]{2,}(?!\d)", " "),
    # Nor is it in front; and "#### ,5" is not the form that was asked for.
    "points or a comma in front": sub(r"(?<![\d.,])(?:[.,]+\.|,)(?=\d)", "  "),
    # 319$14 is two numbers, which theirs joins to 31914.
    "$ or , in between": sub(r"(?<=[\d$.,])\$(?=\.?\d)|-,(?=\d)", " $"),
    # In 5-10 and x-3 the hyphen joins or subtracts; theirs takes it for a sign.
    "joining hyphen": sub(r"(?<=[\w)\]}])-(?=\$?[.\d])", " "),
    # The answer in the form asked for counts, and nothing behind it; the harness (flexible) takes
    # the last number.
    "more numbers behind ####": sub(r"(?s)(#### -?(?:\d[\d,]*(?:\.\d+)?|\.\d+)).*", r"\1"),
    # A number in a box is the answer, and not what is said of it later.
    "more numbers around a box": sub(r"(?s).*\\boxed\{([^{}]*\d[^{}]*)\}.*", r" \1 "),
    # 29.00 is 29, and so is 029; theirs compares strings.
    "not in lowest terms": in_lowest_terms,
}

FLEXIBLE_ONLY = {
    "no digit",
    "$ or , in between",
    "joining hyphen",
    "more numbers behind ####",
    "more numbers around a box",
    "a remark in parentheses",
}
"""Differences that hardly ever occur right behind "#### "; each of the others must occur there."""


def differences(text: str, problem: Problem, way: int) -> tuple[str, ...] | None:
    """Return the fewest rules after which the harness reads the text as strop does.

    These are none if it does anyway. Return None if all of the rules together do not help.
    """
    wanted, changing = ours(text, problem)[way], list[str]()
    written = (text, problem.reference or "")
    for name, rule in DIFFERENCES.items():
        again = (rule(written[0]), rule(written[1]))
        changing += [name] if again != written else []
        written = again
    for count in range(len(changing) + 1):
        for names in combinations(changing, count):
            rewritten = (text, problem.reference or "")
            for name in names:
                rewritten = (DIFFERENCES[name](rewritten[0]), DIFFERENCES[name](rewritten[1]))
            if theirs(*rewritten)[way] == wanted:
                return names
    return None


def spellings(final: str) -> list[str]:
    """Write a final number in many ways, some of which are other numbers or none."""
    plain = final.replace(",", "")
    size, sign = plain.removeprefix("-"), "-" * plain.startswith("-")
    whole, point, decimals = size.partition(".")
    grouped = f"{int(whole):,}{point}{decimals}"
    wide, arabic = (
        size.translate({48 + n: start + n for n in range(10)}) for start in (0xFF10, 0x660)
    )
    return [
        plain,
        final,
        plain,
        final,
        f"{sign}{grouped}",
        f"-{size}",
        f"−{size}",
        f"–{size}",
        f"+{size}",
        f"{sign}${size}",
        f"$-{grouped}",
        rf"\${grouped}",
        f"€{size}",
        f"{plain}%",
        rf"{plain}\%",
        f"{plain}{point or '.'}00",
        f"{sign}0{size}",
        f"{plain}{point or '.'}0",
        f"{sign}{grouped.replace(',', '{,}')}",
        f"{sign}{grouped.replace(',', chr(0x202F))}",
        f"12{{,}}{whole[:3]:0>3}",
        f"{sign}{2 * int(whole)}/2",
        f"{sign}{int(whole)}/4",
        f"{sign}{3 * int(whole):,}/3",
        f"{plain}/0",
        f"1/2/{whole}",
        f"{plain},5",
        f"{plain}.1.2",
        "9" * 101,
        f"{plain}...",
        f"...{size}",
        f",{size}",
        f"-,{size}",
        f"5-{size}",
        f"x-{size}",
        f"5${size}",
        f"{plain}.$7",
        f"{sign}{wide}",
        arabic,
        f"&#36;{size}",
        f"&minus;{size}",
        f"{size[0]}\u200b{size[1:]}",
        f"{whole}e0",
        str(int(whole) + 1),
        f"{plain} 1/2",
        "",
        "none",
        "...",
        "$$",
        f"{plain} dollars",
        f"{plain} km/h",
        f"about {plain}",
        f"{plain} (i.e., 1 dozen)",
    ]


DRESSES = [
    "{}",
    "{}",
    "{}",
    "{}",
    "{}.",
    "{}!",
    " {}",
    "**{}**",
    "*{}*",
    "`{}`",
    "${}$",
    r"\boxed{{{}}}",
    r"$\boxed{{\text{{{}}}}}$",
    r"\({}\)",
    "<b>{}</b>",
    "<h1>{}</h1>",
    "\x1b[1m{}\x1b[0m",
    "({})",
    "{} ...",
    "{}, is it?",
    "={}",
]
PLACES = [
    "{body}\n#### {answer}",
    "{body}\n#### {answer}",
    "{body}\n#### {answer}",
    "{body}\n#### {answer}\n",
    "{body}\n#### {answer} in all",
    "{body}\n#### {answer}\nThat is 7 too.",
    "#### {answer}\n{body}",
    "{body}\n####{answer}",
    "{body}\n####  {answer}",
    "{body}\n####\n{answer}",
    "{body}\n### {answer}",
    "{body}\n#### none\n#### {answer}",
    "{body}\n#### {answer}\n#### {answer}",
    "{body}\n#### 3\n#### {answer}",
    "{body}\n#### {answer}\n#### 3",
    "{body}\n{answer} ####",
    "{body}\n{answer}, which took 3 steps",
    "{body}\nThe answer is {answer}",
    "{body}\nAnswer: {answer}",
    "{answer}",
    "{body}",
    "I cannot say.",
    "So {answer} ... I think ...",
    "**#### {answer}**",
]


def mutants(problem: Problem, count: int) -> list[str]:
    """Return the gold solution with other last lines."""
    rng = random.Random(f"mutants {problem.id}")
    body, final = (problem.reference or "").rsplit("\n#### ", 1)
    ways = spellings(final)
    return [
        rng.choice(PLACES).format(body=body, answer=rng.choice(DRESSES).format(rng.choice(ways)))
        for _ in range(count)
    ]


def continued(problems: list[Problem], samples: int, begin: Callable[[Problem], str]) -> list[str]:
    """Sample continuations of a solution's beginning from the embedded model."""
    shots = sorted(
        TASK.package_problems("train"), key=lambda shot: len(f"{shot.question}{shot.reference}")
    )[:2]  # the model reads 1,024 tokens
    requests = []
    for problem in problems:
        *turns, asked = solution_prompt(TASK, problem, shots)
        prompt = (*turns, Message("user", f"{asked.content} {begin(problem)}"))
        requests.append(
            Request(prompt, response_seeds(0, f"filters {begin(problem)}", problem, samples))
        )
    drawn = LlamaEngine(LADDER / "250k").sample(requests, Sampling(1.0, 1.0, 32)).samples
    return [
        begin(problem) + sample.text
        for problem, row in zip(problems, drawn, strict=True)
        for sample in row
    ]


@pytest.fixture(scope="module")
def texts() -> list[tuple[str, Problem]]:
    """Return mutated gold solutions and sampled responses, half of those behind a gold "#### "."""
    problems = [*TASK.package_problems("train"), *TASK.package_problems("test")]
    found = []
    tested = TASK.package_problems("test")
    for begin in (lambda problem: "", lambda problem: problem.reference.rsplit(" ", 1)[0] + " "):
        drawn = continued(tested, SAMPLES, begin)
        found += [(text, tested[place // SAMPLES]) for place, text in enumerate(drawn)]
    return found + [(text, problem) for problem in problems for text in mutants(problem, MUTANTS)]


def test_every_difference_from_the_harness_is_a_listed_one_and_every_listed_one_occurs(
    texts: list[tuple[str, Problem]],
) -> None:
    assert len({text for text, _ in texts}) >= 3_000
    seen: tuple[Counter[str], Counter[str]] = Counter(), Counter()
    verdicts: Counter[tuple[int, bool, bool]] = Counter()
    for text, problem in texts:
        for way in (STRICT, FLEXIBLE):
            names = differences(text, problem, way)
            assert names is not None, (
                text,
                problem.reference,
                ours(text, problem)[way],
                filtered(text)[way],
            )
            seen[way].update(names or ("none",))
            verdicts[
                way,
                theirs(text, problem.reference or "")[way].right,
                ours(text, problem)[way].right,
            ] += 1
    print(
        f"{len(texts)} texts, twice; (way, theirs right, ours right): {dict(verdicts)}; "
        f"differences: {seen}"
    )
    assert set(seen[STRICT]) >= {*DIFFERENCES, "none"} - FLEXIBLE_ONLY and set(seen[FLEXIBLE]) == {
        *DIFFERENCES,
        "none",
    }
    assert all(
        verdicts[way, right, right] > 50 for way in (STRICT, FLEXIBLE) for right in (False, True)
    )


@pytest.mark.parametrize(
    ("text", "their_strict", "their_flexible", "our_strict", "our_flexible"),
    [
        ("#### 29.00", "29.00", "29.00", "29", "29"),
        ("#### 029", "029", "029", "29", "29"),
        ("#### 12...", "12..", "12..", "12", "12"),
        ("12 ...", NOTHING, "..", None, "12"),
        ("12 $$", NOTHING, "", None, "12"),
        ("12 ,,", NOTHING, "", None, "12"),
        ("#### ... 12", "..", "12", None, "12"),
        ("...5", NOTHING, "...5", None, "5"),
        ("#### 3/4", "3", "4", "3/4", "3/4"),
        ("#### 1,2", "12", "12", None, None),
        ("#### 1/2/2020", "1", "2020", None, None),
        ("#### 1.2.3", "1.2.3", "1.2.3", None, None),
        ("#### " + "9" * 101, "9" * 101, "9" * 101, None, None),
        ("#### 5/0", "5", "0", None, None),
        ("5-10", NOTHING, "-10", None, "10"),
        ("x-3", NOTHING, "-3", None, "3"),
        ("5$6", NOTHING, "56", None, "6"),
        ("$5.$6", NOTHING, "5.6", None, "6"),
        (".$5", NOTHING, ".5", None, "5"),
        ("-,5", NOTHING, "-5", None, "5"),
        ("#### ,5", "5", "5", None, "5"),
        ("#### ...5", "...5", "...5", None, "5"),
        ("#### −5", NOTHING, "5", "-5", "-5"),
        ("#### 1{,}200", "1", "200", "1200", "1200"),
        ("#### 1\u202f200", "1", "200", "1200", "1200"),
        ("#### ４２", NOTHING, NOTHING, "42", "42"),
        ("<h1>42</h1>", NOTHING, "1", None, "42"),
        ("42\x1b[0m", NOTHING, "0", None, "42"),
        ("42&#37;", NOTHING, "37", None, "42"),
        ("#### 5 and 7", "5", "7", "5", "5"),
        (r"\boxed{5} in 7 steps", NOTHING, "7", None, "5"),
        ("It is 12 (i.e., 1 dozen).", NOTHING, "1", None, "12"),
        ("#### 7 " + "x " * MAX_TEXT + "8", "7", "8", "7", "7"),
        ("8 " + "x " * MAX_TEXT, NOTHING, "8", None, None),
        ("x " * MAX_TEXT + "#### 8", "8", "8", None, "8"),
    ],
)
def test_the_differences_from_the_harness_are_as_listed(
    text: str,
    their_strict: str,
    their_flexible: str,
    our_strict: str | None,
    our_flexible: str | None,
) -> None:
    assert tuple(map(compared, filtered(text))) == (their_strict, their_flexible)
    found = gsm8k_strict(text), gsm8k_flexible(text)
    assert tuple(one and canonical_number(one.answer) for one in found) == (
        our_strict,
        our_flexible,
    )


PLAIN = (
    st.integers(-9_999, 99_999).map(lambda n: f"{n:,}")
    | st.integers(0, 99_999).map(lambda n: f"${n}.")
    | st.integers(-99, 99).map(str)
)
WORDS = st.sampled_from(
    [
        "so",
        "apples.",
        "He has",
        "=",
        "1st",
        "x 2",
        "(3)",
        "50%",
        "10:30",
        "1e5",
        "\n",
        "####",
        "0.5",
        "a, b",
        "- 4",
        "$7",
    ]
)
PROBLEM = Problem("p", "test", "?", "#### 7")


@given(st.lists(PLAIN | WORDS, max_size=12), st.none() | PLAIN)
def test_on_ordinary_texts_gsm8k_is_the_harness(pieces: list[str], last: str | None) -> None:
    text = " ".join([*pieces, "\n####", last] if last else pieces)
    assert differences(text, PROBLEM, STRICT) == ()
    assert differences(text, PROBLEM, FLEXIBLE) in ((), ("more numbers behind ####",))
