"""The exact small world of "The Sharpening Mechanism": finite prompts and responses, exact models.

One file per idea, to be read beside the paper (docs/theory.md has its symbols):

    base_models    tabular and linear softmax models
    sequences      multi-layer linear softmax, greedy decoding
    sharpness      y*, C_cov, margin, (eps, delta)-sharpened
    oracle         sample-and-evaluate, every query counted
    best_of_n      best of N, fixed and adaptive, and their laws
    tilt           base^(1 + 1/beta)
    classes        finite classes by enumeration
    linear_ball    linear softmax with a bounded parameter
    sft            SFT-Sharpening, adaptive SFT-Sharpening
    regression     reward-based DPO and XPO
    hard_instance  Theorem 3.1
    shortfall      Theorem 4.1
    sphere         Example J.1
    limits         Propositions E.1 and E.2

NumPy only. Axes: X prompts, Y responses, N draws of prompts, K responses to one prompt, F members
of a class, D features.
"""

from __future__ import annotations

from strop.theory.base_models import BaseModel, linear_softmax, tabular
from strop.theory.oracle import Oracle
from strop.theory.sharpness import argmax_XY, coverage, entropy_X, is_sharpened, margin

__all__ = [
    "BaseModel",
    "Oracle",
    "argmax_XY",
    "coverage",
    "entropy_X",
    "is_sharpened",
    "linear_softmax",
    "margin",
    "tabular",
]
