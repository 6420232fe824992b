"""Time every estimate of a large run.

The default is 5,000 problems x 128 responses x 4 verifiers x 9 thresholds x 2,000 resamples.

    python benchmarks/measure.py [--problems P] [--samples K]

Print seconds and peak memory, and how much longer a plain bootstrap loop would take.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

from strop.measure import Samples, Weighed, estimate, gap, resample_counts, summarise
from strop.run.analysis import analyse
from strop.run.evidence import Evidence, Judge
from strop.weigh import parse_weight

VERIFIERS = {
    "mc": "quantile:0.7",
    "cot-binary": "threshold:0.5",
    "cot-score": "quantile:0.7",
    "logprob": "best-of:K",
}


def made_up(problems: int, samples: int) -> Evidence:
    """Return random utilities, and scores that correlate with them, of four kinds.

    The scores are continuous, binary, of ten levels, and log-probabilities.
    """
    rng = np.random.default_rng(0)
    ability_P1 = rng.beta(0.7, 1.2, (problems, 1))
    utility_PK = (rng.random((problems, samples)) < ability_P1).astype(float)
    noisy_PK = rng.normal(size=utility_PK.shape) + utility_PK
    scores = (
        1 / (1 + np.exp(-noisy_PK)),
        (noisy_PK > 0.5) * 1.0,
        np.clip(np.round(5 + 2 * noisy_PK), 1, 10),
        -20 + 5 * noisy_PK,
    )
    judges = {
        name: Judge(score, parse_weight(spec), True, False, True)
        for (name, spec), score in zip(VERIFIERS.items(), scores, strict=True)
    }
    answer_PK = np.where(utility_PK > 0, 0, rng.integers(-1, 20, utility_PK.shape))
    mask_PK = np.ones(utility_PK.shape, bool)
    return Evidence(
        Samples(utility_PK, utility_PK, mask_PK),
        judges,
        answer_PK,
        scores[3],
        utility_PK[:, 0],
        scores[3][:, 0],
        None,
        list(map(str, range(problems))),
        0,
    )


def everything(evidence: Evidence) -> int:
    """Measure all that ``strop gap`` measures, and return the number of estimates."""
    problems = len(evidence.samples.mask_PK)
    counts_BP = resample_counts(problems, 1)
    weighed = {
        name: Weighed(judge.score_PK, judge.weight(judge.score_PK, evidence.samples.mask_PK))
        for name, judge in evidence.judges.items()
    }
    summaries = summarise(evidence.samples, weighed, counts_BP)
    return sum(len(summary.estimates) for summary in summaries.values()) + leaves(
        analyse(evidence, counts_BP)
    )


def leaves(document: object) -> int:
    if not isinstance(document, dict):
        return 0
    return 1 if "value" in document else sum(map(leaves, document.values()))


def plain_loop(values_P: np.ndarray, resamples: int) -> float:
    """Return the seconds for the bootstrap of one mean, resample by resample."""
    rng, started = np.random.default_rng(1), time.perf_counter()
    for _ in range(resamples):
        values_P[rng.integers(len(values_P), size=len(values_P))].mean()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=5_000)
    parser.add_argument("--samples", type=int, default=128)
    options = parser.parse_args()
    evidence = made_up(options.problems, options.samples)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    started = time.perf_counter()
    count = everything(evidence)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    judge = evidence.judges["mc"]
    mask_PK = evidence.samples.mask_PK
    ratio = gap(evidence.samples.utility_PK, judge.weight(judge.score_PK, mask_PK), mask_PK)
    loop = plain_loop(ratio.above_P, 2_000)
    print(
        f"{options.problems:,} problems x {options.samples} responses x "
        f"{len(evidence.judges)} verifiers, 2,000 resamples"
    )
    print(
        f"{count:,} estimates in {seconds:.1f} s, peak {peak:,.0f} MB "
        f"({before:,.0f} MB of them before measuring)"
    )
    print(
        f"a plain loop of percentile intervals takes {loop:.2f} s for one: "
        f"{loop * count / seconds:,.0f} times as long for all"
    )
    print(f"gap of mc: {estimate(ratio, resample_counts(options.problems, 1)):.2%}")


if __name__ == "__main__":
    main()
