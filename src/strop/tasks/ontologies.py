"""Fictional ontologies: invented kinds, rules between them, one individual, and a question about one of its properties.

``draw_question`` writes one in the manner of ProntoQA (Saparov and He, 2023, "Language Models Are Greedy Reasoners"), ``read_question``
reads it back, and ``Theory.proof`` derives the answer. Words are made up afresh for every question, so nothing can be known beforehand.

Every question holds two families of kinds of the same shape. Each is a chain of kinds whose last one has the property that is asked
for in one family and lacks it in the other; each has as many other rules as the other. The individual is put at the foot of one family
by the toss of a coin, and another coin negates the question. So whatever does not follow the chain from the individual upwards is
blind to the answer: words, their number and their order alike.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

ONSETS = (
    "b",
    "bl",
    "br",
    "d",
    "dr",
    "f",
    "fl",
    "fr",
    "g",
    "gl",
    "gr",
    "h",
    "j",
    "k",
    "kl",
    "kr",
    "l",
    "m",
    "n",
    "p",
    "pl",
    "pr",
    "r",
    "s",
    "sk",
    "sl",
    "sn",
    "sp",
    "st",
    "t",
    "tr",
    "v",
    "w",
    "y",
    "z",
    "zw",
)
VOWELS = "aeiou"
MIDDLES = (
    "b",
    "bl",
    "d",
    "dr",
    "l",
    "lb",
    "lv",
    "m",
    "mb",
    "nd",
    "nt",
    "pl",
    "r",
    "rb",
    "rd",
    "rv",
    "tr",
    "v",
    "z",
    "zd",
)
ENDINGS = (
    "arb",
    "emp",
    "esp",
    "ilb",
    "ilk",
    "imp",
    "irp",
    "olm",
    "omp",
    "orp",
    "osk",
    "ulf",
    "ulk",
    "urk",
    "usp",
)
ADJECTIVES = (
    "bitter",
    "brave",
    "bright",
    "brittle",
    "careful",
    "clever",
    "cold",
    "fragrant",
    "heavy",
    "hollow",
    "honest",
    "loud",
    "modern",
    "musical",
    "nocturnal",
    "opaque",
    "patient",
    "polite",
    "proud",
    "quick",
    "rare",
    "round",
    "rusty",
    "shy",
    "sleepy",
    "soft",
    "spicy",
    "striped",
    "tall",
    "wild",
    "wooden",
)
"""None ends in s, as the plural of a kind does."""
NAMES = (
    "Ada",
    "Ben",
    "Cleo",
    "Dara",
    "Edwin",
    "Flora",
    "Greta",
    "Hugo",
    "Ines",
    "Jonas",
    "Kira",
    "Leo",
    "Mona",
    "Nils",
    "Olga",
    "Pablo",
    "Rex",
    "Rosa",
    "Sven",
    "Tara",
    "Uma",
    "Viktor",
    "Wanda",
    "Yusuf",
)
OTHER_PROPERTIES = 2
ASKED = "True or false: "
STATEMENT = re.compile(r"(?:(Every|Each) )?([A-Za-z]{1,40}) (is|are) (not )?(?:an? )?([a-z]{1,40})")


class Claim(NamedTuple):
    """That a subject, a kind or an individual, is or is not of a kind or of a property."""

    subject: str
    predicate: str
    holds: bool = True

    def __str__(self) -> str:
        """The claim about an individual, or about one thing of a kind, without a full stop."""
        return f"{self.subject} is {'' if self.holds else 'not '}{'' if self.predicate in ADJECTIVES else 'a '}{self.predicate}"

    @property
    def in_plural(self) -> str:
        """The claim about all of a kind: ``Zemps are not rusty``."""
        ending = "" if self.predicate in ADJECTIVES else "s"
        return f"{self.subject.capitalize()}s are {'' if self.holds else 'not '}{self.predicate}{ending}"


def sentences(text: str) -> list[str]:
    """The sentences of a text, without their full stops."""
    return [sentence for part in text.split(".") if (sentence := " ".join(part.split()))]


def read_claim(sentence: str) -> Claim | None:
    """What a sentence says, a rule about a kind in the singular of that kind; None where it is not of the forms used here."""
    match = STATEMENT.fullmatch(sentence)
    if match is None:
        return None
    every, subject, verb, negation, predicate = match.groups()
    if verb == "are":
        return (
            None
            if every or not subject.endswith("s")
            else Claim(subject[:-1].lower(), predicate.removesuffix("s"), not negation)
        )
    is_named = subject[0].isupper()
    return None if is_named == bool(every) else Claim(subject, predicate, not negation)


def _given(sentence: str) -> Claim:
    claim = read_claim(sentence)
    if claim is None:
        raise ValueError(f"not a sentence of an ontology: {sentence!r}")
    return claim


@dataclass(frozen=True)
class Theory:
    """What a question gives and asks: ``rules`` with the sentences that state them, the ``fact`` and the ``query`` on its individual."""

    rules: dict[Claim, str]
    fact: Claim
    query: Claim

    def following(self, claim: Claim) -> list[tuple[Claim, Claim]]:
        """What one rule makes of a claim about the individual: pairs of the rule and the new claim."""
        rules = [rule for rule in self.rules if claim.holds and rule.subject == claim.predicate]
        return [(rule, Claim(claim.subject, rule.predicate, rule.holds)) for rule in rules]

    def settles(self, claim: Claim) -> bool:
        """Is this the query or its negation?"""
        return claim[:2] == self.query[:2]

    def proof(self) -> list[tuple[Claim, Claim]]:
        """The shortest way from the fact to the query or its negation: each step a rule and what follows by it."""
        ways: dict[Claim, list[tuple[Claim, Claim]]] = {self.fact: []}
        waiting = [self.fact]
        for claim in waiting:
            if self.settles(claim):
                return ways[claim]
            for rule, new in self.following(claim):
                if new not in ways:
                    ways[new] = [*ways[claim], (rule, new)]
                    waiting.append(new)
        raise ValueError(f"nothing given settles whether {self.query}")


def read_question(question: str) -> Theory:
    """What ``draw_question`` wrote."""
    given, query = question.split(ASKED)
    *rules, fact = sentences(given)
    return Theory(
        {_given(rule): rule for rule in rules}, _given(fact), _given(query.removesuffix("."))
    )


def draw_kinds(rng: random.Random, count: int) -> list[str]:
    """Different made-up nouns, such as "bramborp"; a plural is the noun and an s."""
    kinds: dict[str, None] = {}
    while len(kinds) < count:
        kinds["".join(map(rng.choice, (ONSETS, VOWELS, MIDDLES, ENDINGS)))] = None
    return list(kinds)


def _draw_rule(rng: random.Random, claim: Claim) -> str:
    form = rng.randrange(3)
    return f"{claim.in_plural}." if form == 2 else f"{('Every', 'Each')[form]} {claim}."


def draw_question(rng: random.Random, hops: int) -> str:
    """A question whose property belongs to a kind ``hops`` rules above the individual's own."""
    summit, *kinds = draw_kinds(rng, 2 * (hops + 2) + 1)
    asked, *others = rng.sample(ADJECTIVES, 1 + OTHER_PROPERTIES)
    families = kinds[: hops + 2], kinds[hops + 2 :]
    rules = []
    for (branch, *chain), has in zip(families, (True, False), strict=True):
        rules += [Claim(lower, upper) for lower, upper in pairwise(chain)]
        rules += [
            Claim(chain[-1], asked, has),
            Claim(branch, rng.choice(chain)),
            Claim(rng.choice(chain), summit),
        ]
    for other in others:
        has = rng.random() < 0.5
        rules += [
            Claim(rng.choice(families[0]), other, has),
            Claim(rng.choice(families[1]), other, not has),
        ]
    stated = [_draw_rule(rng, rule) for rule in rules]
    rng.shuffle(stated)
    name = rng.choice(NAMES)
    fact = Claim(name, rng.choice(families)[1])
    return f"{' '.join(stated)} {fact}. {ASKED}{Claim(name, asked, rng.random() < 0.5)}."
