"""The result of a course: the JSON document, from the runs of every model. No engine is used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from strop.improvement.course import Course
from strop.improvement.forecasts import forecast_document, forecast_of, later_document
from strop.improvement.judges import as_stage_names
from strop.improvement.round import Round
from strop.improvement.training_rows import TrainingRows
from strop.json_files import read_json
from strop.measure import Ratio, estimate_all, gap, kept_accuracy, relative_gap
from strop.measure.diagnosis import update_error
from strop.measure.gap import accuracy, kept_share
from strop.measure.intervals import difference
from strop.measure.pass_at_k import pass_at_k
from strop.records import Usage, total_usage
from strop.run.run import Run
from strop.run.updates import Update
from strop.weigh import Product

NO_MODEL = "{} asks no model: the base model cannot be its verifier"


@dataclass(frozen=True)
class Improvement:
    """A course so far.

    ``stopped``: why it ended. ``past``: updates of other courses, which forecasts use.
    """

    path: Path
    course: Course
    rounds: list[Round]
    stopped: str
    past: tuple[Update, ...] = ()

    @cached_property
    def document(self) -> dict[str, Any]:
        """The contract's JSON."""
        course = self.course
        judge = course.judge.spec
        return {
            "model": course.model,
            "task": course.task.label,
            "method": course.method,
            "filter_by": course.filter.spec,
            "verifier": judge,
            "verify_with": course.verify_with,
            "rounds": self._round_documents(),
            "stopped": self.stopped,
            "definitions": {
                "rounds": "round 0 is the base model; every round is measured on the same held-out "
                "problems",
                "gap": f"with {judge} of the model as it is in that round",
                "gap_base_verifier": f"the same round's responses, with {judge} of the base model",
                "gap_filter": "with what chooses the rows that are trained on",
                "train_accuracy": "on the training problems; from round 1 on in-sample",
            },
            "run": str(self.path),
        }

    def _repr_html_(self) -> str:
        """Return HTML for a notebook: the answer, the rounds, the curves."""
        from strop.report.notebook import result_html

        return result_html("improve", self.document)

    def _round_documents(self) -> list[dict[str, Any]]:
        """Return the rounds; the first has a forecast of the round that follows it."""
        documents = [self._round_document(index) for index in range(len(self.rounds))]
        base = documents[0]
        sourced = forecast_of(self.course, base, self.past, ())
        accuracy = float(base["accuracy"]["value"] or 0.0)
        documents[0] = base | forecast_document(sourced, accuracy)
        return [documents[0], *(document | later_document() for document in documents[1:])]

    def _round_document(self, index: int) -> dict[str, Any]:
        current = self.rounds[index]
        measured = current.held_out.document
        document: dict[str, Any] = {"round": current.number, "model": current.model}
        for name in ("accuracy", "accuracy_flexible", "greedy"):
            document[name] = measured[name]
        document |= _estimates(current.held_out, self._ratios(index))
        # A verifier that asks no model, such as majority, has no base model to ask.
        if "gap_base_verifier" not in document:
            why = NO_MODEL.format(self.course.judge.spec)
            document["gap_base_verifier"] = {"value": None, "why": why}
        document["pass_at_k"] = measured["analysis"]["pass_at_k"]
        document["diversity"] = measured["analysis"]["diversity"]
        document["truncated"] = measured["truncated"]
        if current.train is not None:
            samples = current.train.evidence.samples
            in_sample = {"train_accuracy": accuracy(samples.utility_PK, samples.mask_PK)}
            document |= _estimates(current.train, in_sample)
        if current.pilot is not None:
            document["pilot"] = current.pilot.as_json()
        if current.training_rows:
            document["trained_on"] = self._trained_on(current, current.training_rows)
        usage = self._usage_by_stage(current)
        document["usage"] = total_usage(usage.values()).as_json()
        document["usage_by_stage"] = {stage: used.as_json() for stage, used in usage.items()}
        return document

    def _ratios(self, index: int) -> dict[str, Ratio]:
        """Return the gaps of a round, and from round 1 on its comparisons with earlier rounds."""
        current = self.rounds[index]
        ratios = dict(self._gaps(current))
        if index:
            before = self.rounds[index - 1]
            ratios |= _since_last_round(current, before, self._filter(before))
            ratios |= _since_base(current, self.rounds[0])
        return ratios

    def _gaps(self, current: Round) -> Iterator[tuple[str, Ratio]]:
        """Yield the gaps with the model itself, the base model and the filter as the verifier."""
        evidence = current.held_out.evidence
        samples = evidence.samples
        judge, kept_by = self.course.judge, self._filter(current)
        products = {
            "gap": judge,
            "gap_base_verifier": as_stage_names(judge, self.course.model, current.model),
            "gap_filter": kept_by,
        }
        for name, product in products.items():
            # The base model cannot answer for a verifier that asks no model.
            if product is not None:
                yield name, gap(samples.utility_PK, evidence.weigh(product), samples.mask_PK)
        weight_PK = evidence.weigh(judge)
        yield "relative_gap", relative_gap(samples.utility_PK, weight_PK, samples.mask_PK)
        yield "kept_share", kept_share(evidence.weigh(kept_by), samples.mask_PK)

    def _filter(self, current: Round) -> Product:
        """Return the filter with the names under which the round's runs store its scores."""
        judge = self.course.verify_with or current.model
        product = as_stage_names(self.course.filter, judge, current.model)
        assert product is not None
        return product

    def _trained_on(self, current: Round, rows: TrainingRows) -> dict[str, int]:
        # An online trainer draws a pair of each problem in each of its rounds.
        online_rows = self.course.pairs * self.course.train_problems
        return {
            "rows": online_rows if self.course.trainer.online else len(rows.rows),
            "problems": rows.problems,
            "problems_without": rows.problems_without,
            "truncated": rows.truncated,
            "replayed": current.replayed,
        }

    def _usage_by_stage(self, current: Round) -> dict[str, Usage]:
        """Return the cost of measuring this model, of its training samples, and of the next model.

        ``fit`` is the training; what an online trainer draws has the trainer's name.
        """
        after = self.path / f"round-{current.number + 1}"
        stages = {"held-out": current.held_out.usage}
        if current.train is not None:
            stages["train"] = current.train.usage
        if self.course.trainer.online:
            name = self.course.trainer.name
            runs = [Run(file.parent) for file in sorted((after / name).glob("*/run.json"))]
            stages[name] = total_usage(run.usage for run in runs)
        if current.pilot is not None:
            fitted = self.path / "round-0" / "pilot" / "model" / "training.json"
            stages["pilot fit"] = _fit_usage(fitted)
        if current.training_rows:
            fits = [_fit_usage(file) for file in sorted(after.glob("**/training.json"))]
            stages["fit"] = total_usage(fits)
        return {stage: usage for stage, usage in stages.items() if usage != Usage()}


def _estimates(run: Run, ratios: Mapping[str, Ratio]) -> dict[str, Any]:
    """Return the ratios with their intervals, as JSON."""
    estimates = estimate_all(ratios, run.counts_BP, group_P=run.evidence.group_P)
    return {name: estimate.as_json() for name, estimate in estimates.items()}


def _since_last_round(current: Round, before: Round, kept_by: Product) -> dict[str, Ratio]:
    """Compare with the round before, paired by problem: gain and eps_update, strict and flexible.

    Strict accuracy that is gained beyond flexible accuracy is due to the answer's format.
    """
    earlier, now = before.held_out.evidence.samples, current.held_out.evidence.samples
    weight_PK = before.held_out.evidence.weigh(kept_by)
    ratios: dict[str, Ratio] = {}
    for ending, earlier_PK, now_PK in (
        ("", earlier.utility_PK, now.utility_PK),
        ("_flexible", earlier.flexible_PK, now.flexible_PK),
    ):
        after = accuracy(now_PK, now.mask_PK)
        start = accuracy(earlier_PK, earlier.mask_PK)
        kept = kept_accuracy(earlier_PK, weight_PK, earlier.mask_PK)
        ratios[f"gain{ending}"] = difference(
            after, start, "accuracy minus that of the round before"
        )
        ratios[f"eps_update{ending}"] = update_error(kept, after)["eps_update"]
    ratios["gain_in_format"] = difference(
        ratios["gain"],
        ratios["gain_flexible"],
        "gain in strict accuracy minus gain in flexible accuracy: "
        "what came of the answer's form alone",
    )
    return ratios


def _since_base(current: Round, base: Round) -> dict[str, Ratio]:
    """Compare with the base model, paired by problem: accuracy and pass@K.

    pass@K falls where diversity is lost.
    """
    before, now = base.held_out.evidence.samples, current.held_out.evidence.samples
    return {
        "accuracy_since_base": difference(
            accuracy(now.utility_PK, now.mask_PK),
            accuracy(before.utility_PK, before.mask_PK),
            "accuracy minus the base model's",
        ),
        "pass_at_k_since_base": difference(
            pass_at_k(now.utility_PK, now.mask_PK)[-1],
            pass_at_k(before.utility_PK, before.mask_PK)[-1],
            "pass@K minus the base model's",
        ),
    }


def _fit_usage(path: Path) -> Usage:
    """Return the cost of a fit from its training.json."""
    record = read_json(path, needs=("response_tokens", "tokens", "flops", "seconds_training"))
    response_tokens = int(record["response_tokens"])
    prompt_tokens = int(record["tokens"] - response_tokens)
    return Usage(
        prompt_tokens,
        0,
        response_tokens,
        float(record["flops"]),
        float(record["seconds_training"]),
    )
