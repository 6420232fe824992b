"""What came of rounds of self-improvement: the contract's document, from the runs of every model of the course. No engine is touched."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from strop.improvement.course import Course
from strop.improvement.training_rows import Harvest
from strop.measure import Ratio, estimate_all, gap, kept_accuracy, relative_gap
from strop.measure.diagnosis import update
from strop.measure.forecast import FEWEST, forecast
from strop.measure.gap import accuracy, kept_share
from strop.measure.intervals import difference
from strop.measure.pass_at_k import pass_at_k
from strop.records import Estimate, Usage, total_usage
from strop.run.run import Run
from strop.run.updates import Update, others
from strop.run.verification import stage_name
from strop.verify import VERIFIERS, Likelihood, LogProbability
from strop.weigh import Product

NO_MODEL = "{} asks no model: the base model cannot be its verifier"


@dataclass(frozen=True)
class Round:
    """One model of the course, measured on held-out problems and on its training problems.

    ``harvest``: what the next model was trained on, None after the last round; so many ``replayed`` rows were mixed in.
    """

    number: int
    model: str
    held_out: Run
    train: Run
    harvest: Harvest | None = None
    replayed: int = 0


def as_asked_of(product: Product, judge: str, generator: str) -> Product | None:
    """The same weights on the verifiers that ``judge`` can be: what another model thinks by log-probability is ``likelihood``.

    None where the product has a verifier that asks no model, and the judge is not the generator.
    """
    if judge == generator:
        return product
    factors = [
        (Likelihood.name if name == LogProbability.name else name, weight)
        for name, weight in product.factors
    ]
    return (
        Product(tuple(factors)) if all(VERIFIERS[name].asks_model for name, _ in factors) else None
    )


def as_stage_names(product: Product, judge: str, generator: str) -> Product | None:
    """``as_asked_of`` by the names under which the scores stand."""
    asked = as_asked_of(product, judge, generator)
    return asked and Product(
        tuple((stage_name(name, judge, generator), weight) for name, weight in asked.factors)
    )


@dataclass(frozen=True)
class Improvement:
    """A course so far. ``stopped`` says why it ended; ``past`` are the updates of other courses, which forecasts rest on."""

    path: Path
    course: Course
    rounds: list[Round]
    stopped: str
    past: tuple[Update, ...] = ()

    @cached_property
    def document(self) -> dict[str, Any]:
        """The contract's JSON."""
        course = self.course
        head: dict[str, Any] = {
            "model": course.model,
            "task": course.task.label,
            "method": course.method,
            "filter_by": course.filter.spec,
        }
        head |= {"verifier": course.judge.spec, "verify_with": course.verify_with}
        definitions = {
            "rounds": "round 0 is the base model; every round is measured on the same held-out problems",
            "gap": f"with {course.judge.spec} of the model as it is in that round",
            "gap_base_verifier": f"the same round's responses, with {course.judge.spec} of the base model",
            "gap_filter": "with what chooses the rows that are trained on",
            "train_accuracy": "on the training problems; from round 1 on in-sample",
        }
        told = [self._told(place) for place in range(len(self.rounds))]
        return head | {
            "rounds": told,
            "stopped": self.stopped,
            "definitions": definitions,
            "run": str(self.path),
        }

    def _repr_html_(self) -> str:
        """In a notebook: the answer, the rounds, the curves."""
        from strop.report.notebook import story_html

        return story_html("improve", self.document)

    def _told(self, place: int) -> dict[str, Any]:
        one = self.rounds[place]
        document, evidence = one.held_out.document, one.held_out.evidence
        ratios = dict(self._gaps(one))
        if place:
            ratios |= _compared(one, self.rounds[place - 1], self._filter(self.rounds[place - 1]))
            ratios |= _since_base(one, self.rounds[0])
        estimates = estimate_all(ratios, one.held_out.counts_BP, group_P=evidence.group_P)
        found: dict[str, Any] = {"round": one.number, "model": one.model}
        found |= {name: document[name] for name in ("accuracy", "accuracy_flexible", "greedy")}
        found |= {name: value.as_json() for name, value in estimates.items()}
        if "gap_base_verifier" not in found:
            found["gap_base_verifier"] = {
                "value": None,
                "why": NO_MODEL.format(self.course.judge.spec),
            }
        found |= {
            "pass_at_k": document["analysis"]["pass_at_k"],
            "diversity": document["analysis"]["diversity"],
        }
        found |= {"truncated": document["truncated"]}
        train = one.train.evidence
        trained = {"train_accuracy": accuracy(train.samples.utility_PK, train.samples.mask_PK)}
        found |= {
            name: value.as_json()
            for name, value in estimate_all(
                trained, one.train.counts_BP, group_P=train.group_P
            ).items()
        }
        found["forecast"] = self._forecast(one).as_json(definition=True)
        if one.harvest:
            found["trained_on"] = _trained_on(one.harvest, self.course) | {"replayed": one.replayed}
        usage = usage_by_stage(one, self.path)
        return found | {
            "usage": total_usage(usage.values()).as_json(),
            "usage_by_stage": {k: v.as_json() for k, v in usage.items()},
        }

    def _gaps(self, one: Round) -> Iterator[tuple[str, Ratio]]:
        """Of the model's own verification, of the base model's, and of what filters."""
        samples = one.held_out.evidence.samples
        judges = {
            "gap": self.course.judge,
            "gap_base_verifier": as_stage_names(self.course.judge, self.course.model, one.model),
            "gap_filter": self._filter(one),
        }
        for name, product in judges.items():
            if product is not None:
                yield (
                    name,
                    gap(samples.utility_PK, one.held_out.evidence.weigh(product), samples.mask_PK),
                )
        weight_PK = one.held_out.evidence.weigh(self.course.judge)
        yield "relative_gap", relative_gap(samples.utility_PK, weight_PK, samples.mask_PK)
        yield (
            "kept_share",
            kept_share(one.held_out.evidence.weigh(self._filter(one)), samples.mask_PK),
        )

    def _filter(self, one: Round) -> Product:
        product = as_stage_names(
            self.course.filter, self.course.verify_with or one.model, one.model
        )
        assert product is not None
        return product

    def _forecast(self, one: Round) -> Estimate:
        """Accuracy after training on what the filter keeps. Updates of other courses are of first rounds, and speak of these alone."""
        samples = one.held_out.evidence.samples
        kept = kept_accuracy(
            samples.utility_PK, one.held_out.evidence.weigh(self._filter(one)), samples.mask_PK
        )
        course = self.course
        known = (
            others(self.past, course.model, course.task.label, course.method, FEWEST)
            if one.number == 0
            else []
        )
        return forecast(kept, np.array([past.eps_update for past in known]))


def _compared(one: Round, before: Round, kept_by: Product) -> dict[str, Ratio]:
    """Against the round before, paired by problem: the gain in accuracy, strict and flexible, and eps_update of both.

    What strict accuracy gained beyond flexible accuracy is format.
    """
    earlier, now = before.held_out.evidence.samples, one.held_out.evidence.samples
    weight_PK = before.held_out.evidence.weigh(kept_by)
    ratios: dict[str, Ratio] = {}
    for ending, was_PK, is_PK in (
        ("", earlier.utility_PK, now.utility_PK),
        ("_flexible", earlier.flexible_PK, now.flexible_PK),
    ):
        after, start = accuracy(is_PK, now.mask_PK), accuracy(was_PK, earlier.mask_PK)
        ratios[f"gain{ending}"] = difference(
            after, start, "accuracy minus that of the round before"
        )
        [eps] = update(kept_accuracy(was_PK, weight_PK, earlier.mask_PK), after).values()
        ratios[f"eps_update{ending}"] = eps
    definition = "gain in strict accuracy minus gain in flexible accuracy: what came of the answer's form alone"
    return ratios | {
        "gain_in_format": difference(ratios["gain"], ratios["gain_flexible"], definition)
    }


def _since_base(one: Round, base: Round) -> dict[str, Ratio]:
    """Against the base model, paired by problem: accuracy, and pass@K, which falls where diversity is lost."""
    was, now = base.held_out.evidence.samples, one.held_out.evidence.samples
    gained = difference(
        accuracy(now.utility_PK, now.mask_PK),
        accuracy(was.utility_PK, was.mask_PK),
        "accuracy minus the base model's",
    )
    after, before = (pass_at_k(samples.utility_PK, samples.mask_PK)[-1] for samples in (now, was))
    return {
        "accuracy_since_base": gained,
        "pass_at_k_since_base": difference(after, before, "pass@K minus the base model's"),
    }


def _trained_on(harvest: Harvest, course: Course) -> dict[str, int]:
    rows = course.pairs * course.train_problems if course.method == "xpo" else len(harvest.rows)
    counts = {
        "rows": rows,
        "problems": harvest.problems,
        "problems_without": harvest.problems_without,
    }
    return counts | {"truncated": harvest.truncated}


def usage_by_stage(one: Round, path: Path) -> Mapping[str, Usage]:
    """What measuring and harvesting this model cost, and what making the next one did (``fit``; XPO's own draws are ``xpo``)."""
    after = path / f"round-{one.number + 1}"
    explored = [
        Run(document.parent).usage for document in sorted((after / "xpo").glob("*/run.json"))
    ]
    fits = (
        [_fit_usage(document) for document in sorted(after.glob("**/training.json"))]
        if one.harvest
        else []
    )
    found = {
        "held-out": one.held_out.usage,
        "train": one.train.usage,
        "xpo": total_usage(explored),
        "fit": total_usage(fits),
    }
    return {name: usage for name, usage in found.items() if usage != Usage()}


def _fit_usage(path: Path) -> Usage:
    told = json.loads(path.read_text(encoding="utf-8"))
    read = int(told["tokens"] - told["response_tokens"])
    return Usage(
        read, 0, int(told["response_tokens"]), float(told["flops"]), float(told["seconds_training"])
    )
