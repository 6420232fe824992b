"""Fictional ontologies: invented kinds, rules between them, one individual, one question about it.

``draw_question`` writes a question in the manner of ProntoQA (Saparov and He, 2023, "Language
Models Are Greedy Reasoners"), ``read_question`` reads it back, and ``Theory.proof`` derives the
answer. All nouns are invented for the question, so nothing can be known beforehand.

Every question contains two families of kinds of the same shape. Each is a chain of kinds; the last
kind has the property in question in one family and lacks it in the other. Both families have the
same number of other rules. The individual belongs to the first kind of a random family, and the
question is negated at random. A method that does not follow the chain from the individual upwards
therefore cannot know the answer: words, their number and their order carry no information.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


ONSETS = _words(
    "b bl br d dr f fl fr g gl gr h j k kl kr l m n p pl pr r s sk sl sn sp st t tr v w y z zw"
)
VOWELS = "aeiou"
MIDDLES = _words("b bl d dr l lb lv m mb nd nt pl r rb rd rv tr v z zd")
ENDINGS = _words("arb emp esp ilb ilk imp irp olm omp orp osk ulf ulk urk usp")
# No adjective ends in s, as the plural of a kind does.
ADJECTIVES = _words(
    """
    bitter brave bright brittle careful clever cold fragrant heavy hollow honest loud modern
    musical nocturnal opaque patient polite proud quick rare round rusty shy sleepy soft spicy
    striped tall wild wooden
    """
)
NAMES = _words(
    """
    Ada Ben Cleo Dara Edwin Flora Greta Hugo Ines Jonas Kira Leo Mona Nils Olga Pablo Rex Rosa
    Sven Tara Uma Viktor Wanda Yusuf
    """
)

OTHER_PROPERTIES = 2
ASKED = "True or false: "
STATEMENT = re.compile(r"(?:(Every|Each) )?([A-Za-z]{1,40}) (is|are) (not )?(?:an? )?([a-z]{1,40})")


class Claim(NamedTuple):
    """The claim that a subject (a kind or an individual) is, or is not, of a kind or a property."""

    subject: str
    predicate: str
    holds: bool = True

    def __str__(self) -> str:
        """Write the claim in the singular, without a full stop: ``zemp is not rusty``."""
        negation = "" if self.holds else "not "
        article = "" if self.predicate in ADJECTIVES else "a "
        return f"{self.subject} is {negation}{article}{self.predicate}"

    @property
    def in_plural(self) -> str:
        """Write the claim about all of a kind: ``Zemps are not rusty``."""
        negation = "" if self.holds else "not "
        ending = "" if self.predicate in ADJECTIVES else "s"
        return f"{self.subject.capitalize()}s are {negation}{self.predicate}{ending}"


def sentences(text: str) -> list[str]:
    """Return the sentences of a text, without their full stops and with single spaces."""
    parts = (" ".join(part.split()) for part in text.split("."))
    return [part for part in parts if part]


def read_claim(sentence: str) -> Claim | None:
    """Return the claim of a sentence, or None if its form is none of those used here.

    The claim of a rule about a kind names the kind in the singular.
    """
    match = STATEMENT.fullmatch(sentence)
    if match is None:
        return None
    every, subject, verb, negation, predicate = match.groups()
    holds = not negation
    if verb == "are":
        if every or not subject.endswith("s"):
            return None
        return Claim(subject[:-1].lower(), predicate.removesuffix("s"), holds)
    # In the singular, "Every" goes with a kind (lower case) and not with a name (upper case).
    is_name = subject[0].isupper()
    if is_name == bool(every):
        return None
    return Claim(subject, predicate, holds)


def _required_claim(sentence: str) -> Claim:
    claim = read_claim(sentence)
    if claim is None:
        raise ValueError(f"not a sentence of an ontology: {sentence!r}")
    return claim


@dataclass(frozen=True)
class Theory:
    """A question in logical form.

    ``rules`` maps each rule to the sentence that states it. ``fact`` is what is given about the
    individual, ``query`` what is asked about it.
    """

    rules: dict[Claim, str]
    fact: Claim
    query: Claim

    def following(self, claim: Claim) -> list[tuple[Claim, Claim]]:
        """Return what follows from a claim about the individual by one rule: (rule, new claim)."""
        if not claim.holds:
            return []
        rules = [rule for rule in self.rules if rule.subject == claim.predicate]
        return [(rule, Claim(claim.subject, rule.predicate, rule.holds)) for rule in rules]

    def settles(self, claim: Claim) -> bool:
        """Return whether the claim is the query or its negation."""
        return claim[:2] == self.query[:2]

    def proof(self) -> list[tuple[Claim, Claim]]:
        """Return the shortest proof of the query or of its negation, by breadth-first search.

        Each step is a rule and the claim that follows by it.
        """
        proofs: dict[Claim, list[tuple[Claim, Claim]]] = {self.fact: []}
        queue = [self.fact]
        for claim in queue:
            if self.settles(claim):
                return proofs[claim]
            for rule, new_claim in self.following(claim):
                if new_claim not in proofs:
                    proofs[new_claim] = [*proofs[claim], (rule, new_claim)]
                    queue.append(new_claim)
        raise ValueError(f"no proof of {self.query}, and none of its negation")


def read_question(question: str) -> Theory:
    """Read back a question of ``draw_question``."""
    given, query = question.split(ASKED)
    *rules, fact = sentences(given)
    return Theory(
        rules={_required_claim(rule): rule for rule in rules},
        fact=_required_claim(fact),
        query=_required_claim(query.removesuffix(".")),
    )


def draw_kinds(rng: random.Random, count: int) -> list[str]:
    """Draw different invented nouns, such as "bramborp"; the plural is the noun with an s."""
    kinds: dict[str, None] = {}
    while len(kinds) < count:
        syllables = [rng.choice(parts) for parts in (ONSETS, VOWELS, MIDDLES, ENDINGS)]
        kinds["".join(syllables)] = None
    return list(kinds)


def _draw_sentence(rng: random.Random, rule: Claim) -> str:
    form = rng.choice(("Every", "Each", "plural"))
    return f"{rule.in_plural}." if form == "plural" else f"{form} {rule}."


def draw_question(rng: random.Random, hops: int) -> str:
    """Draw a question about a property ``hops`` rules above the individual's own kind."""
    summit, *kinds = draw_kinds(rng, 2 * (hops + 2) + 1)
    asked, *other_properties = rng.sample(ADJECTIVES, 1 + OTHER_PROPERTIES)
    # A family is a side branch and a chain of hops + 1 kinds.
    families = kinds[: hops + 2], kinds[hops + 2 :]
    rules = []
    for (branch, *chain), has_property in zip(families, (True, False), strict=True):
        rules += [Claim(lower, upper) for lower, upper in pairwise(chain)]
        rules.append(Claim(chain[-1], asked, has_property))
        # Distractors: a rule into the chain from aside, and one out of it to the common summit.
        rules.append(Claim(branch, rng.choice(chain)))
        rules.append(Claim(rng.choice(chain), summit))
    for other in other_properties:
        holds = rng.random() < 0.5
        rules.append(Claim(rng.choice(families[0]), other, holds))
        rules.append(Claim(rng.choice(families[1]), other, not holds))
    stated = [_draw_sentence(rng, rule) for rule in rules]
    rng.shuffle(stated)
    name = rng.choice(NAMES)
    fact = Claim(name, rng.choice(families)[1])
    query = Claim(name, asked, rng.random() < 0.5)
    return f"{' '.join(stated)} {fact}. {ASKED}{query}."
