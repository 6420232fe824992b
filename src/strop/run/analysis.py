"""Analyse stored samples and scores beyond the gap: the part ``analysis`` of ``estimates.json``.

Arrays in, a nested dictionary of estimates out. Most functions below yield (path, ratio) pairs. All
ratios get their intervals from the same resamples, so that any two numbers of a run are paired.
References are used through utilities alone, and no engine is loaded.

Axes: P problems, K responses, N chosen-among responses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

import numpy as np

from strop.measure import Ratio, estimate_all, gap, kept_accuracy, relative_gap
from strop.measure.diagnosis import improvable, informative
from strop.measure.diversity import (
    answer_entropy,
    distinct_answer_share,
    distinct_answers,
    distinct_ngrams,
    self_similarity,
)
from strop.measure.gap import accuracy_P, has_survivor_P, kept_share, mean_over_problems
from strop.measure.gap_at_infinity import extrapolated_gap
from strop.measure.intervals import Floats, undefined
from strop.measure.lifts import accuracy_gain, accuracy_lift, likelihood_lift
from strop.measure.majority import LARGEST_K, majority_curve
from strop.measure.pass_at_k import pass_at_k
from strop.measure.selection import likelihood_curve, selection_curve
from strop.records import Estimate
from strop.run.choice import choice
from strop.run.evidence import Evidence, Judge
from strop.run.verifier_analysis import calibrations, forecasts, verifier_correlations
from strop.weigh import Product

Path = tuple[str, ...]
MAX_TOKENS = 3_000_000
"""n-grams are counted in at most this many tokens."""
MAJORITY = "majority"


def analyse(evidence: Evidence, counts_BP: Floats) -> dict[str, Any]:
    """Return all estimates, nested by their paths, with their definitions beside them."""
    ratios: dict[Path, Ratio] = {}
    for part in (_diagnosis, _pass_at_k, _diversity, _limits, _sweeps, _selection, _ensembles):
        ratios |= dict(part(evidence))
    estimates = estimate_all(ratios, counts_BP, group_P=evidence.group_P)
    return nested(estimates) | {
        "definitions": {kind_of(path): value.definition for path, value in estimates.items()},
        "forecast": forecasts(evidence, _largest_selections(estimates)),
        "choice": choice(evidence, counts_BP),
        "correlations": verifier_correlations(evidence, counts_BP),
        "calibration": calibrations(evidence, counts_BP),
    }


def nested(estimates: Mapping[Path, Estimate]) -> dict[str, Any]:
    """Turn {("a", "b"): estimate} into {"a": {"b": {...}}}."""
    document: dict[str, Any] = {}
    for path, value in estimates.items():
        branch = document
        for name in path[:-1]:
            branch = branch.setdefault(name, {})
        branch[path[-1]] = value.as_json()
    return document


def kind_of(path: Path) -> str:
    """Return the key of a path's definition.

    It is "sweeps gap" for ("sweeps", "mc", "quantile:0.7", "gap"). A curve has one key for all N.
    """
    is_curve = path[-1].isdigit() or path[0] == "gap_inf"
    return path[0] if len(path) == 1 or is_curve else f"{path[0]} {path[-1]}"


def sparse(largest: int) -> list[int]:
    """Return 1, 2, 4, 8, ... and ``largest``."""
    powers = {2**exponent for exponent in range(largest.bit_length())}
    return sorted(powers | {largest})


def _diagnosis(evidence: Evidence) -> Iterator[tuple[Path, Ratio]]:
    """Yield the first two conditions for a round to help. Only training can show the third."""
    samples = evidence.samples
    for name, ratio in improvable(samples.utility_PK, samples.mask_PK).items():
        yield ("diagnosis", name), ratio
    for verifier, weight_PK in evidence.weights.items():
        for name, ratio in informative(samples.utility_PK, weight_PK, samples.mask_PK).items():
            yield ("diagnosis", "verifiers", verifier, name), ratio


def _pass_at_k(evidence: Evidence) -> Iterator[tuple[Path, Ratio]]:
    curve = pass_at_k(evidence.samples.utility_PK, evidence.samples.mask_PK)
    for k, ratio in enumerate(curve, start=1):
        yield ("pass_at_k", str(k)), ratio


def _diversity(evidence: Evidence) -> Iterator[tuple[Path, Ratio]]:
    answer_PK, mask_PK = evidence.answer_PK, evidence.samples.mask_PK
    corrected = answer_entropy(answer_PK, mask_PK, miller_madow=True)
    yield ("diversity", "distinct_answers"), distinct_answers(answer_PK, mask_PK)
    yield ("diversity", "distinct_answer_share"), distinct_answer_share(answer_PK, mask_PK)
    yield ("diversity", "answer_entropy"), answer_entropy(answer_PK, mask_PK)
    yield ("diversity", "answer_entropy_miller_madow"), corrected
    yield from _ngrams(evidence)


def _ngrams(evidence: Evidence) -> Iterator[tuple[Path, Ratio]]:
    token_ids = evidence.token_ids
    why = ""
    if token_ids is None:
        why = "the samples' tokens are not known"
    else:
        tokens = sum(len(ids) for responses in token_ids for ids in responses)
        if tokens > MAX_TOKENS:
            why = f"{tokens:,} tokens are more than {MAX_TOKENS:,}"
    if token_ids is None or why:
        unknown = undefined(len(evidence.samples.mask_PK), "n-grams of token ids", why)
        for n in range(1, 5):
            yield ("diversity", f"distinct_{n}_grams"), unknown
        yield ("diversity", "self_similarity"), unknown
        return
    for n in range(1, 5):
        yield ("diversity", f"distinct_{n}_grams"), distinct_ngrams(token_ids, n)
    yield ("diversity", "self_similarity"), self_similarity(token_ids)


def _limits(evidence: Evidence) -> Iterator[tuple[Path, Ratio]]:
    """Yield the gap in the limit of infinitely many responses, for pointwise verifiers."""
    samples = evidence.samples
    for name, judge in evidence.judges.items():
        if judge.pointwise:
            limit = extrapolated_gap(
                judge.score_PK, samples.utility_PK, samples.mask_PK, judge.weight.at
            )
            yield ("gap_inf", name), limit


def _sweeps(evidence: Evidence) -> Iterator[tuple[Path, Ratio]]:
    for name, rows in evidence.swept.items():
        for spec, (gained, share) in rows.items():
            yield ("sweeps", name, spec, "gap"), gained
            yield ("sweeps", name, spec, "kept_share"), share


def _selection(evidence: Evidence) -> Iterator[tuple[Path, Ratio]]:
    """Yield best-of-N by each pointwise verifier, majority@N, and gains over greedy decoding."""
    samples = evidence.samples
    sampled_P = accuracy_P(samples.utility_PK, samples.mask_PK)
    yield ("lift", "sampling", "accuracy"), accuracy_lift(sampled_P, evidence.greedy_P)
    for name, judge in evidence.judges.items():
        if name == MAJORITY:
            yield from _majority(evidence)
        elif judge.pointwise:
            curve = selection_curve(judge.score_PK, samples.utility_PK, samples.mask_PK)
            yield from _likelihoods(evidence, name, judge)
            yield from _accuracies(evidence, name, curve)


def _majority(evidence: Evidence) -> Iterator[tuple[Path, Ratio]]:
    samples = evidence.samples
    if samples.mask_PK.sum(axis=1).max() > LARGEST_K:
        why = f"the vote in every subset is computed up to {LARGEST_K:,} responses"
        unknown = undefined(len(samples.mask_PK), "majority vote of N responses", why)
        yield ("selection", MAJORITY, "1"), unknown
        return
    curve = majority_curve(evidence.answer_PK, samples.utility_PK, samples.mask_PK)
    yield from _accuracies(evidence, MAJORITY, curve)


def _likelihoods(evidence: Evidence, name: str, judge: Judge) -> Iterator[tuple[Path, Ratio]]:
    curve = likelihood_curve(judge.score_PK, evidence.logprob_PK, evidence.samples.mask_PK)
    for n in sparse(len(curve)):
        yield ("selection_log_likelihood", name, str(n)), curve[n - 1]
    lift = likelihood_lift(_values_P(curve[-1]), evidence.greedy_logprob_P)
    yield ("lift", name, "log_likelihood"), lift


def _accuracies(evidence: Evidence, name: str, curve: list[Ratio]) -> Iterator[tuple[Path, Ratio]]:
    for n, ratio in enumerate(curve, start=1):
        yield ("selection", name, str(n)), ratio
    chosen_P = _values_P(curve[-1])
    yield ("lift", name, "accuracy"), accuracy_lift(chosen_P, evidence.greedy_P)
    yield ("lift", name, "accuracy_gain"), accuracy_gain(chosen_P, evidence.greedy_P)


def _values_P(mean: Ratio) -> Floats:
    """Return the problems' own values behind a mean; NaN for a problem without one."""
    return np.where(mean.below_P > 0, mean.above_P, np.nan)


def _largest_selections(estimates: Mapping[Path, Estimate]) -> dict[str, tuple[int, Estimate]]:
    """Return the selection curve's last N and its estimate, by verifier."""
    last = {}
    for path, value in estimates.items():
        if path[0] == "selection":  # N rises along each curve
            last[path[1]] = (int(path[2]), value)
    return last


def _ensembles(evidence: Evidence) -> Iterator[tuple[Path, Ratio]]:
    """Yield every AND of two and of three verifiers, each under its default weight."""
    for size in (2, 3):
        for members in combinations(evidence.blind, size):
            yield from _ensemble(evidence, members)


def _ensemble(evidence: Evidence, members: tuple[str, ...]) -> Iterator[tuple[Path, Ratio]]:
    utility_PK, mask_PK = evidence.samples.utility_PK, evidence.samples.mask_PK
    weight_PK = np.prod([evidence.weights[name] for name in members], axis=0)
    product = Product(tuple((name, evidence.judges[name].weight) for name in members))
    path = ("ensembles", product.spec)
    survivors_P = has_survivor_P(weight_PK, mask_PK).astype(float)
    with_survivors = mean_over_problems(survivors_P, "share of problems with a survivor")
    yield (*path, "gap"), gap(utility_PK, weight_PK, mask_PK)
    yield (*path, "relative_gap"), relative_gap(utility_PK, weight_PK, mask_PK)
    yield (*path, "accuracy_kept"), kept_accuracy(utility_PK, weight_PK, mask_PK)
    yield (*path, "kept_share"), kept_share(weight_PK, mask_PK)
    yield (*path, "with_survivors"), with_survivors
