"""Sharpen at inference time (``strop sharpen``): answer with the best of N by a self-reward.

Each self-reward or verifier chooses one of N responses, for N = 1 .. K. The document holds the
accuracy and likelihood of the chosen response, its gain over greedy decoding and over a single
sample, coverage as the skyline, the log-probabilities of right and wrong responses, and the samples
that adaptive stopping would have saved ("Sharpening", sections 2 and 4, Appendix D). All
differences are paired by problem.

Axes: P problems, K responses, N responses to choose among.
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
from strop.measure.adaptive import mu_for, stopping_times_P
from strop.measure.dominance import dominance, within_problem_PK
from strop.measure.gap import SHARE, Mask, accuracy, kept_accuracy_P
from strop.measure.intervals import Floats, difference
from strop.measure.lifts import accuracy_gain, accuracy_lift, likelihood_lift
from strop.measure.majority import LARGEST_K, majority_curve_PN
from strop.measure.pass_at_k import coverage
from strop.measure.rates import auroc_within
from strop.measure.selection import selection_curve_PN
from strop.records import interval_sign
from strop.run.analysis import MAJORITY, nested, sparse
from strop.run.evidence import Judge
from strop.run.gap import gap
from strop.run.run import Run
from strop.tasks import Task
from strop.verify import Verifier
from strop.weigh import BestOfN

SELF_REWARDS = ("logprob", "logprob-per-token", "majority")
DELTA = 0.1
DEFINITION = (
    "accuracy of the response with the highest self-reward of N samples at temperature 1 "
    "(best-of-N; Huang et al., ICLR 2025)"
)
UNKNOWN = "no chosen response's value is known"
UNTRUNCATED = "the rule is for samples at temperature 1, top-p 1; these were drawn at {}, {}"
NATS = (-np.inf, 0.0)
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
NOTABLE_TRUNCATION = 0.01
"""A larger share of truncated responses is given as a reason for falling accuracy."""

Path = tuple[str, ...]


def sharpen(
    model: str | Engine = DEFAULT_MODEL,
    task: str | Task = "arithmetic",
    *,
    verifiers: Sequence[str | Verifier] = SELF_REWARDS,
    delta: float = DELTA,
    adaptive: bool = False,
    **options: Any,
) -> Sharpening:
    """Sample at temperature 1, choose by each verifier, and compare with greedy decoding.

    ``options`` are those of ``strop.gap``. ``adaptive``: stop drawing for a problem when its
    likeliest response is likely mu_for. Then only the likeliest response is chosen, and there are
    no curves over N. Without it, the document says what stopping would have saved.
    """
    enough_of(delta)
    plan = {"temperature": 1.0, "top_p": 1.0} | options
    if adaptive:
        if verifiers and verifiers != SELF_REWARDS:
            raise UsageError(
                "--adaptive chooses the likeliest response; ask other verifiers without it"
            )
        verifiers = ()
        plan["adaptive"] = delta
    sharpening = Sharpening(gap(model, task, verifiers=verifiers, **plan), delta)
    sharpening.run.folder.write_json("sharpening.json", sharpening.document)
    return sharpening


@dataclass(frozen=True)
class Sharpening:
    """Best-of-N selection in one run.

    ``delta``: the probability of a miss that adaptive stopping allows (mu = ln(2 / delta)).
    """

    run: Run
    delta: float = DELTA

    def __post_init__(self) -> None:
        enough_of(self.delta)

    @property
    def is_adaptive(self) -> bool:
        """True if adaptive stopping chose each problem's number of samples; it leaves no curves."""
        return bool(self.run.record["design"] == "adaptive")

    # --- the document ---

    @cached_property
    def document(self) -> dict[str, Any]:
        """The document as JSON. Curves hold N = 1, 2, 4, .. K; ``late_gain`` is K against K / 2."""
        ratios: dict[Path, Ratio] = {}
        if not self.is_adaptive:
            ratios |= dict(self._curves())
        drawn_at = (self.run.plan.temperature, self.run.plan.top_p)
        stopping: dict[str, Any] = {"why": UNTRUNCATED.format(*drawn_at)}
        if drawn_at == (1, 1):
            ratios |= {("adaptive", *path): ratio for path, ratio in self._adaptive()}
            stopping = {"delta": self.delta, "mu": mu_for(self.delta)}

        group_P = self.run.evidence.group_P
        estimates = nested(estimate_all(ratios, self.run.counts_BP, group_P=group_P))
        estimates["adaptive"] = estimates.get("adaptive", {}) | stopping
        if not self.is_adaptive:
            for selection in estimates["selection"].values():
                selection |= self._falls(selection)
            estimates["log_probabilities"] = self._log_probabilities()
        return {
            **self._head(),
            **estimates,
            "definitions": {_kind(path): ratio.definition for path, ratio in ratios.items()},
            "usage": self.run.usage.as_json(),
            "run": str(self.run.path),
        }

    def _head(self) -> dict[str, Any]:
        plan = self.run.plan
        return {
            "definition": DEFINITION,
            "model": plan.model,
            "verifier_model": self.run.record["verifier_model"],
            "task": plan.task.label,
            "problems": plan.problems,
            "samples": plan.samples,
            "temperature": plan.temperature,
            "top_p": plan.top_p,
            "design": self.run.record["design"],
            "truncated": self.run.truncated,
            "notes": self.run.notes,
            "greedy": self.run.accuracies["greedy"].as_json(),
        }

    def _repr_html_(self) -> str:
        """Return the answer, the gains and the curves, for a notebook."""
        from strop.report.notebook import result_html

        return result_html("sharpen", self.document)

    # --- curves over N ---

    def _curves(self) -> Iterator[tuple[Path, Ratio]]:
        samples = self.run.evidence.samples
        yield ("accuracy",), accuracy(samples.utility_PK, samples.mask_PK)
        yield ("coverage",), coverage(samples.utility_PK, samples.mask_PK)
        for name, judge in self.run.evidence.judges.items():
            for path, ratio in self._selection(name, judge):
                yield ("selection", name, *path), ratio

    def _selection(self, name: str, judge: Judge) -> Iterator[tuple[Path, Ratio]]:
        """Yield the accuracy over N, the comparisons at K, and the chosen response's likelihood.

        Scores that depend on all K responses, as a tournament's, give a value at K alone.
        """
        evidence, samples = self.run.evidence, self.run.evidence.samples
        accuracy_PN = self.accuracy_PN(name)
        has_curve = accuracy_PN.shape[1] > 1
        sizes = sparse(accuracy_PN.shape[1]) if has_curve else [1]
        means = {
            n: _mean(accuracy_PN[:, n - 1], "share of problems whose chosen response is right")
            for n in sizes
        }
        if has_curve:
            for n in sizes:
                yield ("accuracy", str(n)), means[n]
        else:
            largest = int(samples.mask_PK.sum(axis=1).min())
            yield ("accuracy", str(largest)), means[1]

        yield from self._gains(accuracy_PN[:, -1])
        if len(sizes) > 1:
            half, whole = sizes[-2:]
            definition = f"accuracy of the chosen of {whole} minus that of {half}"
            yield ("late_gain",), difference(means[whole], means[half], definition)
        yield ("auroc",), auroc_within(judge.score_PK, samples.utility_PK, samples.mask_PK)
        if not judge.pointwise:
            return
        nats_PN = selection_curve_PN(judge.score_PK, evidence.logprob_PK, samples.mask_PK)
        for n in sizes:
            mean = _mean(nats_PN[:, n - 1], "log-likelihood of the chosen (nats)", NATS)
            yield ("log_likelihood", str(n)), mean
        yield ("likelihood_lift",), likelihood_lift(nats_PN[:, -1], evidence.greedy_logprob_P)
        tokens_PN = selection_curve_PN(judge.score_PK, self._tokens_PK, samples.mask_PK)
        extra_tokens = _mean(
            tokens_PN[:, -1] - tokens_PN[:, 0],  # the chosen of one is the mean response
            "tokens of the chosen response minus the mean of its problem's",
            (-np.inf, np.inf),
        )
        yield ("extra_tokens",), extra_tokens

    def _gains(self, chosen_P: Floats) -> Iterator[tuple[Path, Ratio]]:
        """Yield the gains of the chosen of K over greedy decoding and over a single sample."""
        samples, greedy_P = self.run.evidence.samples, self.run.evidence.greedy_P
        yield ("gain_over_greedy",), accuracy_gain(chosen_P, greedy_P)
        yield ("lift_over_greedy",), accuracy_lift(chosen_P, greedy_P)
        single = accuracy(samples.utility_PK, samples.mask_PK)
        definition = "accuracy of the chosen of K minus that of one sample"
        yield ("gain_over_sampling",), difference(_mean(chosen_P, ""), single, definition)

    def accuracy_PN(self, name: str) -> Floats:
        """Return the expected utility of the response that a verifier chooses of N, N = 1 .. K.

        Scores that depend on all K responses give one column: the choice of all K.
        """
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

    # --- adaptive stopping ---

    def _adaptive(self) -> Iterator[tuple[Path, Ratio]]:
        """Yield the samples that stopping at k max pi >= mu takes, and its response's accuracy."""
        evidence, mask_PK = self.run.evidence, self.run.evidence.samples.mask_PK
        count_P, reached_P = stopping_times_P(evidence.logprob_PK, mask_PK, mu_for(self.delta))
        largest = mask_PK.shape[1]
        drawn_PK = mask_PK & (np.arange(largest) < count_P[:, None])
        available_P = self.run.plan.samples if self.is_adaptive else mask_PK.sum(axis=1)
        chosen_P = self._likeliest_P(drawn_PK)
        likeliest_P = self._likeliest_P(mask_PK)
        yield (
            ("samples",),
            _mean(count_P.astype(float), "samples drawn for a problem", (1, largest)),
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
                1 - count_P / available_P, "share of the K samples that need not have been drawn"
            ),
        )
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
                chosen_P - likeliest_P,
                "accuracy of the likeliest at the stopping time minus that of all K",
                (-1, 1),
            ),
        )

    def _likeliest_P(self, mask_PK: Mask) -> Floats:
        """Return the utility of the likeliest response, averaged over ties.

        It is NaN for a problem without any known log-probability.
        """
        logprob_PK = self.run.evidence.logprob_PK
        weight_PK = BestOfN(None)(np.where(mask_PK, logprob_PK, np.nan), mask_PK)
        utility_P = kept_accuracy_P(self.run.evidence.samples.utility_PK, weight_PK, mask_PK)
        has_known_P = (mask_PK & np.isfinite(logprob_PK)).any(axis=1)
        return np.where(has_known_P, utility_P, np.nan)

    # --- explanations ---

    def _falls(self, selection: dict[str, Any]) -> dict[str, Any]:
        """Return whether accuracy falls as N grows, and possible reasons."""
        falls = _sign(selection, "gain_over_sampling") < 0 or _sign(selection, "late_gain") < 0
        if not falls:
            return {"falls": False, "why": []}
        reasons = []
        if _sign(selection, "extra_tokens") < 0:
            fewer = -selection["extra_tokens"]["value"]
            reasons.append(
                f"short responses win: the chosen one is {fewer:.1f} tokens shorter than its "
                "problem's mean"
            )
        auroc = selection.get("auroc")
        if auroc and auroc.get("high") is not None and auroc["high"] < 0.5:
            reasons.append(
                "wrong responses score higher than right ones to the same problem "
                f"(AUROC {auroc['value']:.2f}): a weak model"
            )
        truncated = self.run.truncated / self.run.responses.height
        if truncated > NOTABLE_TRUNCATION:
            reasons.append(
                f"{truncated:.0%} of the responses were truncated and cannot be chosen by "
                "log-probability"
            )
        if not reasons:
            reasons.append("no reason found in length, ranking or truncation")
        return {"falls": True, "why": reasons}

    def _log_probabilities(self) -> dict[str, Any]:
        """Return the log-probabilities of right and wrong responses, and whether one dominates.

        Dominance is tested over all responses (pooled), and within each problem.
        """
        evidence, samples = self.run.evidence, self.run.evidence.samples
        logprob_PK = evidence.logprob_PK
        is_right_PK = samples.utility_PK == 1
        known_PK = samples.mask_PK & np.isfinite(logprob_PK)
        pooled = dominance(logprob_PK, samples.utility_PK, samples.mask_PK, self.run.counts_BP)
        within_PK = within_problem_PK(logprob_PK, samples.mask_PK)
        within = dominance(within_PK, samples.utility_PK, samples.mask_PK, self.run.counts_BP)
        return {
            "unit": "nats",
            "right": _quantiles(logprob_PK[known_PK & is_right_PK]),
            "wrong": _quantiles(logprob_PK[known_PK & ~is_right_PK]),
            "pooled": asdict(pooled),
            "within_problem": asdict(within),
        }


def enough_of(delta: float) -> float:
    """Return mu for a user's delta. UsageError for a delta that is not between 0 and 1."""
    try:
        return mu_for(delta)
    except ValueError as error:
        raise UsageError(f"--delta: {error}") from None


def _kind(path: Path) -> str:
    """Return the key of a path's definition: "selection accuracy" for a point of any curve."""
    return f"{path[0]} {path[2]}" if path[0] == "selection" else " ".join(path)


def _mean(value_P: Floats, definition: str, bounds: tuple[float, float] = SHARE) -> Ratio:
    """Return the mean over the problems whose value is known."""
    known_P = np.isfinite(value_P)
    return Ratio(
        np.where(known_P, value_P, 0.0),
        known_P.astype(float),
        f"{definition}, mean over problems",
        UNKNOWN,
        bounds,
    )


def _sign(selection: dict[str, Any], quantity: str) -> int:
    """Return which side of zero an estimate's interval lies on; 0 where there is none."""
    estimate = selection.get(quantity, {})
    return interval_sign(estimate.get("low"), estimate.get("high"))


def _quantiles(values: Floats) -> dict[str, Any]:
    levels = None
    if len(values):
        levels = {f"{level:g}": float(np.quantile(values, level)) for level in QUANTILES}
    return {"responses": len(values), "quantiles": levels}
