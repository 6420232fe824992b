"""Estimate a run's accuracies and gaps.

(utility, weights) --measure--> estimates
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import polars as pl

from strop.errors import UsageError
from strop.measure import Summary, Weighed, accuracy, estimate_all, summarise, undefined_summary
from strop.measure.gap import SHARE, mean_over_problems
from strop.records import Estimate
from strop.run.arrays import RunArrays
from strop.run.stored import StoredRun
from strop.weigh import Product, Weight, parse_product, parse_weight

ESTIMATE_SCHEMA: dict[str, type[pl.DataType]] = {
    "verifier": pl.String,
    "weigh": pl.String,
    "quantity": pl.String,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "n": pl.Int64,
    "why": pl.String,
    "definition": pl.String,
}


@dataclass(frozen=True)
class RunEstimates:
    """The estimates of one run. Without ``weights`` each verifier has its default weight."""

    stored: StoredRun
    arrays: RunArrays
    weights: tuple[str, ...]

    @cached_property
    def accuracies(self) -> dict[str, Estimate]:
        """Strict accuracy, flexible accuracy and greedy accuracy."""
        samples = self.arrays.samples
        greedy = mean_over_problems(
            self.arrays.greedy_utility_P,
            "share of problems whose greedy response is right",
            SHARE,
        )
        ratios = {
            "accuracy": accuracy(samples.utility_PK, samples.mask_PK),
            "accuracy_flexible": accuracy(samples.flexible_PK, samples.mask_PK),
            "greedy": replace(greedy, why="greedy responses were not imported"),
        }
        return estimate_all(ratios, self.arrays.counts_BP, group_P=self.arrays.group_P)

    @cached_property
    def weighings(self) -> list[Product]:
        """Every verifier under each plain weight (or its default), then every ensemble."""
        plain = [parse_weight(spec) for spec in self.weights if "@" not in spec]
        ensembles = [parse_product(spec) for spec in self.weights if "@" in spec]
        self._check_verifiers(ensembles)
        self._check_responses(plain, ensembles)
        if ensembles and not plain:
            return ensembles
        single = [
            Product(((name, weight),))
            for name in self.stored.verifiers
            for weight in plain or [self.stored.default_weight(name)]
        ]
        return single + ensembles

    def _check_verifiers(self, ensembles: list[Product]) -> None:
        for product in ensembles:
            for verifier in product.verifiers:
                if verifier not in self.stored.verifiers:
                    known = ", ".join(self.stored.verifiers)
                    raise UsageError(
                        f"{self.stored.path} has no scores of {verifier!r}; there are {known}"
                    )

    def _check_responses(self, plain: list[Weight], ensembles: list[Product]) -> None:
        """Raise UsageError for a weight that needs more responses than some problem has."""
        fewest = int(self.arrays.samples.mask_PK.sum(axis=1).min())
        in_ensembles = [weight for product in ensembles for _, weight in product.factors]
        for weight in plain + in_ensembles:
            if weight.least_responses > fewest:
                raise UsageError(
                    f"{weight.spec}: the problem with the fewest responses has {fewest}; "
                    f"{weight.advice(fewest)}"
                )

    @cached_property
    def summaries(self) -> list[tuple[Product, Summary]]:
        """The estimates of every weighing, with its verifiers and weights."""
        reasons = {product: self._why_undefined(product) for product in self.weighings}
        weighed = {
            product.spec: self._weighed(product)
            for product, reason in reasons.items()
            if reason is None
        }
        summaries = summarise(
            self.arrays.samples, weighed, self.arrays.counts_BP, self.arrays.group_P
        )
        return [
            (product, summaries.get(product.spec) or undefined_summary(str(reasons[product])))
            for product in self.weighings
        ]

    def _weighed(self, product: Product) -> Weighed:
        scores = {name: self.arrays.score_PK[name] for name in product.verifiers}
        single_score_PK = scores[product.verifiers[0]] if len(product.factors) == 1 else None
        return Weighed(single_score_PK, product(scores, self.arrays.samples.mask_PK))

    def _why_undefined(self, product: Product) -> str | None:
        """Return the reason why a weighing has no meaning, or None.

        If scores depend on all K responses, fewer responses alone would have other scores. A
        weight that speaks of fewer, as best-of-n does, cannot be computed from them.
        """
        for name, weight in product.factors:
            pointwise = self.stored.verifiers[name].get("pointwise", True)
            if weight.pointwise_reason and not pointwise:
                return (
                    f"the scores of {name} depend on all of a problem's responses; "
                    f"{weight.pointwise_reason}"
                )
        return None

    def frame(self) -> pl.DataFrame:
        """Return one row per verifier, weight and quantity."""
        rows = [("", "", quantity, value) for quantity, value in self.accuracies.items()]
        for product, summary in self.summaries:
            verifier, weigh = labels_of(product)
            rows += [
                (verifier, weigh, quantity, value) for quantity, value in summary.estimates.items()
            ]
        values = [
            (verifier, weigh, quantity, e.value, e.low, e.high, e.n, e.why, e.definition)
            for verifier, weigh, quantity, e in rows
        ]
        return pl.DataFrame(values, schema=ESTIMATE_SCHEMA, orient="row")


def labels_of(product: Product) -> tuple[str, str]:
    """Return verifier and weight: ("mc", "quantile:0.7"). An ensemble's weight is its spec."""
    if len(product.factors) == 1:
        return product.verifiers[0], product.factors[0][1].spec
    return "&".join(product.verifiers), product.spec
