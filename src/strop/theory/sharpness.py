"""The quantities of a base model (y*, C_cov, margin), and the definition of a sharpened model.

Section 3, Definition 3.1.
"""

from __future__ import annotations

import numpy as np

from strop.theory.base_models import BaseModel, Floats

TIE = 1e-12
"""Probabilities closer than this share are equal: sums in another order must not decide what the
arg-max is."""


def argmax_XY(model: BaseModel, gamma: float = 0.0) -> np.ndarray:
    """Return y*_gamma(x) = {y : pi(y|x) >= (1 - gamma) max pi(.|x)}, as a mask (X, Y).

    Raises ValueError for a gamma outside [0, 1).
    """
    if not 0 <= gamma < 1:
        raise ValueError(f"gamma must be at least 0 and below 1; got {gamma}")
    best_X1 = model.probability_XY.max(axis=1, keepdims=True)
    least_X1 = (1 - gamma) * best_X1 * (1 - TIE)
    return np.asarray(model.probability_XY >= least_X1)


def mass_on_argmax_X(law_XY: Floats, model: BaseModel, gamma: float = 0.0) -> Floats:
    """Return law(y*_gamma(x) | x) of each prompt, where y* is that of ``model``.

    Raises ValueError where law and model have different shapes.
    """
    if law_XY.shape != model.probability_XY.shape:
        raise ValueError(
            f"the law has shape {law_XY.shape} and the base model {model.probability_XY.shape}: "
            "expected the same"
        )
    on_argmax_XY = law_XY * argmax_XY(model, gamma)
    return np.asarray(on_argmax_XY.sum(axis=1))


def coverage(model: BaseModel, gamma: float = 0.0, p: float = 1.0) -> float:
    """C_cov = E_x[1 / pi(y*_gamma(x)|x)^p]^(1/p).

    The expectation is over prompts x ~ mu; gamma = 0 and p = 1 give the paper's coefficient.
    """
    mass_X = mass_on_argmax_X(model.probability_XY, model, gamma)
    expected = model.prompt_X @ mass_X**-p
    return float(expected ** (1 / p))


def inverse_best(model: BaseModel) -> float:
    """E_x[1 / max_y pi(y|x)], the cost of the adaptive learner of Theorem D.1.

    It is at least C_cov, and equal where y* is unique.
    """
    best_X = model.probability_XY.max(axis=1)
    return float(model.prompt_X @ (1 / best_X))


def margin(model: BaseModel) -> float:
    """gamma_m: the greatest with max_y pi(y|x) >= (1 + gamma_m) pi(y'|x) for all y' outside y*(x).

    It is inf where nothing lies outside.
    """
    best_X = model.probability_XY.max(axis=1)
    outside_XY = np.where(argmax_XY(model), 0.0, model.probability_XY)
    second_X = outside_XY.max(axis=1)
    # A prompt with nothing outside divides by 0, and inf is the answer.
    with np.errstate(divide="ignore"):
        ratio_X = best_X / second_X
    return float(ratio_X.min() - 1)


def entropy_X(model: BaseModel) -> Floats:
    """Return the entropy of pi(.|x) of each prompt, in nats."""
    # 0 log 0 = 0.
    finite_XY = np.where(model.probability_XY > 0, model.logprob_XY, 0.0)
    expected_X = (model.probability_XY * finite_XY).sum(axis=1)
    return np.asarray(-expected_X)


def sharpened_share(law_XY: Floats, model: BaseModel, delta: float, gamma: float = 0.0) -> float:
    """P_x[law(y*_gamma(x)|x) >= 1 - delta], the mass of the prompts that are sharpened."""
    mass_X = mass_on_argmax_X(law_XY, model, gamma)
    sharpened_X = mass_X >= 1 - delta - TIE
    return float(model.prompt_X @ sharpened_X)


def is_sharpened(
    law_XY: Floats, model: BaseModel, eps: float, delta: float, gamma: float = 0.0
) -> bool:
    """Return True if P_x[law(y*_gamma(x)|x) >= 1 - delta] >= 1 - eps (Definition 3.1)."""
    return sharpened_share(law_XY, model, delta, gamma) >= 1 - eps - TIE
