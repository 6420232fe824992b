"""Inference-time sharpening (``strop sharpen``): answer with the best of N by the model's own opinion, against greedy decoding.

Everything is told of one run: accuracy and likelihood of the response chosen by each self-reward or verifier for N = 1 .. K, what that
gains over greedy decoding and over a single sample, coverage as the skyline, the log-probabilities of right and wrong responses, and how
many samples adaptive stopping would have saved ("Sharpening", sections 2 and 4, Appendix D). All differences are paired by problem.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from strop.engines import DEFAULT_MODEL, Engine
from strop.errors import UsageError
from strop.measure import Ratio, estimate_all
from strop.measure.adaptive import enough, stopping_times_P
from strop.measure.dominance import dominance, within_problem_PK
from strop.measure.gap import SHARE, Mask, accuracy, kept_accuracy_P
from strop.measure.intervals import Floats, difference
from strop.measure.lifts import accuracy_gain, accuracy_lift, likelihood_lift
from strop.measure.majority import LARGEST_K, majority_curve_PN
from strop.measure.pass_at_k import coverage
from strop.measure.rates import auroc_within
from strop.measure.selection import selection_curve_PN
from strop.run.analysis import MAJORITY, Judge, nested, sparse
from strop.run.gap import gap
from strop.run.run import Run
from strop.tasks import Task
from strop.verify import Verifier
from strop.weigh import BestOfN

SELF_REWARDS = ("logprob", "logprob-per-token", "majority")
DELTA = 0.1
DEFINITION = "accuracy of the response with the highest self-reward of N samples at temperature 1 (best-of-N; Huang et al., ICLR 2025)"
UNKNOWN = "no chosen response's value is known"
UNTRUNCATED = "the rule is for samples at temperature 1, top-p 1; these were drawn at {}, {}"
NATS = (-np.inf, 0.0)
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)

Values = dict[tuple[str, ...], Ratio]


def sharpen(
    model: str | Engine = DEFAULT_MODEL,
    task: str | Task = "arithmetic",
    *,
    verifiers: Sequence[str | Verifier] = SELF_REWARDS,
    delta: float = DELTA,
    adaptive: bool = False,
    **options: Any,
) -> Sharpening:
    """Sample at temperature 1, choose by each verifier, and compare with greedy decoding. ``options`` are those of ``strop.gap``.

    ``adaptive``: stop drawing for a problem when its likeliest response is likely enough; then only the likeliest is chosen, and curves
    over N have no meaning. Without it, the same samples tell what stopping would have saved.
    """
    enough_of(delta)
    asked = (() if verifiers == SELF_REWARDS else verifiers) if adaptive else verifiers
    plan = {"temperature": 1.0, "top_p": 1.0} | options | ({"adaptive": delta} if adaptive else {})
    if asked and adaptive:
        raise UsageError(
            "--adaptive chooses the likeliest response; ask other verifiers without it"
        )
    found = Sharpening(gap(model, task, verifiers=asked, **plan), delta)
    found.run.folder.write_json("sharpening.json", found.document)
    return found


@dataclass(frozen=True)
class Sharpening:
    """What a run says of sharpening. ``delta``: the chance of missing that adaptive stopping allows (mu = ln(2 / delta))."""

    run: Run
    delta: float = DELTA

    def __post_init__(self) -> None:
        enough_of(self.delta)

    @cached_property
    def document(self) -> dict[str, Any]:
        """As JSON. Curves hold N = 1, 2, 4, .. K; ``late_gain`` is K against half as many."""
        ratios: Values = {} if self.is_adaptive else dict(self._curves())
        drawn = (self.run.plan.temperature, self.run.plan.top_p)
        if drawn == (1, 1):
            ratios |= {("adaptive", *path): ratio for path, ratio in self._adaptive()}
        estimates = nested(
            estimate_all(ratios, self.run.counts_BP, group_P=self.run.evidence.group_P)
        )
        told = (
            {"delta": self.delta, "mu": enough(self.delta)}
            if drawn == (1, 1)
            else {"why": UNTRUNCATED.format(*drawn)}
        )
        estimates["adaptive"] = estimates.get("adaptive", {}) | told
        if not self.is_adaptive:
            for found in estimates["selection"].values():
                found |= self._falls(found)
            estimates["log_probabilities"] = self._log_probabilities()
        return (
            self._head()
            | estimates
            | {
                "definitions": {_kind(path): ratio.definition for path, ratio in ratios.items()},
                "usage": self.run.usage.as_json(),
                "run": str(self.run.path),
            }
        )

    def _repr_html_(self) -> str:
        """In a notebook: the answer, the gains, the curves."""
        from strop.report.notebook import story_html

        return story_html("sharpen", self.document)

    @property
    def is_adaptive(self) -> bool:
        """Whether problems have as many samples as adaptive stopping gave them; curves over N mean nothing then."""
        return bool(self.run.record["design"] == "adaptive")

    def _head(self) -> dict[str, Any]:
        plan = self.run.plan
        model = {
            "model": plan.model,
            "verifier_model": self.run.record["verifier_model"],
            "task": plan.task.label,
        }
        drawn = {
            "problems": plan.problems,
            "samples": plan.samples,
            "temperature": plan.temperature,
            "top_p": plan.top_p,
        }
        told = {
            "truncated": self.run.truncated,
            "notes": self.run.notes,
            "greedy": self.run.accuracies["greedy"].as_json(),
        }
        return {
            "definition": DEFINITION,
            **model,
            **drawn,
            "design": self.run.record["design"],
            **told,
        }

    def _curves(self) -> Iterator[tuple[tuple[str, ...], Ratio]]:
        samples = self.run.evidence.samples
        yield ("accuracy",), accuracy(samples.utility_PK, samples.mask_PK)
        yield ("coverage",), coverage(samples.utility_PK, samples.mask_PK)
        for name, judge in self.run.evidence.judges.items():
            yield from (
                (("selection", name, *path), ratio) for path, ratio in self._selection(name, judge)
            )

    def _selection(self, name: str, judge: Judge) -> Iterator[tuple[tuple[str, ...], Ratio]]:
        """Curves over N, and comparisons at K. What depends on all K responses, a tournament, has a value at K alone."""
        evidence, samples = self.run.evidence, self.run.evidence.samples
        accuracy_PN = self.accuracy_PN(name)
        sizes = sparse(accuracy_PN.shape[1]) if accuracy_PN.shape[1] > 1 else [1]
        at = {
            n: _mean(accuracy_PN[:, n - 1], "share of problems whose chosen response is right")
            for n in sizes
        }
        largest = int(samples.mask_PK.sum(axis=1).min())
        single = accuracy(samples.utility_PK, samples.mask_PK)
        yield from (
            (("accuracy", str(n if accuracy_PN.shape[1] > 1 else largest)), ratio)
            for n, ratio in at.items()
        )
        chosen_P = accuracy_PN[:, -1]
        yield ("gain_over_greedy",), accuracy_gain(chosen_P, evidence.greedy_P)
        yield ("lift_over_greedy",), accuracy_lift(chosen_P, evidence.greedy_P)
        yield (
            ("gain_over_sampling",),
            difference(
                _mean(chosen_P, ""), single, "accuracy of the chosen of K minus that of one sample"
            ),
        )
        if len(sizes) > 1:
            late = difference(
                at[sizes[-1]],
                at[sizes[-2]],
                f"accuracy of the chosen of {sizes[-1]} minus that of {sizes[-2]}",
            )
            yield ("late_gain",), late
        yield ("auroc",), auroc_within(judge.score_PK, samples.utility_PK, samples.mask_PK)
        if judge.pointwise:
            nats_PN = selection_curve_PN(judge.score_PK, evidence.logprob_PK, samples.mask_PK)
            yield from (
                (
                    ("log_likelihood", str(n)),
                    _mean(nats_PN[:, n - 1], "log-likelihood of the chosen (nats)", NATS),
                )
                for n in sizes
            )
            yield ("likelihood_lift",), likelihood_lift(nats_PN[:, -1], evidence.greedy_logprob_P)
            tokens_PN = selection_curve_PN(judge.score_PK, self._tokens_PK, samples.mask_PK)
            extra = "tokens of the chosen response minus the mean of its problem's"
            yield (
                ("extra_tokens",),
                _mean(tokens_PN[:, -1] - tokens_PN[:, 0], extra, (-np.inf, np.inf)),
            )

    def accuracy_PN(self, name: str) -> Floats:
        """Expected rightness of the response that the verifier chooses of N, for N = 1 .. K; of all K alone, where scores depend on all."""
        evidence, samples = self.run.evidence, self.run.evidence.samples
        judge = evidence.judges[name]
        if name == MAJORITY and samples.mask_PK.sum(axis=1).max() <= LARGEST_K:
            return majority_curve_PN(evidence.answer_PK, samples.utility_PK, samples.mask_PK)
        if judge.pointwise:
            return selection_curve_PN(judge.score_PK, samples.utility_PK, samples.mask_PK)
        return kept_accuracy_P(samples.utility_PK, evidence.weights[name], samples.mask_PK)[:, None]

    @cached_property
    def _tokens_PK(self) -> Floats:
        return self.run.of_responses("tokens")

    def _adaptive(self) -> Iterator[tuple[tuple[str, ...], Ratio]]:
        """What stopping at k max pi >= mu would have drawn of these samples, and how right its likeliest response is."""
        evidence, mask_PK = self.run.evidence, self.run.evidence.samples.mask_PK
        count_P, reached_P = stopping_times_P(evidence.logprob_PK, mask_PK, enough(self.delta))
        yield (
            ("samples",),
            _mean(count_P.astype(float), "samples drawn for a problem", (1, mask_PK.shape[1])),
        )
        yield (
            ("reached",),
            _mean(
                reached_P.astype(float),
                "share of problems where k max pi reached mu within the K samples",
            ),
        )
        yield (
            ("saved",),
            _mean(
                1 - count_P / (self.run.plan.samples if self.is_adaptive else mask_PK.sum(axis=1)),
                "share of the K samples that need not have been drawn",
            ),
        )
        drawn_PK = mask_PK & (np.arange(mask_PK.shape[1]) < count_P[:, None])
        chosen_P, best_P = (self._likeliest_P(drawn) for drawn in (drawn_PK, mask_PK))
        yield (
            ("accuracy",),
            _mean(
                chosen_P, "share of problems whose likeliest response at the stopping time is right"
            ),
        )
        yield ("gain_over_greedy",), accuracy_gain(chosen_P, evidence.greedy_P)
        yield (
            ("against_all",),
            _mean(
                chosen_P - best_P,
                "accuracy of the likeliest at the stopping time minus that of all K",
                (-1, 1),
            ),
        )

    def _likeliest_P(self, mask_PK: Mask) -> Floats:
        """Utility of the likeliest response, ties shared; NaN where no log-probability is known."""
        weight_PK = BestOfN(None)(np.where(mask_PK, self.run.evidence.logprob_PK, np.nan), mask_PK)
        utility_P = kept_accuracy_P(self.run.evidence.samples.utility_PK, weight_PK, mask_PK)
        return np.where(
            (mask_PK & np.isfinite(self.run.evidence.logprob_PK)).any(axis=1), utility_P, np.nan
        )

    def _falls(self, found: dict[str, Any]) -> dict[str, Any]:
        """Does accuracy fall with N, and what goes with it?"""
        below = {
            key: found[key]
            for key in ("gain_over_sampling", "late_gain")
            if _beyond(found.get(key), -1)
        }
        if not below:
            return {"falls": False, "why": []}
        shorter = found.get("extra_tokens")
        reasons = []
        if shorter and _beyond(shorter, -1):
            reasons.append(
                f"short responses win: the chosen one is {-shorter['value']:.1f} tokens shorter than its problem's mean"
            )
        auroc = found.get("auroc")
        if auroc and auroc.get("high") is not None and auroc["high"] < 0.5:
            reasons.append(
                f"wrong responses score higher than right ones to the same problem (AUROC {auroc['value']:.2f}): a weak model"
            )
        share = self.run.truncated / self.run.responses.height
        if share > 0.01:
            reasons.append(
                f"{share:.0%} of the responses were truncated and cannot be chosen by log-probability"
            )
        return {
            "falls": True,
            "why": reasons or ["no reason found in length, ranking or truncation"],
        }

    def _log_probabilities(self) -> dict[str, Any]:
        """Of right and of wrong responses: quantiles (nats), and whether one kind dominates, pooled and within each problem."""
        evidence, samples = self.run.evidence, self.run.evidence.samples
        document: dict[str, Any] = {"unit": "nats"}
        for kind, of_PK in (("right", samples.utility_PK == 1), ("wrong", samples.utility_PK != 1)):
            values = evidence.logprob_PK[samples.mask_PK & of_PK & np.isfinite(evidence.logprob_PK)]
            levels = (
                {f"{q:g}": float(np.quantile(values, q)) for q in QUANTILES}
                if len(values)
                else None
            )
            document[kind] = {"responses": len(values), "quantiles": levels}
        within_PK = within_problem_PK(evidence.logprob_PK, samples.mask_PK)
        for name, value_PK in (("pooled", evidence.logprob_PK), ("within_problem", within_PK)):
            document[name] = asdict(
                dominance(value_PK, samples.utility_PK, samples.mask_PK, self.run.counts_BP)
            )
        return document


def enough_of(delta: float) -> float:
    """mu, for a user's delta. UsageError for one that is no chance."""
    try:
        return enough(delta)
    except ValueError as error:
        raise UsageError(f"--delta: {error}") from None


def _kind(path: tuple[str, ...]) -> str:
    """("selection", "majority", "accuracy", "4") is filed under "selection accuracy"."""
    return f"{path[0]} {path[2]}" if path[0] == "selection" else " ".join(path)


def _mean(value_P: Floats, definition: str, bounds: tuple[float, float] = SHARE) -> Ratio:
    """Over the problems where the value is known."""
    known_P = np.isfinite(value_P)
    return Ratio(
        np.where(known_P, value_P, 0.0),
        known_P.astype(float),
        f"{definition}, mean over problems",
        UNKNOWN,
        bounds,
    )


def _beyond(estimate: dict[str, Any] | None, sign: int) -> bool:
    """Does the interval lie wholly on this side of zero?"""
    if not estimate or estimate.get("low") is None:
        return False
    return bool(estimate["high"] < 0 if sign < 0 else estimate["low"] > 0)
