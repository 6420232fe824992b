"""A pilot: one fit on a quarter of a round's training problems, judged without sampling.

    quarter of the training problems --sample, verify--> rows --fit--> pilot model
    stored held-out responses --their log-probability, before and after--> reweighted accuracy

The reweighted gain says where training moves this model on this task. Stored samples alone do not
say it: where right and wrong responses are equally likely, training may raise both alike. A whole
round gains more than its pilot, by a factor that ``strop.run.forecasting`` learns from rounds that
had one. The round that follows uses the pilot's samples and checks again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from strop.distill.rows import Ids
from strop.improvement.course import Course
from strop.improvement.training_rows import first_responses, rows_for, with_prompt_tokens
from strop.json_files import read_json
from strop.measure import estimate_all
from strop.measure.intervals import Floats
from strop.measure.reweighting import effective_samples, reweighted_gain
from strop.progress import Watcher
from strop.records import Estimate
from strop.run.run import Run
from strop.run.store import PART_PROBLEMS
from strop.weigh import Product

PILOT_SHARE = 0.25
MOST_SCORED = 16
"""Responses of a held-out problem that are scored before and after the fit."""


@dataclass(frozen=True)
class Pilot:
    """What the pilot fit gained on held-out problems, and what it rests on.

    ``effective_samples``: mean effective number of responses of a problem; far below their number,
    the pilot model is too far from the base model for its stored responses to judge it.
    ``share_of_round``: FLOPs of the pilot over those of a whole round.
    """

    gain: Estimate
    filter: str
    problems: int
    rows: int
    effective_samples: float
    share_of_round: float

    def as_json(self) -> dict[str, Any]:
        return {
            "gain": self.gain.as_json(definition=True),
            "filter": self.filter,
            "problems": self.problems,
            "rows": self.rows,
            "effective_samples": self.effective_samples,
            "share_of_round": self.share_of_round,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Pilot:
        """Return the pilot that ``as_json`` wrote."""
        fields = {name: value for name, value in document.items() if name != "gain"}
        return cls(gain=Estimate.from_json(document["gain"]), **fields)


def pilot_problems(train_problems: int) -> int:
    """Return how many training problems a pilot takes: a quarter of them, in whole parts."""
    parts = max(1, round(PILOT_SHARE * train_problems / PART_PROBLEMS))
    return min(train_problems, parts * PART_PROBLEMS)


@dataclass(frozen=True)
class PilotFit:
    """The fit of a pilot, and how it is judged.

    ``base``: the folder of the model that the course begins with. ``kept_by``: the filter.
    ``tokens``: the tokens of prompts by their text, as the engine sends them. ``out``: the folder
    of the pilot.
    """

    course: Course
    base: Path
    kept_by: Product
    tokens: Mapping[str, Ids]
    out: Path

    def run(self, held_out: Run, train: Run, watcher: Watcher) -> Pilot | None:
        """Fit on the rows of ``train``, and judge the fit on ``held_out``'s stored responses.

        ``train`` holds the pilot's problems alone, verified by the filter. None if the filter keeps
        nothing of them.
        """
        course = self.course
        trainer = course.trainer
        kept = rows_for(trainer.row, train, self.kept_by, course.keeping, course.pairs).rows
        if not kept:
            return None
        rows = with_prompt_tokens(kept, self.tokens)
        about = f"pilot of {course.method} on {len(rows)} rows of {course.task.label}"
        out = self.out / "model"
        fitted = trainer.fit(self.base, rows, out, base=None, data=about, watcher=watcher)
        change = log_probability_change(self.base, fitted, held_out, self.tokens)
        evidence = held_out.evidence
        mask_PK = evidence.samples.mask_PK
        gain = reweighted_gain(change.value_PK, evidence.samples.utility_PK, mask_PK)
        estimates = estimate_all({"gain": gain}, held_out.counts_BP, group_P=evidence.group_P)
        return Pilot(
            estimates["gain"],
            course.filter.spec,
            train.plan.problems,
            len(rows),
            effective_samples(change.value_PK, mask_PK),
            _share_of_round(course, train, fitted, change.tokens),
        )


@dataclass(frozen=True)
class Change:
    """log q_fitted(y|x) - log q_base(y|x) in nats, NaN where unknown; and the tokens read."""

    value_PK: Floats
    tokens: int


def log_probability_change(
    base: Path, fitted: Path, run: Run, tokens: Mapping[str, Ids] = MappingProxyType({})
) -> Change:
    """Score stored responses before and after a fit, at the temperature that they were drawn at.

    The nucleus (top-p) is not applied: it would give most responses the same small correction. A
    response is not scored if it has no tokens, or if its number is MOST_SCORED or more. ``tokens``:
    those of the prompts by their text, if they are known.
    """
    from strop.distill.scoring import score_at_temperature

    value_PK = np.full(run.evidence.samples.mask_PK.shape, np.nan)
    indices, responses = first_responses(run, MOST_SCORED)
    rows = with_prompt_tokens(responses, tokens)
    temperature = run.plan.temperature or 1.0  # greedy responses: any temperature would do
    before = score_at_temperature(base, rows, temperature)
    after = score_at_temperature(fitted, rows, temperature)
    problem_N, response_N = np.array(indices).T
    value_PK[problem_N, response_N] = after.logprob_N - before.logprob_N
    return Change(value_PK, before.tokens + after.tokens)


def _share_of_round(course: Course, train: Run, fitted: Path, scored_tokens: int) -> float:
    """Return the pilot's FLOPs over a round's, which samples, verifies and fits all problems."""
    record = read_json(fitted / "training.json", needs=("flops", "tokens"))
    # A training step reads a token forward and backward: three times the FLOPs of scoring it.
    scoring = scored_tokens * float(record["flops"]) / float(record["tokens"]) / 3
    made = train.usage.flops + float(record["flops"])
    whole_round = made * course.train_problems / train.plan.problems
    return (made + scoring) / whole_round if whole_round > 0 else float("nan")
