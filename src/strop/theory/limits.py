"""What cannot be had: the most likely sequence in polynomial time (Proposition E.1), a sharpened model within the class (Proposition E.2).

Both are built here after what the propositions state; the paper's own constructions may differ in detail.
"""

from __future__ import annotations

import numpy as np

from strop.theory.base_models import Floats
from strop.theory.sequences import NextToken, multi_layer_softmax

SLOPE = 8.0
"""How much faster than the first token's the second token's logits grow with theta, in ``unsharpenable``."""


def cut_weight(weight_VV: Floats) -> Floats:
    """The weight of the edges that each division of the V vertices in two cuts: one axis of length 2 a vertex."""
    vertices = len(weight_VV)
    total = np.zeros((2,) * vertices)
    for edge in np.argwhere(np.triu(weight_VV, 1) != 0):
        total = total + weight_VV[tuple(edge)] * _crosses(edge, vertices)
    return total


def max_cut_model(weight_VV: Floats) -> NextToken:
    """A graph as a multi-layer linear softmax model whose most likely sequence is a maximum cut (Proposition E.1).

    A token of two symbols for each vertex, its side; no feature, so all are equally likely. Then one last token: symbol 1 has a feature
    for each edge, whether it is cut, and theta has the edges' weights. So pi(sides, 1) = 2^-V / (1 + exp(-weight cut)), rising in the cut.
    The numbers of features and of layers are polynomial in the graph; the sequences are 2^(V+1).
    """
    if (weight_VV < 0).any() or not np.array_equal(weight_VV, weight_VV.T):
        raise ValueError("expected a symmetric matrix of weights >= 0")
    vertices = len(weight_VV)
    edges = np.argwhere(np.triu(weight_VV, 1) != 0)
    features = [np.zeros((2,) * (h + 1) + (len(edges),)) for h in range(vertices)]
    crosses = (
        np.stack([_crosses(edge, vertices) for edge in edges], axis=-1)
        if len(edges)
        else np.zeros((2,) * vertices + (0,))
    )
    features.append(np.stack([np.zeros_like(crosses), crosses], axis=-2))
    return multi_layer_softmax(features, np.array([weight_VV[tuple(edge)] for edge in edges]))


def unsharpenable(symbols: int, theta: float) -> NextToken:
    """Two tokens of n symbols, one parameter: every member of the class has at most 1 / (n - 1) on sequence (1, 0) (Proposition E.2).

    The first token's symbol 0 has feature 1. After symbol 1, and only there, the second token's symbol 0 has feature SLOPE. Where theta is
    great the first token leaves symbol 1, where it is small the second leaves symbol 0. Yet (1, 0) is y* for moderate theta, since symbol 0
    is followed by n equally likely ones; greedy decoding starts with symbol 0 all the same.
    """
    if symbols < 3:
        raise ValueError(f"expected at least 3 symbols; got {symbols}")
    first, second = np.zeros((symbols, 1)), np.zeros((symbols, symbols, 1))
    first[0], second[1, 0] = 1.0, SLOPE
    return multi_layer_softmax([first, second], np.array([theta]))


def theta_of_base(symbols: int) -> float:
    """Where symbol 0 comes first with n / 2 times the probability of any other: greedy takes it, y* does not."""
    return float(np.log(symbols / 2))


def _crosses(edge: np.ndarray, vertices: int) -> Floats:
    side = np.indices((2,) * vertices)
    return np.asarray((side[edge[0]] != side[edge[1]]).astype(float))
