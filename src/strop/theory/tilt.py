"""The KL-regularised optimum in closed form: base^(1 + 1/beta) (section 4.2).

The margin of the base says how sharp it is.
"""

from __future__ import annotations

from math import exp, log, log1p

import numpy as np

from strop.theory.base_models import BaseModel, Floats, softmax


def tilted(model: BaseModel, beta: float) -> Floats:
    """Return pi*_beta, proportional to base exp(r_self / beta) with r_self = log base: (X, Y).

    That is base^(1 + 1/beta), normalised. Raises ValueError unless beta is above 0.
    """
    if not beta > 0:
        raise ValueError(f"beta must be above 0; got {beta}")
    return softmax((1 + 1 / beta) * model.logprob_XY)


def objective(law_XY: Floats, model: BaseModel, beta: float) -> float:
    """J_beta(pi) = E_pi[log base] - beta KL(pi || base); -inf outside the base's support."""
    outside_XY = (law_XY > 0) & (model.probability_XY == 0)
    if outside_XY.any():
        return -np.inf
    # log base - beta (log pi - log base). What pi gives no mass contributes 0, although the
    # logarithms are infinite there.
    with np.errstate(divide="ignore", invalid="ignore"):
        reward_XY = (1 + beta) * model.logprob_XY - beta * np.log(law_XY)
        value_XY = law_XY * reward_XY
    value_XY = np.where(law_XY > 0, value_XY, 0.0)
    return float(model.prompt_X @ value_XY.sum(axis=1))


def margin_bound(mass: float, margin: float, beta: float) -> float:
    """Return a lower bound of the mass of pi*_beta on y*.

    Each other response keeps at most (1 + margin)^(-1/beta) of its odds against y*. ``mass`` and
    ``margin`` are those of the base.
    """
    odds_against = 1 / mass - 1
    kept = exp(-log1p(margin) / beta)
    return 1 / (1 + odds_against * kept)


def beta_for(margin: float, responses: int, delta: float) -> float:
    """beta = gamma_m / (2 log(2|Y| / delta)).

    It is small enough for mass 1 - delta on y*, where the margin is at most 1.
    """
    logarithm = log(2 * responses / delta)
    return min(margin, 1.0) / (2 * logarithm)
