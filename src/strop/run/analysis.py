"""Everything else that stored samples and scores can tell, beside the gap: what ``estimates.json`` holds under ``analysis``.

Arrays in, a nested dictionary of estimates out. Each function below yields (path, ratio) pairs; all ratios together get their intervals
from the same resamples, so that any two numbers of a run are paired. No engine is touched, and no reference is seen but through utilities.

Axes: P problems, K responses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strop.measure import Ratio, Samples, estimate_all, gap, kept_accuracy, relative_gap
from strop.measure.calibration import NOT_PROBABILITIES, calibration
from strop.measure.correlation import correlations
from strop.measure.crossfit import balanced_folds, crossfit
from strop.measure.diagnosis import improvable, informative
from strop.measure.diversity import (
    answer_entropy,
    distinct_answer_share,
    distinct_answers,
    distinct_ngrams,
    self_similarity,
)
from strop.measure.forecast import forecast, forecast_selection
from strop.measure.gap import accuracy_P, has_survivor_P, kept_share, mean_over_problems
from strop.measure.gap_at_infinity import limit_gap
from strop.measure.intervals import Floats, Groups, undefined
from strop.measure.lifts import accuracy_gain, accuracy_lift, likelihood_lift
from strop.measure.majority import LARGEST_K, majority_curve
from strop.measure.pass_at_k import pass_at_k
from strop.measure.selection import likelihood_curve, selection_curve
from strop.records import Estimate
from strop.weigh import Product, Quantile, Survivors, Threshold, Weight

Path = tuple[str, ...]
MOST_TOKENS = 3_000_000
"""n-grams are counted up to this many tokens in all."""
FEW_LEVELS = 12
FOLDS = 5
MAJORITY = "majority"


@dataclass(frozen=True)
class Judge:
    """One verifier's stored scores, and what it says of them: ``verify.base.Verifier`` has the meaning of each."""

    score_PK: Floats
    weight: Weight
    pointwise: bool
    sees_references: bool
    probability: bool
    control: bool = False


@dataclass(frozen=True)
class Evidence:
    """What was sampled and judged. ``answer_PK`` numbers the answers, -1 for none; NaN and None stand for what is unknown.

    ``questions`` tells which problems are copies of one another; ``seed`` deals the folds.
    """

    samples: Samples
    judges: Mapping[str, Judge]
    answer_PK: NDArray[np.int64]
    logprob_PK: Floats
    greedy_P: Floats
    greedy_logprob_P: Floats
    token_ids: Sequence[Sequence[Sequence[int]]] | None
    questions: Sequence[str]
    seed: int

    @cached_property
    def group_P(self) -> Groups | None:
        """The question of each problem as a number, None where all are different: copies are resampled together."""
        return groups_of(self.questions)

    @cached_property
    def weights(self) -> dict[str, Floats]:
        """Each verifier's default weights (P, K)."""
        return {
            name: judge.weight(judge.score_PK, self.samples.mask_PK)
            for name, judge in self.judges.items()
        }

    def weigh(self, product: Product) -> Floats:
        """Weights (P, K) of the responses, from the scores of the product's verifiers."""
        return product(
            {name: self.judges[name].score_PK for name in product.verifiers}, self.samples.mask_PK
        )

    @cached_property
    def folds_P(self) -> NDArray[np.int64]:
        """The fold of each problem, wherever a choice is judged on problems that had no part in it."""
        return balanced_folds(len(self.samples.mask_PK), FOLDS, self.seed, np.array(self.questions))

    @cached_property
    def swept(self) -> dict[str, dict[str, tuple[Ratio, Ratio]]]:
        """Gap and kept share of every verifier under every weight worth trying, its default among them."""
        return {name: dict(self._sweep(judge)) for name, judge in self.judges.items()}

    def _sweep(self, judge: Judge) -> Iterator[tuple[str, tuple[Ratio, Ratio]]]:
        for weight in (judge.weight, *sweep_weights(judge)):
            weight_PK = weight(judge.score_PK, self.samples.mask_PK)
            yield (
                weight.spec,
                (
                    gap(self.samples.utility_PK, weight_PK, self.samples.mask_PK),
                    kept_share(weight_PK, self.samples.mask_PK),
                ),
            )

    @property
    def blind(self) -> dict[str, Judge]:
        """The verifiers that see no reference and are no control: only these are compared, combined and chosen among."""
        return {
            name: judge
            for name, judge in self.judges.items()
            if not (judge.sees_references or judge.control)
        }


def analyse(evidence: Evidence, counts_BP: Floats) -> dict[str, Any]:
    """All estimates, nested by their paths, and what is no ratio beside them."""
    ratios: dict[Path, Ratio] = {}
    for part in (_diagnosis, _pass_at_k, _diversity, _limits, _sweeps, _selection, _ensembles):
        ratios |= dict(part(evidence))
    estimates = estimate_all(ratios, counts_BP, group_P=evidence.group_P)
    return nested(estimates) | {
        "definitions": {kind_of(path): value.definition for path, value in estimates.items()},
        "forecast": _forecasts(evidence, estimates),
        "choice": choice(evidence, counts_BP),
        "correlations": _correlations(evidence, counts_BP),
        "calibration": {
            name: _calibration(judge, evidence, counts_BP) for name, judge in evidence.blind.items()
        },
    }


def groups_of(questions: Sequence[str]) -> Groups | None:
    """0, 1, ... for each different question in their order; None where no question occurs twice."""
    number = {question: place for place, question in enumerate(dict.fromkeys(questions))}
    return (
        np.array([number[question] for question in questions])
        if len(number) < len(questions)
        else None
    )


def kind_of(path: Path) -> str:
    """What a path's definition is filed under: ("sweeps", "mc", "quantile:0.7", "gap") under "sweeps gap", curves under their name."""
    return (
        path[0]
        if len(path) == 1 or path[-1].isdigit() or path[0] == "gap_inf"
        else f"{path[0]} {path[-1]}"
    )


def nested(estimates: Mapping[Path, Estimate]) -> dict[str, Any]:
    """{("a", "b"): estimate} as {"a": {"b": {...}}}."""
    document: dict[str, Any] = {}
    for path, value in estimates.items():
        place = document
        for name in path[:-1]:
            place = place.setdefault(name, {})
        place[path[-1]] = value.as_json()
    return document


def _diagnosis(evidence: Evidence) -> Iterator[tuple[Path, Ratio]]:
    """The first two conditions for a round to help; the third, the update, is known only after training."""
    samples = evidence.samples
    for name, ratio in improvable(samples.utility_PK, samples.mask_PK).items():
        yield ("diagnosis", name), ratio
    for verifier, weight_PK in evidence.weights.items():
        for name, ratio in informative(samples.utility_PK, weight_PK, samples.mask_PK).items():
            yield ("diagnosis", "verifiers", verifier, name), ratio


def _pass_at_k(evidence: Evidence) -> Iterator[tuple[Path, Ratio]]:
    for k, ratio in enumerate(
        pass_at_k(evidence.samples.utility_PK, evidence.samples.mask_PK), start=1
    ):
        yield ("pass_at_k", str(k)), ratio


def _diversity(evidence: Evidence) -> Iterator[tuple[Path, Ratio]]:
    answers = (evidence.answer_PK, evidence.samples.mask_PK)
    yield ("diversity", "distinct_answers"), distinct_answers(*answers)
    yield ("diversity", "distinct_answer_share"), distinct_answer_share(*answers)
    yield ("diversity", "answer_entropy"), answer_entropy(*answers)
    yield ("diversity", "answer_entropy_miller_madow"), answer_entropy(*answers, miller_madow=True)
    tokens = (
        None
        if evidence.token_ids is None
        else sum(len(ids) for responses in evidence.token_ids for ids in responses)
    )
    why = (
        "the samples' tokens are not known"
        if tokens is None
        else f"{tokens:,} tokens are more than {MOST_TOKENS:,}"
    )
    texts = evidence.token_ids if tokens is not None and tokens <= MOST_TOKENS else None
    unknown = undefined(len(evidence.samples.mask_PK), "n-grams of token ids", why)
    for n in range(1, 5):
        yield (
            ("diversity", f"distinct_{n}_grams"),
            unknown if texts is None else distinct_ngrams(texts, n),
        )
    yield ("diversity", "self_similarity"), unknown if texts is None else self_similarity(texts)


def _limits(evidence: Evidence) -> Iterator[tuple[Path, Ratio]]:
    samples = evidence.samples
    for name, judge in evidence.judges.items():
        if judge.pointwise:
            yield (
                ("gap_inf", name),
                limit_gap(judge.score_PK, samples.utility_PK, samples.mask_PK, judge.weight.at),
            )


def sweep_weights(judge: Judge) -> list[Weight]:
    """The thresholds worth trying on these scores: ranks, levels, or rounds of a tournament."""
    if isinstance(judge.weight, Survivors):
        return [Survivors(r) for r in range(1, int(np.nanmax(judge.score_PK, initial=1)) + 1)]
    levels = np.unique(judge.score_PK[np.isfinite(judge.score_PK)])
    by_rank: list[Weight] = [Quantile(q / 10) for q in range(1, 10)] if len(levels) > 2 else []
    if len(levels) <= FEW_LEVELS:
        return by_rank + [Threshold(float(middle)) for middle in (levels[1:] + levels[:-1]) / 2]
    in_unit = levels.min() >= 0 and levels.max() <= 1
    return by_rank + [Threshold(t / 10) for t in range(1, 10) if in_unit]


def _sweeps(evidence: Evidence) -> Iterator[tuple[Path, Ratio]]:
    for name, rows in evidence.swept.items():
        for spec, (gained, share) in rows.items():
            yield ("sweeps", name, spec, "gap"), gained
            yield ("sweeps", name, spec, "kept_share"), share


def _selection(evidence: Evidence) -> Iterator[tuple[Path, Ratio]]:
    """Best-of-N by every pointwise verifier, majority@N, and what best-of-K gains over greedy decoding."""
    samples, logprob_PK = evidence.samples, evidence.logprob_PK
    yield (
        ("lift", "sampling", "accuracy"),
        accuracy_lift(accuracy_P(samples.utility_PK, samples.mask_PK), evidence.greedy_P),
    )
    for name, judge in evidence.judges.items():
        if name == MAJORITY and samples.mask_PK.sum(axis=1).max() > LARGEST_K:
            why = f"the vote in every subset is computed up to {LARGEST_K:,} responses"
            yield (
                ("selection", name, "1"),
                undefined(len(samples.mask_PK), "majority vote of N responses", why),
            )
            continue
        if name == MAJORITY:
            curve = majority_curve(evidence.answer_PK, samples.utility_PK, samples.mask_PK)
        elif judge.pointwise:
            curve = selection_curve(judge.score_PK, samples.utility_PK, samples.mask_PK)
            likelihoods = likelihood_curve(judge.score_PK, logprob_PK, samples.mask_PK)
            for n in sparse(len(likelihoods)):
                yield ("selection_log_likelihood", name, str(n)), likelihoods[n - 1]
            yield (
                ("lift", name, "log_likelihood"),
                likelihood_lift(_each_P(likelihoods[-1]), evidence.greedy_logprob_P),
            )
        else:
            continue
        for n, ratio in enumerate(curve, start=1):
            yield ("selection", name, str(n)), ratio
        yield ("lift", name, "accuracy"), accuracy_lift(_each_P(curve[-1]), evidence.greedy_P)
        yield ("lift", name, "accuracy_gain"), accuracy_gain(_each_P(curve[-1]), evidence.greedy_P)


def sparse(largest: int) -> list[int]:
    """1, 2, 4, 8, .. and the largest."""
    return sorted({2**power for power in range(largest.bit_length())} | {largest})


def _each_P(mean: Ratio) -> Floats:
    """The problems' own values behind a mean, NaN where they have none."""
    return np.where(mean.below_P > 0, mean.above_P, np.nan)


def _ensembles(evidence: Evidence) -> Iterator[tuple[Path, Ratio]]:
    """Every AND of two and of three verifiers, each under its default weight."""
    utility_PK, mask_PK = evidence.samples.utility_PK, evidence.samples.mask_PK
    for members in (group for size in (2, 3) for group in combinations(evidence.blind, size)):
        weight_PK = np.prod([evidence.weights[name] for name in members], axis=0)
        path = (
            "ensembles",
            Product(tuple((name, evidence.judges[name].weight) for name in members)).spec,
        )
        yield (*path, "gap"), gap(utility_PK, weight_PK, mask_PK)
        yield (*path, "relative_gap"), relative_gap(utility_PK, weight_PK, mask_PK)
        yield (*path, "accuracy_kept"), kept_accuracy(utility_PK, weight_PK, mask_PK)
        yield (*path, "kept_share"), kept_share(weight_PK, mask_PK)
        survivors_P = has_survivor_P(weight_PK, mask_PK).astype(float)
        yield (
            (*path, "with_survivors"),
            mean_over_problems(survivors_P, "share of problems with a survivor"),
        )


def _forecasts(evidence: Evidence, estimates: Mapping[Path, Estimate]) -> dict[str, Any]:
    """Accuracy after one round of training on what each verifier keeps, and after selecting the best of K without any training.

    No update is measured here, so none is taken off: the first is an upper figure, and says so.
    """
    samples, none_measured = evidence.samples, np.array([])
    found: dict[str, Any] = {}
    for name in evidence.blind:
        kept = kept_accuracy(samples.utility_PK, evidence.weights[name], samples.mask_PK)
        found[name] = {"after_training": forecast(kept, none_measured).as_json(definition=True)}
        sizes = [int(path[2]) for path in estimates if path[:2] == ("selection", name)]
        if sizes:
            selected = forecast_selection(estimates["selection", name, str(max(sizes))], max(sizes))
            found[name]["after_selection"] = selected.as_json(definition=True)
    return found


def choice(evidence: Evidence, counts_BP: Floats, judged: Evidence | None = None) -> dict[str, Any]:
    """The verifier and weight with the largest gap, cross-fitted over problems, and the optimistic in-sample one beside it.

    ``judged``: another model's evidence on the same problems, to which the choice is carried over; only what both have is offered.
    """
    judged = judged or evidence
    names = [
        (name, spec)
        for name in evidence.blind
        for spec in evidence.swept[name]
        if spec in judged.swept.get(name, {})
    ]
    if not names:
        return {"value": None, "why": "no verifier without references to choose"}
    gaps_PC, judged_PC = (
        np.stack([one.swept[name][spec][0].above_P for name, spec in names], axis=1)
        for one in (evidence, judged)
    )
    found = crossfit(gaps_PC, judged_PC, evidence.folds_P, counts_BP, (-1.0, 1.0))
    labels = [f"{name}@{spec}" for name, spec in names]
    return {
        "gap_cross_fitted": found.crossfitted.as_json(definition=True),
        "gap_in_sample_optimistic": found.in_sample.as_json(definition=True),
        "chosen": None if found.chosen is None else labels[found.chosen],
        "chosen_by_fold": [labels[c] if c >= 0 else None for c in found.chosen_F],
        "candidates": len(labels),
        "note": found.note,
    }


def _correlations(evidence: Evidence, counts_BP: Floats) -> list[dict[str, Any]]:
    """One row a pair of verifiers."""
    scores = {name: judge.score_PK for name, judge in evidence.blind.items()}
    return [
        {"verifiers": list(pair), "constant": found.constant, "left_out": found.unscored}
        | {name: value.as_json() for name, value in found.estimates.items()}
        for pair, found in correlations(
            scores, evidence.samples.mask_PK, counts_BP, evidence.group_P
        ).items()
    ]


def _calibration(judge: Judge, evidence: Evidence, counts_BP: Floats) -> dict[str, Any]:
    samples = evidence.samples
    found = calibration(
        judge.score_PK, samples.utility_PK, samples.mask_PK, counts_BP, group_P=evidence.group_P
    )
    numbers = {"ece": found.ece, "error_debiased": found.error_debiased, "brier": found.brier}
    if not judge.probability:
        numbers = {
            name: replace(e, value=None, low=None, high=None, why=NOT_PROBABILITIES)
            for name, e in numbers.items()
        }
    return {
        "bins": [
            {
                "lowest": b.lowest,
                "highest": b.highest,
                "score": b.score,
                "right": b.right.as_json(),
                "responses": b.responses,
            }
            for b in found.bins
        ],
        "left_out": found.unscored,
    } | {name: value.as_json(definition=True) for name, value in numbers.items()}
