"""A run on disk, opened for reading: its frames, its estimates, its report. Nothing here touches an engine.

(utility, weights) --measure--> estimates
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from strop.errors import CorruptPartError, UsageError
from strop.loop import Plan
from strop.measure import GAP_DEFINITION, Samples, Summary, Weighed, accuracy, estimate_all, fill_grid, gap, resample_counts, summarise
from strop.measure.gap import kept_share
from strop.measure.intervals import Floats
from strop.records import Estimate, total_usage
from strop.store import RESPONSE_SCHEMA, SCORE_SCHEMA, RunFolder
from strop.tasks import Task
from strop.weigh import Product, Quantile, Threshold, Weight, parse_product, parse_weight

if TYPE_CHECKING:
    from strop.report import ReportRun


@dataclass(frozen=True)
class Run:
    """One model on one task. ``weights`` empty: each verifier's default weight. ``task``: the instance, where TASKS does not know it."""

    path: Path
    weights: tuple[str, ...] = ()
    task: Task | None = None

    @property
    def folder(self) -> RunFolder:
        return RunFolder(self.path)

    @cached_property
    def record(self) -> dict[str, Any]:
        """run.json."""
        record = self.folder.record()
        if not isinstance(record.get("verifiers"), dict) or not {"verifier_model", "design"} <= record.keys():
            raise CorruptPartError(f"{self.path / 'run.json'} lacks what a run's record holds; restore it, or choose another --out")
        return record

    @cached_property
    def plan(self) -> Plan:
        return Plan.from_asked(self.record["asked"], self.task)

    @property
    def stages(self) -> list[str]:
        """The names under which parts are stored."""
        return ["responses", "greedy", *(f"scores/{name}" for name in self.record["verifiers"])]

    @cached_property
    def problems(self) -> pl.DataFrame:
        """One row a problem: problem, split, question, reference, prompt, metadata."""
        return self.folder.problems()

    @cached_property
    def responses(self) -> pl.DataFrame:
        """One row a response."""
        return self._stage("responses", self.plan.samples)

    @cached_property
    def greedy(self) -> pl.DataFrame:
        """One row a problem: the greedy response."""
        return self._stage("greedy", 1)

    @cached_property
    def scores(self) -> dict[str, pl.DataFrame]:
        """One frame a verifier, one row a response and draw."""
        return {name: self._stage(f"scores/{name}", self.plan.samples) for name in self.record["verifiers"]}

    @cached_property
    def document(self) -> dict[str, Any]:
        """What ``--json`` prints: the estimates and what they rest on."""
        rows = [self._row(product, summary) for product, summary in self.summaries]
        first = {row["verifier"]: {k: v for k, v in row.items() if k != "verifier"} for row in reversed(rows)}
        accuracies = {name: value.as_json() for name, value in self.accuracies.items()}
        return {
            "definition": GAP_DEFINITION,
            "model": self.plan.model,
            "verifier_model": self.record["verifier_model"],
            "task": self.plan.task.name,
            "problems": self.plan.problems,
            "samples": self.plan.samples,
            "design": self.record["design"],
            **accuracies,
            "truncated": int((self.responses["finish"] == "length").sum()),
            "verifiers": {name: first[name] for name in self.record["verifiers"] if name in first},
            "estimates": rows,
            "usage": asdict(total_usage(self.folder.usage(stage, self.plan.parts) for stage in self.stages)),
            "run": str(self.path),
        }

    @cached_property
    def accuracies(self) -> dict[str, Estimate]:
        """Accuracy (strict), accuracy_flexible and greedy accuracy."""
        greedy_P1 = self._grid(self.greedy, "utility_strict")
        samples = self._samples
        pairs = {
            "accuracy": (samples.utility_PK, samples.mask_PK),
            "accuracy_flexible": (samples.flexible_PK, samples.mask_PK),
            "greedy": (greedy_P1, np.ones_like(greedy_P1, bool)),
        }
        return estimate_all({name: accuracy(*pair) for name, pair in pairs.items()}, self._counts_BP)

    @cached_property
    def weighings(self) -> list[Product]:
        """Every verifier under every plain weight asked for (or its default), and every ensemble asked for."""
        plain = [parse_weight(spec) for spec in self.weights if "@" not in spec]
        asked = [parse_product(spec) for spec in self.weights if "@" in spec]
        for product in asked:
            for verifier in product.verifiers:
                if verifier not in self.record["verifiers"]:
                    raise UsageError(f"{self.path} has no scores of {verifier!r}; there are {', '.join(self.record['verifiers'])}")
        if asked and not plain:
            return asked
        return [Product(((name, weight),)) for name in self.record["verifiers"] for weight in plain or [self.default_weight(name)]] + asked

    @cached_property
    def summaries(self) -> list[tuple[Product, Summary]]:
        """(verifiers and weights, estimates) for every weighing."""
        found = summarise(self._samples, {product.spec: self._weighed(product) for product in self.weighings}, self._counts_BP)
        return [(product, found[product.spec]) for product in self.weighings]

    def default_weight(self, verifier: str) -> Weight:
        """What the papers use with it."""
        return parse_weight(self.record["verifiers"][verifier]["default_weight"])

    @property
    def estimates(self) -> pl.DataFrame:
        """One row a verifier, weight and quantity: value, low, high, n, why, definition."""
        rows = [("", "", quantity, e) for quantity, e in self.accuracies.items()] + [
            (*_label(product), quantity, e) for product, summary in self.summaries for quantity, e in summary.estimates.items()
        ]
        names = ("verifier", "weigh", "quantity", "value", "low", "high", "n", "why", "definition")
        return pl.DataFrame(
            [(v, w, q, e.value, e.low, e.high, e.n, e.why, e.definition) for v, w, q, e in rows],
            schema={name: pl.Float64 if name in ("value", "low", "high") else pl.Int64 if name == "n" else pl.String for name in names},
            orient="row",
        )

    def sweeps(self) -> dict[str, list[dict[str, Any]]]:
        """Gap and kept share over quantiles; a binary verdict has one threshold only."""
        result: dict[str, list[dict[str, Any]]] = {}
        samples = self._samples
        for name in self.record["verifiers"]:
            weights: list[Weight] = [Quantile(q / 10) for q in range(10)] if self.default_weight(name).rank_based else [Threshold(0.5)]
            weighed = {weight.spec: weight(self._score_PK(name), samples.mask_PK) for weight in weights}
            ratios = {("gap", spec): gap(samples.utility_PK, weight_PK, samples.mask_PK) for spec, weight_PK in weighed.items()}
            ratios |= {("kept_share", spec): kept_share(weight_PK, samples.mask_PK) for spec, weight_PK in weighed.items()}
            found = estimate_all(ratios, self._counts_BP)
            result[name] = [
                {"threshold": float(spec.split(":")[1]), "weigh": spec}
                | {quantity: found[quantity, spec].as_json() for quantity in ("gap", "kept_share")}
                for spec in weighed
            ]
        return result

    def material(self) -> ReportRun:
        """What a page about this run is made of."""
        from strop.report import ReportRun

        return ReportRun(self.document, self.record, self.problems, self.responses, self.scores, self.sweeps())

    def report(self) -> Path:
        """Write report.html into the run folder; returns its path."""
        from strop.report import build_page

        self.folder.write_text("report.html", build_page([self.material()]))
        return self.path / "report.html"

    # --- arrays ---

    @cached_property
    def _samples(self) -> Samples:
        strict_PK = self._grid(self.responses, "utility_strict")
        mask_PK = ~np.isnan(strict_PK)
        return Samples(np.where(mask_PK, strict_PK, 0), np.nan_to_num(self._grid(self.responses, "utility_flexible")), mask_PK)

    @cached_property
    def _counts_BP(self) -> Floats:
        return resample_counts(self.plan.problems, self.plan.bootstrap_seed)

    def _score_PK(self, name: str) -> Floats:
        return self._grid(self.scores[name].group_by("problem", "sample").agg(pl.col("score").mean()), "score")

    def _grid(self, frame: pl.DataFrame, column: str) -> Floats:
        order = {problem: number for number, problem in enumerate(self.problems["problem"])}
        problem = frame["problem"].replace_strict(order, return_dtype=pl.Int64).to_numpy()
        return fill_grid(problem, frame["sample"].to_numpy(), frame[column].to_numpy(), len(order))

    def _weighed(self, product: Product) -> Weighed:
        scores = {name: self._score_PK(name) for name in product.verifiers}
        alone = scores[product.verifiers[0]] if len(product.factors) == 1 else None
        return Weighed(alone, product(scores, self._samples.mask_PK))

    def _stage(self, stage: str, per_problem: int) -> pl.DataFrame:
        frame = self.folder.read_stage(stage, self.plan.parts)
        schema = SCORE_SCHEMA if stage.startswith("scores/") else RESPONSE_SCHEMA
        if frame.schema != pl.Schema(schema):
            raise CorruptPartError(
                f"the parts in {self.path / stage} hold other columns than they should; restore them, or delete that folder"
            )
        pairs = frame.select("problem", "sample").unique().height
        twice = frame.select(name for name in ("problem", "sample", "draw") if name in frame.columns).is_duplicated().any()
        if twice or pairs != self.plan.problems * per_problem or set(frame["problem"].unique()) != set(self.problems["problem"]):
            raise CorruptPartError(
                f"{self.path / stage} holds {frame.height} rows on {pairs} responses, expected {per_problem} to each of "
                f"{self.plan.problems} problems; a part was changed: delete that folder and run the same command again"
            )
        return frame

    def _row(self, product: Product, summary: Summary) -> dict[str, Any]:
        verifier, weigh = _label(product)
        unparsed = sum(int((~self.scores[name]["parsed"]).sum()) for name in set(product.verifiers))
        estimates = {quantity: value.as_json() for quantity, value in summary.estimates.items()}
        counts = {"unparsed": unparsed, "no_survivor": summary.no_survivor, "no_room": summary.no_room}
        return {"verifier": verifier, "weigh": weigh, **estimates, **counts}


def _label(product: Product) -> tuple[str, str]:
    """Who judges, and by which weight: ("mc", "quantile:0.7"), or of an ensemble ("mc&cot-score", its whole spec)."""
    if len(product.factors) == 1:
        return product.verifiers[0], product.factors[0][1].spec
    return "&".join(product.verifiers), product.spec
