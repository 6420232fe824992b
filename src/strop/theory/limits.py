"""Two impossibility results: Propositions E.1 and E.2.

E.1: the most likely sequence cannot be found in polynomial time. E.2: a sharpened model need not
lie within the class. Both are built here from the statements of the propositions; the paper's
constructions may differ in detail.
"""

from __future__ import annotations

import numpy as np

from strop.theory.base_models import Floats
from strop.theory.sequences import NextToken, multi_layer_softmax

SLOPE = 8.0
"""In ``unsharpenable``: how much faster than the first token's logits the second token's grow with
theta."""


def cut_weight(weight_VV: Floats) -> Floats:
    """Return the weight that each division of the V vertices in two cuts.

    The result has one axis of length 2 for each vertex, its side.
    """
    vertices = len(weight_VV)
    total = np.zeros((2,) * vertices)
    for edge in _edges(weight_VV):
        weight = weight_VV[tuple(edge)]
        total = total + weight * _crosses(edge, vertices)
    return total


def max_cut_model(weight_VV: Floats) -> NextToken:
    """Return a multi-layer linear softmax model whose most likely sequence is a maximum cut (E.1).

    There is one token of two symbols for each vertex, its side; it has no feature, so all sides are
    equally likely. Then comes one last token: symbol 1 has a feature for each edge, 1 if the edge
    is cut, and theta has the edges' weights. So pi(sides, 1) = 2^-V / (1 + exp(-weight cut)),
    rising in the cut. The numbers of features and of layers are polynomial in the graph; the
    sequences are 2^(V+1). Raises ValueError unless the weights are symmetric and >= 0.
    """
    if (weight_VV < 0).any() or not np.array_equal(weight_VV, weight_VV.T):
        raise ValueError("expected a symmetric matrix of weights >= 0")
    vertices = len(weight_VV)
    edges = _edges(weight_VV)
    # The tokens of the sides. Without a feature the softmax is uniform, whatever theta is.
    features = []
    for h in range(vertices):
        symbols_so_far = (2,) * (h + 1)
        features.append(np.zeros((*symbols_so_far, len(edges))))
    # The last token: symbol 0 has no feature, symbol 1 one for each edge that is cut.
    crosses = np.zeros((*(2,) * vertices, len(edges)))
    for index, edge in enumerate(edges):
        crosses[..., index] = _crosses(edge, vertices)
    last = np.stack([np.zeros_like(crosses), crosses], axis=-2)
    features.append(last)
    theta_D = np.array([weight_VV[tuple(edge)] for edge in edges])
    return multi_layer_softmax(features, theta_D)


def unsharpenable(symbols: int, theta: float) -> NextToken:
    """Return a model of two tokens that no member of its class sharpens (E.2).

    Two tokens of n symbols, one parameter: every member of the class has at most 1 / (n - 1) on
    sequence (1, 0). The first token's symbol 0 has feature 1. After symbol 1, and only there, the
    second token's symbol 0 has feature SLOPE. Where theta is great the first token leaves symbol 1;
    where it is small the second leaves symbol 0. Yet (1, 0) is y* for moderate theta, since symbol
    0 is followed by n equally likely ones; greedy decoding starts with symbol 0 all the same.
    """
    if symbols < 3:
        raise ValueError(f"expected at least 3 symbols; got {symbols}")
    first = np.zeros((symbols, 1))
    second = np.zeros((symbols, symbols, 1))
    first[0] = 1.0
    second[1, 0] = SLOPE
    return multi_layer_softmax([first, second], np.array([theta]))


def theta_of_base(symbols: int) -> float:
    """Return the theta at which greedy decoding misses y* in ``unsharpenable``.

    Symbol 0 comes first with n / 2 times the probability of any other: greedy takes it, y* does
    not.
    """
    return float(np.log(symbols / 2))


def _edges(weight_VV: Floats) -> np.ndarray:
    """Return the edges as pairs of vertices, each once."""
    # The matrix is symmetric: the part above its diagonal holds every edge.
    above_VV = np.triu(weight_VV, 1)
    return np.argwhere(above_VV != 0)


def _crosses(edge: np.ndarray, vertices: int) -> Floats:
    """Return 1 for each division that cuts the edge, else 0: one axis of length 2 a vertex."""
    # side[v] holds, for every division, the side of vertex v.
    side = np.indices((2,) * vertices)
    first, second = edge
    is_cut = side[first] != side[second]
    return np.asarray(is_cut.astype(float))
