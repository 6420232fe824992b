"""ProntoQA: an independent prover, a classifier that sees only words, and hard cases of grading.

Covers ``prontoqa.py`` and ``ontologies.py``.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from strop.errors import UsageError
from strop.records import Problem
from strop.tasks.ontologies import ADJECTIVES, Claim, draw_kinds, read_claim, read_question
from strop.tasks.prontoqa import MAX_TEXT, ProntoQA, judge

QUESTION = (
    "Zemps are brambulks. Every brambulk is not rusty. Each dolimp is rusty. "
    "Every plurk is a dolimp. Each brambulk is a snilk. "
    "Rex is a zemp. True or false: Rex is rusty."
)
PROBLEM = Problem("p", "test", QUESTION, "False")
PROOF = (
    "Rex is a zemp. Zemps are brambulks. Rex is a brambulk. "
    "Every brambulk is not rusty. Rex is not rusty."
)


def forward_chain(question: str) -> bool | None:
    """Derive the answer by saturation, without code of the package; None if nothing settles it.

    Asserts that not both answers follow.
    """
    rules = re.findall(r"(?:Every|Each) (\w+) is (not |)(?:a |)(\w+)\.", question)
    rules += [
        (kind.lower(), no, what)
        for kind, no, what in re.findall(r"([A-Z]\w+)s are (not |)(\w+?)s?\.", question)
    ]
    ((name, kind),) = re.findall(r"\. ([A-Z][a-z]+) is a (\w+)\. True or false:", question)
    ((same_name, negated, asked),) = re.findall(
        r"True or false: (\w+) is (not |)(\w+)\.$", question
    )
    assert name == same_name and len(rules) == question.count(".") - 2
    known, size = {("", kind)}, 0
    while len(known) > size:
        size = len(known)
        known |= {(no, what) for subject, no, what in rules if ("", subject) in known}
    assert not any(("", what) in known and ("not ", what) in known for _, what in known)
    return None if not {("", asked), ("not ", asked)} & known else (negated, asked) in known


def hops(question: str) -> int:
    """Count the rules from the individual's kind to one with the property, breadth first."""
    theory = read_question(question)
    level, count = {theory.fact.predicate}, 0
    while not any(
        rule.subject in level and rule.predicate == theory.query.predicate for rule in theory.rules
    ):
        level, count = {rule.predicate for rule in theory.rules if rule.subject in level}, count + 1
    return count


@pytest.fixture(scope="module")
def train() -> list[Problem]:
    return ProntoQA().problems("train", 5_000, seed=0)


@pytest.fixture(scope="module")
def test() -> list[Problem]:
    return ProntoQA().problems("test", 5_000, seed=0)


def test_an_independent_prover_agrees_on_10_000_problems(
    train: list[Problem], test: list[Problem]
) -> None:
    problems = train + test
    assert len({problem.question for problem in problems}) == 10_000
    assert [str(forward_chain(problem.question)) for problem in problems] == [
        problem.reference for problem in problems
    ]
    assert (
        forward_chain(QUESTION) is False
        and forward_chain(QUESTION.replace("a zemp", "a snilk")) is None
    )


def test_answers_are_balanced_at_every_number_of_hops(
    train: list[Problem], test: list[Problem]
) -> None:
    """All are within 3 standard errors, and each of the five groups within 4.

    One group of five is easily 3 off by chance.
    """
    problems = train + test
    for bound, group in [
        (3, problems),
        *((4, [p for p in problems if p.metadata["hops"] == n]) for n in range(1, 6)),
    ]:
        surplus = 2 * sum(problem.reference == "True" for problem in group) - len(group)
        assert len(group) > 1_500 and abs(surplus) < bound * np.sqrt(len(group))
    negated = sum(
        " is not " in problem.question.partition("True or false: ")[2] for problem in problems
    )
    assert abs(2 * negated - len(problems)) < 3 * np.sqrt(len(problems))


@pytest.mark.parametrize(
    "task",
    [ProntoQA(), *map(ProntoQA.at, ("easy", "hard")), ProntoQA(hops=(3,))],
    ids=lambda task: str(task.hops),
)
def test_every_number_of_hops_occurs_as_asked(task: ProntoQA) -> None:
    problems = task.problems("test", 200, seed=2)
    assert {problem.metadata["hops"] for problem in problems} == set(task.hops)
    assert all(hops(problem.question) == problem.metadata["hops"] for problem in problems)


def test_both_polarities_are_equally_often_told_and_the_other_family_has_the_opposite() -> None:
    for problem in ProntoQA().problems("test", 300, seed=3):
        theory = read_question(problem.question)
        told = Counter(
            (rule.predicate, rule.holds) for rule in theory.rules if rule.predicate in ADJECTIVES
        )
        assert (
            len(told) == 6 and set(told.values()) == {1} and (theory.query.predicate, True) in told
        )
        kinds = {rule.subject for rule in theory.rules}
        fact = f" {theory.fact.subject} is a {theory.fact.predicate}. True"
        answers = [
            forward_chain(problem.question.replace(fact, fact.replace(theory.fact.predicate, kind)))
            for kind in kinds
        ]
        assert (
            Counter(answers)[True] > 1 and Counter(answers)[False] > 1 and fact in problem.question
        )


@pytest.mark.parametrize("grams", [1, 2])
def test_a_bag_of_words_does_not_tell_the_answer(
    grams: int, train: list[Problem], test: list[Problem]
) -> None:
    """Naive Bayes does not do better than guessing, which has 50 % and a deviation of 0.7 %.

    It sees words, or words and their pairs with every invented noun replaced by the same one.
    """

    def bag(problem: Problem) -> list[str]:
        words = re.findall(r"\w+", problem.question)
        if grams == 2:
            words = [
                word
                if word.lower() in (*ADJECTIVES, "every", "each", "is", "are", "not", "a", "true")
                else "X"
                for word in words
            ]
            words += [" ".join(pair) for pair in pairwise(words)]
        return words

    counts = {
        answer: Counter(word for p in train if p.reference == answer for word in bag(p))
        for answer in ("True", "False")
    }
    words = counts["True"].keys() | counts["False"].keys()
    totals = {answer: count.total() + len(words) for answer, count in counts.items()}
    rates = {
        word: np.log((counts["True"][word] + 1) / totals["True"])
        - np.log((counts["False"][word] + 1) / totals["False"])
        for word in words
    }
    share = np.mean([problem.reference == "True" for problem in train])
    guesses = [
        sum(rates.get(word, 0.0) for word in bag(problem)) + np.log(share / (1 - share)) > 0
        for problem in test
    ]
    assert 0 < np.mean(guesses) < 1
    assert (
        abs(
            np.mean(
                [
                    guess == (problem.reference == "True")
                    for guess, problem in zip(guesses, test, strict=True)
                ]
            )
            - 0.5
        )
        < 0.021
    )


def test_same_seed_same_problems_and_nothing_of_the_answer_in_sight() -> None:
    problems = ProntoQA().problems("test", 200, seed=5)
    assert (
        problems
        == ProntoQA().problems("test", 200, seed=5)
        != ProntoQA().problems("test", 200, seed=6)
    )
    assert all(
        set(problem.metadata) == {"hops"} and re.fullmatch("prontoqa-[0-9a-f]{16}", problem.id)
        for problem in problems
    )
    assert all("The answer" not in problem.question for problem in problems)
    again = [ProntoQA().gold_response(Problem(p.id, p.split, p.question, None)) for p in problems]
    assert again == [ProntoQA().gold_response(p) for p in problems]


@pytest.mark.parametrize("hops", [(), (0,), (1, 6), (-1,)])
def test_hops_are_from_1_to_5(hops: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="expected numbers from 1 to 5"):
        ProntoQA(hops=hops)


MEGABYTE = 1_000_000


HARD = [
    (f"{PROOF} The answer is False.", "False", "False"),
    ("The answer is False.", "False", "False"),
    ("  The answer is False. \n\n", "False", "False"),
    (f"{PROOF}\nThe answer is False.", "False", "False"),
    ("So\nThe answer is False.", "False", "False"),
    ("Sure! The answer is False.", "False", "False"),
    ("The answer is True.", "True", "True"),
    ("The answer is True. The answer is False.", "False", "False"),
    ("The answer is False. The answer is True.", "True", "True"),
    ("The answer is False. Rex is not rusty.", None, "False"),
    ("The answer is false.", None, "False"),
    ("The answer is False", None, "False"),
    ("the answer is False.", None, "False"),
    ("The answer is FALSE.", None, "False"),
    ("Hence The answer is False.", None, "False"),
    ("The answer is: False.", None, "False"),
    ("The answer is **False**.", None, "False"),
    ("**The answer is False.**", None, "False"),
    ("_False_", None, "False"),
    ("The answer is False.\n\nQuestion: True or false: Rex is shy.", None, "False"),
    ("False", None, "False"),
    ("(b) false", None, "False"),
    ("True or false: Rex is rusty.", None, None),
    ("True or False? True.", None, "True"),
    ("It is neither true nor false.", None, None),
    ("The answer is True/False.", None, None),
    ("true and false", None, None),
    ("Not True or False.", None, None),
    ("The answer is not true.", None, "False"),
    ("That isn't true.", None, "False"),
    ("That isn’t **false**.", None, "True"),
    ("not false", None, "True"),
    ("knot true", None, "True"),
    ("It is not. True.", None, "True"),
    ("not really true", None, "True"),
    ("That is untrue.", None, None),
    ("That is truer than falsehood.", None, None),
    ("true1", None, None),
    ("étrue", None, None),
    ("", None, None),
    ("   ", None, None),
    (PROOF, None, None),
    ("Ｔｒｕｅ", None, None),
    ("答案是「False」。", None, "False"),
    ("The answer is False。", None, "False"),
    ("\ud800 false", None, "False"),
    ("The answer is T r u e.", None, None),
    ("x" * MEGABYTE + " The answer is False.", None, "False"),
    ("x. " * MEGABYTE + "The answer is False.", "False", "False"),
    ("The answer is False." + "x" * MEGABYTE, None, None),
    ("The answer is False." + " " * MEGABYTE, "False", "False"),
    ("not " * MEGABYTE + "true", None, "False"),
    ("true or " * MEGABYTE + "false", None, None),
    ("*" * MEGABYTE, None, None),
    ("untrue" + "-" * (MAX_TEXT - 4), None, None),
]


@pytest.mark.parametrize(("text", "strict", "flexible"), HARD)
def test_prontoqa_hard_cases(text: str, strict: str | None, flexible: str | None) -> None:
    grade = ProntoQA().grade(text, PROBLEM)
    assert (grade.answer_strict, grade.answer_flexible) == (strict, flexible)
    assert (grade.utility_strict, grade.utility_flexible) == (
        float(strict == "False"),
        float(flexible == "False"),
    )
    ProntoQA().check(PROBLEM, text)


@pytest.mark.parametrize(
    ("response", "holds"),
    [
        (f"{PROOF} The answer is False.", "yyyyyy"),
        (f"{PROOF} The answer is True.", "yyyyyn"),
        (f"{PROOF} So it is false.", "yyyyyy"),
        ("The answer is False.", "n"),
        ("", "n"),
        (PROOF, "yyyyn"),
        ("Rex is a zemp. Rex is a brambulk. Rex is not rusty. The answer is False.", "yyyy"),
        ("Rex is a zemp. Rex is not rusty. The answer is False.", "ynn"),
        ("Rex is a dolimp. Each dolimp is rusty. Rex is rusty. The answer is True.", "nynn"),
        (
            "Rex is a zemp. Every zemp is a dolimp. Rex is a dolimp. Each dolimp is rusty. "
            "Rex is rusty. The answer is True.",
            "ynnynn",
        ),
        (
            "Every zemp is a brambulk. Brambulks are not rusty. Rex is a brambulk. "
            "Rex is not rusty. The answer is False.",
            "yyyyy",
        ),
        (f"Let us see. {PROOF} The answer is False.", "nyyyyyy"),
        ("Max is a zemp. The answer is False.", "nn"),
    ],
)
def test_a_check_judges_every_step_and_then_the_answer(response: str, holds: str) -> None:
    check = ProntoQA().check(PROBLEM, response)
    assert (
        "".join("y" if good else "n" for good in check.holds)
        == holds
        == "".join(re.findall(r", ([yn])\.", check.text))
    )
    assert not check.correct or ProntoQA().grade(response, PROBLEM).utility_flexible == 1.0


def test_a_check_in_words() -> None:
    text = (
        ProntoQA()
        .check(
            PROBLEM,
            "Rex is a zemp. Zemps are dolimps. Rex is a brambulk. Rex is rusty. "
            "The answer is True.",
        )
        .text
    )
    assert text == (
        "Rex is a zemp: given, y. Zemps are dolimps: not given, n. Rex is a brambulk: follows, y. "
        "Rex is rusty: does not follow, n. "
        "The answer is True: does not follow, n."
    )


def test_gold_passes_its_check_and_no_wrong_answer_does() -> None:
    task = ProntoQA()
    problems = task.problems("test", 200, seed=7)
    for problem, other in pairwise(problems):
        gold = task.gold_response(problem)
        flipped = (
            gold.replace("answer is True", "answer is ")
            .replace("answer is False", "answer is True")
            .replace("is .", "is False.")
        )
        assert (
            gold != flipped
            and task.grade(gold, problem).utility_strict == 1.0
            and task.grade(flipped, problem).utility_flexible == 0.0
        )
        assert task.check(problem, gold).correct and not task.check(problem, flipped).correct
        assert task.check(problem, flipped).holds[:-1] == task.check(problem, gold).holds[:-1]
        assert task.check(problem, task.gold_response(other)).share < 1.0


def test_kinds_are_new_words_with_plain_plurals() -> None:
    kinds = draw_kinds(random.Random(0), 3_000)
    assert len(set(kinds)) == 3_000 and all(
        kind[0] not in "aeiou" and kind[-1] != "s" for kind in kinds
    )
    assert not any(adjective.endswith("s") or adjective in kinds for adjective in ADJECTIVES)


@pytest.mark.parametrize(
    ("sentence", "claim"),
    [
        ("Every zemp is a snilk", Claim("zemp", "snilk")),
        ("Each zemp is not shy", Claim("zemp", "shy", False)),
        ("Zemps are snilks", Claim("zemp", "snilk")),
        ("Zemps are not shy", Claim("zemp", "shy", False)),
        ("Rex is a zemp", Claim("Rex", "zemp")),
        ("zemp is shy", None),
        ("Every zemp are shy", None),
        ("Rex are shy", None),
        ("Rex was shy", None),
        ("", None),
        ("Rex is " + "x" * 99, None),
    ],
)
def test_sentences_are_read_as_claims(sentence: str, claim: Claim | None) -> None:
    assert read_claim(sentence) == claim


def test_no_step_is_needed_for_a_judgement() -> None:
    assert judge(read_question(QUESTION), [], "False") == [("False: does not follow", False)]
