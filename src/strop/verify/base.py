"""The interface of a verifier: its input (Candidate, VerificationContext) and output (Verdicts).

A verifier scores responses without seeing a reference: the problems that it gets are blind.
Prompted verifiers (mc, cot-binary, cot-score, cot-mc, tournament) ask a model, the generator or
another one ("Mind the Gap", Appendix A). Self-rewards (logprob, logprob-per-token, majority) read
only the stored samples ("Sharpening", section 2). Only ``oracle`` receives the utility, as an upper
bound.
"""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, ClassVar, Literal, cast

import numpy as np
from numpy.typing import NDArray

from strop.engines.base import Engine
from strop.prompts import NEXT_QUESTION, WORDING, Wording, next_question
from strop.records import Finish, Problem, Prompt, Sampling, Score, Usage
from strop.tasks.base import Task

FloatArray = NDArray[np.float64]
Need = Literal["", "score", "continue", "logprob"]
LOW_MASS = 0.1
"""Where the options hold less probability together, the model would rather write something else."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One response to be judged, with everything known of it without a reference.

    ``problem`` is blind. ``seed`` belongs to this problem, sample and draw alone. ``logprob``,
    ``tokens`` and ``finish`` are those of the sample; NaN is an unknown log-probability. ``answer``
    is what strict extraction found in the text, None if nothing. ``utility`` is None except for a
    verifier that ``sees_references``.
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
    """The task (for its wording and examples), a loaded model, the examples, and how to sample.

    ``model`` is None where the verifier asks no model; a verifier that does uses ``engine``.
    """

    task: Task
    model: Engine | None
    shots: list[Problem]
    sampling: Sampling

    @property
    def engine(self) -> Engine:
        """The model. Raises AssertionError if there is none."""
        assert self.model is not None, "a verifier that declares asks_model = False asked a model"
        return self.model


@dataclass(frozen=True, slots=True)
class Verdicts:
    """``scores[i]`` judges ``candidates[i]``.

    ``option_mass``: mean probability that the model gives to all offered options together, where a
    verifier compares options. If it is tiny, the model would have written something else.
    """

    scores: list[Score]
    usage: Usage
    option_mass: float | None = None


def count_option_mass(usage: Usage, mass_P: FloatArray) -> Usage:
    """Return the usage with the probability that the options of each question hold together.

    ``mass_P`` is NaN where it is not known; such questions are not counted.
    """
    known = mass_P[np.isfinite(mass_P)]
    return replace(
        usage,
        options=known.size,
        option_mass=float(known.sum()),
        low_mass=int((known < LOW_MASS).sum()),
    )


class Verifier(ABC):
    """A way to score responses; higher is better, NaN is left out.

    Subclasses are frozen dataclasses. Their class variables say what the rest of strop needs:

    - ``pointwise``: the score of a response does not depend on the other responses.
    - ``asks_model``: it asks a model questions, and so needs an engine.
    - ``samples_text``: the model writes a verification, which costs generated tokens and differs
      from draw to draw.
    - ``needs``: what its model must do beside writing: "score" given texts, "continue" (score
      texts that go on from words of the assistant), or report the "logprob" of its samples.
    - ``sees_references``: it receives the utility.
    - ``control``: it is only a baseline that other verifiers are compared with.
    - ``probability``: a score claims to be the chance that the response is right, and so can be
      calibrated.
    - ``default_weight``: the weight that the papers use with it.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    default_weight: ClassVar[str]
    pointwise: ClassVar[bool] = True
    asks_model: ClassVar[bool] = True
    samples_text: ClassVar[bool] = True
    needs: ClassVar[Need] = ""
    sees_references: ClassVar[bool] = False
    probability: ClassVar[bool] = False
    control: ClassVar[bool] = False

    @abstractmethod
    def score(self, candidates: Sequence[Candidate], context: VerificationContext) -> Verdicts:
        """Return a score for each candidate, in order.

        The candidates of one problem are never divided between calls.
        """

    def settings(self) -> dict[str, Any]:
        """Return the class and the hyper-parameters as JSON: everything that the scores depend on.

        Stored scores are used again only for a verifier of equal settings.
        """
        names = [setting.name for setting in fields(cast(Any, self))]
        return _as_json(self, {name: getattr(self, name) for name in names})

    def stop_strings(self, shots: int) -> tuple[str, ...]:
        """Return the strings that end a verification, beside the end token.

        After examples, a base model would go on and invent the next question.
        """
        if shots:
            return (NEXT_QUESTION,)
        return ()

    def describe(self) -> dict[str, str | bool]:
        """Return what the run record keeps of the verifier, and what measuring needs to know."""
        description: dict[str, str | bool] = {
            "verifier": self.name,
            "description": self.description,
            "default_weight": self.default_weight,
            "pointwise": self.pointwise,
            "sees_references": self.sees_references,
            "probability": self.probability,
        }
        if self.control:
            description["control"] = True
        return description


@dataclass(frozen=True)
class PromptedVerifier(Verifier):
    """A verifier that asks a model questions about ``shown`` responses each.

    ``--dry-run`` can print its questions and count them. ``worded`` names the fields of ``wording``
    that it uses, the frame of its question first; it is empty where the question is worded
    elsewhere.
    """

    wording: Wording = field(default=WORDING, kw_only=True)

    shown: ClassVar[int] = 1
    worded: ClassVar[tuple[str, ...]] = ()

    def settings(self) -> dict[str, Any]:
        """Return the settings as JSON.

        Include only the wording fields that this verifier uses and that differ from the default, so
        that records of default runs do not change.
        """
        settings = {}
        for setting in fields(self):
            if setting.name != "wording":
                settings[setting.name] = getattr(self, setting.name)
        wording = asdict(self.wording)
        default = asdict(WORDING)
        changed = {name: wording[name] for name in self.worded if wording[name] != default[name]}
        if changed:
            settings["wording"] = changed
        return _as_json(self, settings)

    @property
    def frame(self) -> str:
        """The words around its question."""
        if not self.worded:
            return WORDING.solution
        return str(getattr(self.wording, self.worded[0]))

    def stop_strings(self, shots: int) -> tuple[str, ...]:
        """Return the words with which the verifier's frame begins: those of an invented question.

        Return nothing if the frame has no words before its first hole.
        """
        invented = next_question(self.frame)
        has_examples = shots or (self.worded and self.wording.examples)
        if invented and has_examples:
            return (invented,)
        return ()

    @abstractmethod
    def prompt(
        self, task: Task, problem: Problem, responses: tuple[str, ...], shots: list[Problem]
    ) -> Prompt:
        """Return the question about ``shown`` responses to one problem."""

    def prompts(
        self, candidates: Sequence[Candidate], context: VerificationContext
    ) -> list[Prompt]:
        """Return one question about each candidate."""
        questions = []
        for candidate in candidates:
            responses = (candidate.text,)
            question = self.prompt(context.task, candidate.problem, responses, context.shots)
            questions.append(question)
        return questions

    def questions(self, samples: int) -> int:
        """Return the number of questions that the K responses to a problem take."""
        return samples


def _as_json(verifier: Verifier, settings: dict[str, Any]) -> dict[str, Any]:
    """Put the class before the settings, and bring all of it into the form that JSON gives back.

    A record read from disk holds lists for tuples; settings compare equal to it only after the same
    round trip.
    """
    named = {"class": type(verifier).__qualname__} | settings
    document: dict[str, Any] = json.loads(json.dumps(named))
    return document


def by_problem(candidates: Sequence[Candidate]) -> list[list[int]]:
    """Return the indices of the candidates that are judged together.

    A group holds the candidates of one problem in one draw, by sample number.
    """
    # (problem, draw) to sample number to index; a dictionary keeps the groups in order.
    groups: dict[tuple[str, int], dict[int, int]] = {}
    for index, candidate in enumerate(candidates):
        group = groups.setdefault((candidate.problem.id, candidate.draw), {})
        assert candidate.sample not in group, (
            f"sample {candidate.sample} of problem {candidate.problem.id} was given twice"
        )
        group[candidate.sample] = index
    by_sample_number = []
    for group in groups.values():
        by_sample_number.append([group[sample] for sample in sorted(group)])
    return by_sample_number
