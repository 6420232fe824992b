"""Deduction in a made-up world: does a property follow for one individual, in the manner of ProntoQA (Saparov and He, 2023)?

``Zemps are brambulks. Every brambulk is not rusty. ... Rex is a zemp. True or false: Rex is rusty.`` asks for a proof of one rule after
the other and then for the answer. As in the papers, only the answer is graded; ``check`` judges the proof as well.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import Any, ClassVar

from strop.errors import UsageError
from strop.records import Problem
from strop.seeds import derive, fraction
from strop.tasks.base import Check, Grade, Task, draw_distinct
from strop.tasks.extraction import Found
from strop.tasks.ontologies import Theory, draw_question, read_claim, read_question, sentences

MOST_HOPS = 5
HELD_OUT_SHARE = 0.5
READ = 10_000
"""How many characters of a text are read: the last ones for its answer, the first ones for its proof."""

BEGINS, ENDS = r"(?<![^\W_])", r"(?![^\W_])"
NEGATION = rf"""(?P<negation>(?:{BEGINS}not|n['’]t)[\s*_"'“‘]{{1,4}})?"""
BOTH = r"(?P<both>(?:\s{1,4}n?or\s{1,4}|\s{1,4}and\s{1,4}|\s?/\s?)(?:true|false))?"
ANSWER = re.compile(f"{NEGATION}{BEGINS}(?P<word>true|false){BOTH}{ENDS}", re.IGNORECASE)
LAST_SENTENCE = "The answer is {}."


def last_sentence_answer(text: str) -> Found | None:
    """The answer of a text whose last sentence is ``The answer is True.`` or ``The answer is False.``, to the letter."""
    text = text.rstrip()
    for answer in ("True", "False"):
        before = text.removesuffix(LAST_SENTENCE.format(answer))
        words = before.rstrip()
        if before != text and (words[-1:] in ("", ".", "!", "?") or "\n" in before[len(words) :]):
            return Found(answer, "last sentence", len(before) + LAST_SENTENCE.index("{"))
    return None


def last_answer(text: str) -> Found | None:
    """What the last true or false of a text says, in any case.

    A "not" or "n't" right before the word turns it round. "True or false", "true/false" and "neither true nor false" name both and
    say nothing. Words that only contain these, such as "untrue", do not count. Of a long text only the end is searched.
    """
    text = text.rstrip()
    found = [
        match for match in ANSWER.finditer(text, max(0, len(text) - READ)) if not match["both"]
    ]
    if not found:
        return None
    answer = str((found[-1]["word"][0] in "tT") != bool(found[-1]["negation"]))
    return Found(answer, "last true or false", found[-1].start())


def judge(theory: Theory, steps: list[str], last: str) -> list[tuple[str, bool]]:
    """Is each step of a proof given, or does it follow by one given rule from what is given or shown before? Does the answer?"""
    shown, judged = {theory.fact}, []
    for step in steps:
        claim = read_claim(step)
        given = claim in theory.rules or claim == theory.fact
        follows = any(claim == new for old in shown for _, new in theory.following(old))
        if claim is not None and follows:
            shown.add(claim)
        about = claim is not None and claim.subject == theory.fact.subject
        reason = (
            "given"
            if given
            else "follows"
            if follows
            else "does not follow"
            if about
            else "not given"
        )
        judged.append((f"{step}: {reason}", given or follows))
    answers = {str(claim == theory.query) for claim in shown if theory.settles(claim)}
    found = last_answer(last)
    good = found is not None and found.answer in answers
    return [*judged, (f"{last}: {'follows' if good else 'does not follow'}", good)]


@dataclass(frozen=True)
class ProntoQA(Task):
    """``hops``: rules between the individual's kind and the kind with the property; each problem takes one of these numbers."""

    hops: tuple[int, ...] = (1, 2, 3, 4, 5)

    name: ClassVar[str] = "prontoqa"
    description: ClassVar[str] = (
        "true or false: proofs in made-up ontologies, as in ProntoQA; difficulty is the number of hops"
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
        """One problem of either split."""
        hops = rng.choice(self.hops)
        question = draw_question(rng, hops)
        split = "test" if fraction("held out", self.name, question) < HELD_OUT_SHARE else "train"
        theory = read_question(question)
        answer = str(theory.proof()[-1][1] == theory.query)
        return Problem(
            f"prontoqa-{derive(self.name, question):016x}", split, question, answer, {"hops": hops}
        )

    def problems(self, split: str, count: int, seed: int) -> list[Problem]:
        return draw_distinct(self.draw, self.name, split, count, seed)

    def gold_response(self, problem: Problem) -> str:
        """The fact, then every rule as the question states it and what follows by it, then the answer."""
        theory = read_question(problem.question)
        proof = theory.proof()
        steps = [text for rule, claim in proof for text in (theory.rules[rule], str(claim))]
        return f"{'. '.join([str(theory.fact), *steps])}. {LAST_SENTENCE.format(proof[-1][1] == theory.query)}"

    def grade(self, text: str, problem: Problem) -> Grade:
        """Only the answer counts. Strict: the last sentence, as asked for. Flexible: the last true or false, however it is put."""
        return Grade.of(
            last_sentence_answer(text),
            last_answer(text),
            lambda answer: answer == problem.reference,
        )

    def check(self, problem: Problem, response: str) -> Check:
        """Every sentence with its judgement: ``Rex is a zemp: given, y. Rex is rusty: does not follow, n. ...``.

        The answer holds only where the steps that hold lead to it. So no wrong answer passes; a right answer after a faulty proof, or
        after none, is graded right and yet fails here.
        """
        *steps, last = sentences(response[:READ]) or ["No answer"]
        judged = judge(read_question(problem.question), steps, last)
        text = " ".join(f"{remark}, {'y' if good else 'n'}." for remark, good in judged)
        return Check(text, tuple(good for _, good in judged))
