"""Deduction in an invented world, in the manner of ProntoQA (Saparov and He, 2023).

``Zemps are brambulks. Every brambulk is not rusty. ... Rex is a zemp. True or false: Rex is
rusty.`` asks for a proof, one rule after the other, and then for the answer. As in the papers, only
the answer is graded; ``check`` judges the proof as well.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import Any, ClassVar

from strop.errors import UsageError
from strop.records import Problem
from strop.seeds import derive
from strop.tasks.base import (
    Check,
    Gold,
    Grade,
    Task,
    draw_distinct,
    gold_text,
    mark,
    split_of,
)
from strop.tasks.extraction import Found
from strop.tasks.ontologies import Theory, draw_question, read_claim, read_question, sentences

MOST_HOPS = 5
HELD_OUT_SHARE = 0.5
MAX_TEXT = 10_000
"""The most characters that are read: the last ones for the answer, the first ones for the proof."""

# Not \b, for which "_" is part of a word: Markdown writes _True_.
_WORD_BEGINS, _WORD_ENDS = r"(?<![^\W_])", r"(?![^\W_])"
_NEGATION = rf"""(?P<negation>(?:{_WORD_BEGINS}not|n['’]t)[\s*_"'“‘]{{1,4}})?"""
_BOTH = r"(?P<both>(?:\s{1,4}n?or\s{1,4}|\s{1,4}and\s{1,4}|\s?/\s?)(?:true|false))?"
ANSWER = re.compile(
    f"{_NEGATION}{_WORD_BEGINS}(?P<word>true|false){_BOTH}{_WORD_ENDS}", re.IGNORECASE
)
LAST_SENTENCE = "The answer is {}."


def last_sentence_answer(text: str) -> Found | None:
    """Return the answer if the last sentence is exactly ``The answer is True.`` (or False)."""
    text = text.rstrip()
    for answer in ("True", "False"):
        before = text.removesuffix(LAST_SENTENCE.format(answer))
        if before == text:
            continue
        # "I doubt that The answer is True." is no sentence of this form.
        words = before.rstrip()
        spaces = before[len(words) :]
        begins_sentence = words[-1:] in ("", ".", "!", "?") or "\n" in spaces
        if begins_sentence:
            return Found(answer, "last sentence", len(before) + LAST_SENTENCE.index("{"))
    return None


def last_answer(text: str) -> Found | None:
    """Return the meaning of the last "true" or "false" in a text, in any case.

    A "not" or "n't" right before the word inverts it. "True or false", "true/false" and "neither
    true nor false" name both and are skipped. Words that only contain these, such as "untrue", do
    not count. Only the last MAX_TEXT characters are searched.
    """
    text = text.rstrip()
    start = max(0, len(text) - MAX_TEXT)
    last = None
    for match in ANSWER.finditer(text, start):
        if not match["both"]:
            last = match
    if last is None:
        return None
    says_true = last["word"].lower() == "true"
    answer = str(says_true != bool(last["negation"]))
    return Found(answer, "last true or false", last.start())


def true_or_false(gold: Gold) -> str:
    """Return True or False of a gold answer; the original data write A for true and B for false.

    Raises ValueError for any other answer.
    """
    text = str(gold) if isinstance(gold, bool) else gold_text(gold)
    word = text.strip().rstrip(".").lower()
    for answer, letter in (("True", "a"), ("False", "b")):
        option = f"{letter}) {answer.lower()}"
        if word in (answer.lower(), letter, f"({letter})", option):
            return answer
    stated = last_sentence_answer(text)
    if stated is None:
        raise ValueError("True or False, or A (true) or B (false)")
    return stated.answer


def judge(theory: Theory, steps: list[str], last: str) -> list[tuple[str, bool]]:
    """Judge each step of a proof and its answer, the ``last`` sentence.

    A step is right if it is given, or follows by one given rule from what is given or was shown
    before. The answer is right if the steps shown settle it. Returns remarks with True if right.
    """
    shown = {theory.fact}
    judged = []
    for step in steps:
        claim = read_claim(step)
        given = claim in theory.rules or claim == theory.fact
        follows = any(claim == new for old in shown for _, new in theory.following(old))
        if claim is not None and follows:
            shown.add(claim)
        if given:
            reason = "given"
        elif follows:
            reason = "follows"
        elif claim is not None and claim.subject == theory.fact.subject:
            reason = "does not follow"
        else:
            reason = "not given"
        judged.append((f"{step}: {reason}", given or follows))
    answers = {str(claim == theory.query) for claim in shown if theory.settles(claim)}
    answer = last_answer(last)
    right = answer is not None and answer.answer in answers
    return [*judged, (f"{last}: {'follows' if right else 'does not follow'}", right)]


@dataclass(frozen=True)
class ProntoQA(Task):
    """Questions of ``hops`` rules between the individual's kind and the kind with the property.

    Each problem takes one of the numbers in ``hops``.
    """

    hops: tuple[int, ...] = (1, 2, 3, 4, 5)

    name: ClassVar[str] = "prontoqa"
    description: ClassVar[str] = (
        "true or false: proofs in made-up ontologies, as in ProntoQA; "
        "difficulty is the number of hops"
    )
    choices: ClassVar[tuple[str, ...]] = ("True", "False")
    instruction: ClassVar[str] = (
        'Reason step by step, then end with "The answer is True." or "The answer is False."'
    )
    max_tokens: ClassVar[int] = 256
    verification_max_tokens: ClassVar[int] = 384
    levels: ClassVar[dict[str, dict[str, Any]]] = {
        "easy": {"hops": (1, 2)},
        "standard": {},
        "hard": {"hops": (4, 5)},
    }

    def __post_init__(self) -> None:
        if not self.hops or not all(1 <= hops <= MOST_HOPS for hops in self.hops):
            raise UsageError(f"prontoqa hops {self.hops}: expected numbers from 1 to {MOST_HOPS}")

    def draw(self, rng: random.Random) -> Problem:
        """Draw one problem of either split."""
        hops = rng.choice(self.hops)
        question = draw_question(rng, hops)
        split = split_of(HELD_OUT_SHARE, self.name, question)
        theory = read_question(question)
        _, conclusion = theory.proof()[-1]
        answer = str(conclusion == theory.query)
        return Problem(
            f"prontoqa-{derive(self.name, question):016x}", split, question, answer, {"hops": hops}
        )

    def problems(self, split: str, count: int, seed: int) -> list[Problem]:
        return draw_distinct(self.draw, self.name, split, count, seed)

    def gold_response(self, problem: Problem) -> str:
        """Return the fact, then every rule as stated and what follows by it, then the answer."""
        theory = read_question(problem.question)
        proof = theory.proof()
        steps = [str(theory.fact)]
        for rule, claim in proof:
            steps += [theory.rules[rule], str(claim)]
        answer = proof[-1][1] == theory.query
        return f"{'. '.join(steps)}. {LAST_SENTENCE.format(answer)}"

    def grade(self, text: str, problem: Problem) -> Grade:
        """Grade only the answer.

        Strict: the last sentence, as asked for. Flexible: the last true or false in any wording.
        """
        return Grade.of(
            last_sentence_answer(text),
            last_answer(text),
            lambda answer: answer == problem.reference,
        )

    def read_gold(self, gold: Gold, question: str) -> str:
        """Return True or False of a truth value, of A (true) or B, or of a gold response."""
        return true_or_false(gold)

    def answer_is_right(self, answer: str, problem: Problem) -> bool:
        """Judge a truth value or a letter, or else what a response says."""
        try:
            return true_or_false(answer) == problem.reference
        except ValueError:
            return super().answer_is_right(answer, problem)

    def check(self, problem: Problem, response: str) -> Check:
        """Judge every sentence: ``Rex is a zemp: given, y. Rex is rusty: does not follow, n. ...``

        The answer holds only if the steps that hold lead to it. So no wrong answer passes; a right
        answer after a faulty proof, or after none, is graded right but fails here.
        """
        *steps, last = sentences(response[:MAX_TEXT]) or ["No answer"]
        judged = judge(read_question(problem.question), steps, last)
        text = " ".join(f"{remark}, {mark(right)}." for remark, right in judged)
        return Check(text, tuple(right for _, right in judged))
