"""The stored samples and scores of a run, as arrays.

Axes: P problems, K responses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from strop.measure import Ratio, Samples, gap
from strop.measure.crossfit import balanced_folds
from strop.measure.gap import kept_share
from strop.measure.intervals import Floats, Groups
from strop.weigh import Product, Weight
from strop.weigh import sweep_weights as sweep_weights_of

FOLDS = 5


@dataclass(frozen=True)
class Judge:
    """One verifier's scores and default weight. ``verify.base.Verifier`` explains the flags."""

    score_PK: Floats
    weight: Weight
    pointwise: bool
    sees_references: bool
    probability: bool
    control: bool = False


@dataclass(frozen=True)
class Evidence:
    """The samples of a run and every verifier's scores of them.

    ``answer_PK`` numbers the answers, -1 for none. NaN and None stand for unknown values.
    ``questions`` shows which problems are copies of one another. ``seed`` assigns the folds.
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
        """The question of each problem as a number; None where no question occurs twice."""
        return groups_of(self.questions)

    @cached_property
    def folds_P(self) -> NDArray[np.int64]:
        """The fold of each problem, for choices that are judged on problems they did not use."""
        return balanced_folds(len(self.samples.mask_PK), FOLDS, self.seed, np.array(self.questions))

    @property
    def blind(self) -> dict[str, Judge]:
        """The verifiers that see no reference and are no control.

        Only these are compared, combined and chosen among.
        """
        return {
            name: judge
            for name, judge in self.judges.items()
            if not (judge.sees_references or judge.control)
        }

    @cached_property
    def weights(self) -> dict[str, Floats]:
        """Default weights (P, K) of each verifier."""
        mask_PK = self.samples.mask_PK
        return {name: judge.weight(judge.score_PK, mask_PK) for name, judge in self.judges.items()}

    def weigh(self, product: Product) -> Floats:
        """Return the weights (P, K) of the responses under a product of weights."""
        scores = {name: self.judges[name].score_PK for name in product.verifiers}
        return product(scores, self.samples.mask_PK)

    @cached_property
    def swept(self) -> dict[str, dict[str, tuple[Ratio, Ratio]]]:
        """Gap and kept share of each verifier under its default weight and its sweep_weights."""
        return {name: self._sweep(judge) for name, judge in self.judges.items()}

    def _sweep(self, judge: Judge) -> dict[str, tuple[Ratio, Ratio]]:
        utility_PK, mask_PK = self.samples.utility_PK, self.samples.mask_PK
        ratios = {}
        for weight in (judge.weight, *sweep_weights(judge)):
            weight_PK = weight(judge.score_PK, mask_PK)
            gained = gap(utility_PK, weight_PK, mask_PK)
            ratios[weight.spec] = (gained, kept_share(weight_PK, mask_PK))
        return ratios


def groups_of(questions: Sequence[str]) -> Groups | None:
    """Number the different questions 0, 1, ... in order; None if no question occurs twice."""
    different = list(dict.fromkeys(questions))
    if len(different) == len(questions):
        return None
    number = {question: index for index, question in enumerate(different)}
    return np.array([number[question] for question in questions])


def sweep_weights(judge: Judge) -> list[Weight]:
    """Return the weights to try on a verifier's scores, beside its default weight."""
    return sweep_weights_of(judge.weight, judge.score_PK)
