"""What does the model think?

A verifier scores responses without ever seeing a reference: problems reach it blind. Prompted verifiers (mc, cot-binary, cot-score,
tournament) ask a model, the generator itself or another ("Mind the Gap", Appendix A). Self-rewards (logprob, logprob-per-token,
majority) need nothing but what sampling left ("Sharpening", section 2). ``oracle`` alone is told what is right, as a skyline.
"""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar, Literal, cast

from strop.engines.base import Engine
from strop.prompts import NEXT_QUESTION, WORDING, Wording, next_question
from strop.records import Finish, Problem, Prompt, Sampling, Score, Usage
from strop.tasks.base import Task


@dataclass(frozen=True, slots=True)
class Candidate:
    """One response to be judged, and what is known of it without any reference; ``problem`` is blind.

    ``seed`` belongs to this problem, sample and draw alone. ``logprob``, ``tokens`` and ``finish`` are the sample's own; NaN is a
    log-probability that nobody knows. ``answer`` is what strict extraction found in the text, None if nothing. ``utility`` is None but
    for a verifier that ``sees_references``.
    """

    problem: Problem
    text: str
    seed: int
    sample: int = 0
    draw: int = 0
    logprob: float = math.nan
    tokens: int = 0
    finish: Finish = "end"
    answer: str | None = None
    utility: float | None = None


@dataclass(frozen=True, slots=True)
class VerificationContext:
    """What a verifier works with: the task (for its wording and examples), a loaded model, examples, and how to sample.

    ``model`` is None where the verifier asks none; who does ask takes it as ``engine``.
    """

    task: Task
    model: Engine | None
    shots: list[Problem]
    sampling: Sampling

    @property
    def engine(self) -> Engine:
        assert self.model is not None, "a verifier that declares asks_model = False asked a model"
        return self.model


@dataclass(frozen=True, slots=True)
class Verdicts:
    """``scores[i]`` judges ``candidates[i]``."""

    scores: list[Score]
    usage: Usage


class Verifier(ABC):
    """Scores responses; higher is better, NaN is left out. Subclasses are frozen dataclasses.

    ``pointwise``: the score of a response does not depend on the other responses. ``asks_model``: it puts questions to a model, and so
    needs an engine. ``samples_text``: the model writes a verification, which costs generated tokens and differs from draw to draw.
    ``needs``: what its model must be able to tell beside writing, "score" (of given texts) or "logprob" (of its samples).
    ``sees_references``: it is told the utility. ``control``: nobody's verifier, only what others are compared with. ``probability``: a
    score claims to be the chance that the response is right, and so can be calibrated. ``default_weight``: what the papers use with it.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    default_weight: ClassVar[str]
    pointwise: ClassVar[bool] = True
    asks_model: ClassVar[bool] = True
    samples_text: ClassVar[bool] = True
    needs: ClassVar[Literal["", "score", "logprob"]] = ""
    sees_references: ClassVar[bool] = False
    probability: ClassVar[bool] = False
    control: ClassVar[bool] = False

    @abstractmethod
    def score(self, candidates: Sequence[Candidate], bench: VerificationContext) -> Verdicts:
        """A score for each candidate, in order. A problem's candidates are never divided between calls."""

    def settings(self) -> dict[str, Any]:
        """What its scores depend on: its class and hyper-parameters, as JSON. A stored score is never taken for another verifier's."""
        return _settings(self, {f.name: getattr(self, f.name) for f in fields(cast(Any, self))})

    def stop_strings(self, shots: int) -> tuple[str, ...]:
        """What ends a verification beside the end token: after examples, the next question that a base model would invent."""
        return (NEXT_QUESTION,) if shots else ()

    def describe(self) -> dict[str, str | bool]:
        """What the run record says of it, and what measuring needs to know."""
        words = {
            "verifier": self.name,
            "description": self.description,
            "default_weight": self.default_weight,
        }
        return (
            words
            | {
                "pointwise": self.pointwise,
                "sees_references": self.sees_references,
                "probability": self.probability,
            }
            | ({"control": True} if self.control else {})
        )


@dataclass(frozen=True)
class PromptedVerifier(Verifier):
    """Puts questions about ``shown`` responses each to a model; ``--dry-run`` can say what they look like and how many there are.

    ``worded`` names what it uses of its ``wording``, the frame first; nothing, where its question is worded elsewhere.
    """

    wording: Wording = field(default=WORDING, kw_only=True)

    shown: ClassVar[int] = 1
    worded: ClassVar[tuple[str, ...]] = ()

    def settings(self) -> dict[str, Any]:
        """As of every verifier. Of the wording, what it uses and what is not as by default: so default runs stay what they are."""
        own, default = asdict(self.wording), asdict(WORDING)
        changed = {name: own[name] for name in self.worded if own[name] != default[name]}
        rest = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "wording"}
        return _settings(self, rest | ({"wording": changed} if changed else {}))

    @property
    def frame(self) -> str:
        """The words around its question."""
        return str(getattr(self.wording, self.worded[0])) if self.worded else WORDING.solution

    def stop_strings(self, shots: int) -> tuple[str, ...]:
        """The next question, as its own frame begins. A frame without words before its holes has none."""
        invented = next_question(self.frame)
        has_examples = shots or (self.worded and self.wording.examples)
        return (invented,) if invented and has_examples else ()

    @abstractmethod
    def prompt(
        self, task: Task, problem: Problem, responses: tuple[str, ...], shots: list[Problem]
    ) -> Prompt:
        """The question put to the model about ``shown`` responses to one problem."""

    def prompts(self, candidates: Sequence[Candidate], bench: VerificationContext) -> list[Prompt]:
        """A question about each of these candidates."""
        return [
            self.prompt(bench.task, item.problem, (item.text,), bench.shots) for item in candidates
        ]

    def questions(self, samples: int) -> int:
        """How many questions the K responses to a problem take."""
        return samples


def _settings(verifier: Verifier, own: dict[str, Any]) -> dict[str, Any]:
    settings: dict[str, Any] = json.loads(json.dumps({"class": type(verifier).__qualname__} | own))
    return settings


def by_problem(candidates: Sequence[Candidate]) -> list[list[int]]:
    """The places of the candidates that are judged together: one problem's, in one draw, by sample number."""
    groups: dict[tuple[str, int], dict[int, int]] = {}
    for place, item in enumerate(candidates):
        group = groups.setdefault((item.problem.id, item.draw), {})
        assert group.setdefault(item.sample, place) == place, (
            f"sample {item.sample} of problem {item.problem.id} was given twice"
        )
    return [[group[sample] for sample in sorted(group)] for group in groups.values()]
