"""Multi-layer linear softmax models over short sequences (Appendix E), and greedy decoding.

Proposition 3.1. Axes: V_h symbols of token h, D features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from strop.theory.base_models import BaseModel, Floats, softmax, tabular


@dataclass(frozen=True)
class NextToken:
    """The autoregressive model of one prompt.

    ``tables[h]`` (V_1, ..., V_h, V_{h+1}) is the law of token h + 1 after every prefix.
    """

    tables: tuple[Floats, ...]

    def __post_init__(self) -> None:
        prefix_shape: tuple[int, ...] = ()
        for h, table in enumerate(self.tables):
            if table.ndim != h + 1 or table.shape[:-1] != prefix_shape:
                raise ValueError(
                    f"the table of token {h + 1} has shape {table.shape}: "
                    "expected one axis for each token, and the prefixes of the tables before it"
                )
            prefix_shape = table.shape

    @property
    def probability(self) -> Floats:
        """pi(y_1, ..., y_H), one axis for each token."""
        joint = np.ones(())
        # Each table is multiplied onto every prefix: one more axis, the last token.
        for table in self.tables:
            joint = joint[..., None] * table
        return np.asarray(joint)

    def greedy(self) -> tuple[int, ...]:
        """Return the likeliest next token, token by token; a tie goes to the lowest symbol."""
        prefix: tuple[int, ...] = ()
        for table in self.tables:
            prefix = (*prefix, int(np.argmax(table[prefix])))
        return prefix

    def most_likely(self) -> tuple[int, ...]:
        """Return y*, by looking at every sequence."""
        joint = self.probability
        position = np.argmax(joint)
        indices = np.unravel_index(position, joint.shape)
        return tuple(int(index) for index in indices)


def multi_layer_softmax(features: Sequence[Floats], theta_D: Floats) -> NextToken:
    """Return the model with pi(y_h | y_<h) proportional to exp(<phi_h(y_1..y_h), theta>).

    ``features[h]`` has one axis for each token, then D.
    """
    return NextToken(tuple(softmax(feature @ theta_D) for feature in features))


def as_base_model(models: Sequence[NextToken]) -> BaseModel:
    """Return the base model with one prompt for each model.

    The sequences, all of one shape, become responses; the last token runs fastest.
    """
    table_XY = np.stack([model.probability.ravel() for model in models])
    return tabular(table_XY)
