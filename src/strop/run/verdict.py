"""Decide whether a round of self-training would help, with which verifier, and by how much.

One round is forecast as accuracy + gap - eps_update ("Mind the Gap", section 2.1). The gap is that
of the verifier which does best on other problems than it is judged on. Only training shows
eps_update, so that of other courses is used, with its spread.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from strop.measure import Ratio
from strop.measure.crossfit import crossfit
from strop.measure.diagnosis import improvable
from strop.measure.forecast import FEWEST, forecast
from strop.measure.gap import GAP_DEFINITION, SHARE, accuracy_P, mean_over_problems
from strop.measure.intervals import Floats
from strop.records import Estimate
from strop.run.analysis import Evidence
from strop.run.updates import Update

METHOD = "rft"
UNKNOWN = (
    "how much of the gap training keeps here: that was measured on other models and tasks only",
    "what comes after the first round: the gap shrinks, and pass@k for large k may fall",
    "whether problems to train on are like these, which they have to be",
)


def verdict(evidence: Evidence, counts_BP: Floats, past: Sequence[Update]) -> dict[str, Any]:
    """Return ``train`` ("yes", "no", "unclear") and ``why``, the verifier, the expected gain."""
    names = list(evidence.blind)
    if not names:
        return {
            "train": "unclear",
            "why": "no verifier that could filter was asked",
            "unknown": list(UNKNOWN),
        }
    samples = evidence.samples
    gaps_PC = np.stack(
        [evidence.swept[name][evidence.judges[name].weight.spec][0].above_P for name in names],
        axis=1,
    )
    found = crossfit(gaps_PC, gaps_PC, evidence.folds_P, counts_BP, (-1.0, 1.0))
    if found.chosen is None:
        return {"train": "unclear", "why": "no verifier could be chosen", "unknown": list(UNKNOWN)}
    gained_P = np.take_along_axis(
        gaps_PC, np.maximum(found.chosen_F, 0)[evidence.folds_P][:, None], axis=1
    )[:, 0]
    eps = np.array([one.eps_update for one in past])
    gain = forecast(mean_over_problems(gained_P, GAP_DEFINITION, (-1.0, 1.0)), eps)
    expected = forecast(
        mean_over_problems(
            accuracy_P(samples.utility_PK, samples.mask_PK) + gained_P, "J(f[w])", SHARE
        ),
        eps,
    )
    name = names[found.chosen]
    train, why = _decided(
        found.crossfitted,
        gain,
        improvable(samples.utility_PK, samples.mask_PK)["improvable"],
        len(eps),
    )
    return {
        "train": train,
        "why": why,
        "verifier": name,
        "weigh": evidence.judges[name].weight.spec,
        "gap": found.crossfitted.as_json(definition=True),
        "gain": gain.as_json(definition=True),
        "expected_accuracy": expected.as_json(definition=True),
        "method": METHOD,
        "other_courses": len(eps),
        "unknown": list(UNKNOWN),
    }


def _decided(gap: Estimate, gain: Estimate, mixed: Ratio, courses: int) -> tuple[str, str]:
    if mixed.value == 0:
        return (
            "no",
            "responses to a problem are all right or all wrong: there is nothing to choose among",
        )
    if gap.low is None or gap.high is None:
        return "unclear", f"the gap has no interval ({gap.why})"
    if gap.high <= 0:
        return "no", "what the best verifier keeps is no better than what was sampled"
    if gap.low <= 0:
        return (
            "unclear",
            "the gap's interval includes zero: the best verifier may know nothing; "
            "measure more problems, or another verifier",
        )
    if gain.low is None or gain.high is None:
        return "unclear", (
            "the verifier keeps better responses, but how much of that training keeps "
            f"is not known: train one round, or name {FEWEST} finished courses or more (--past)"
        )
    if gain.low > 0:
        return "yes", f"the gap exceeds what training lost in {courses} other trainings"
    if gain.high < 0:
        return "no", f"training lost more than this gap in {courses} other trainings"
    return (
        "unclear",
        f"the gap is above zero, but training lost about as much in {courses} other trainings",
    )
