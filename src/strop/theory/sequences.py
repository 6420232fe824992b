"""Multi-layer linear softmax models over short sequences (Appendix E), and greedy decoding (Proposition 3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from strop.theory.base_models import BaseModel, Floats, softmax, tabular


@dataclass(frozen=True)
class NextToken:
    """One prompt's autoregressive model: ``tables[h]`` (V_1, ..., V_h, V_{h+1}) is the law of token h + 1 after every prefix."""

    tables: tuple[Floats, ...]

    def __post_init__(self) -> None:
        for h, table in enumerate(self.tables):
            if table.ndim != h + 1 or table.shape[:-1] != (self.tables[h - 1].shape if h else ()):
                raise ValueError(
                    f"the table of token {h + 1} has shape {table.shape}: expected one axis a token, prefixes as before"
                )

    @property
    def probability(self) -> Floats:
        """pi(y_1, ..., y_H), one axis a token."""
        joint = np.ones(())
        for table in self.tables:
            joint = joint[..., None] * table
        return np.asarray(joint)

    def greedy(self) -> tuple[int, ...]:
        """The likeliest next token, token by token; a tie goes to the lowest."""
        prefix: tuple[int, ...] = ()
        for table in self.tables:
            prefix = (*prefix, int(np.argmax(table[prefix])))
        return prefix

    def most_likely(self) -> tuple[int, ...]:
        """y*, by looking at every sequence."""
        joint = self.probability
        return tuple(int(index) for index in np.unravel_index(np.argmax(joint), joint.shape))


def multi_layer_softmax(features: Sequence[Floats], theta_D: Floats) -> NextToken:
    """pi(y_h | y_<h) proportional to exp(<phi_h(y_1..y_h), theta>); ``features[h]`` has one axis a token, then D."""
    return NextToken(tuple(softmax(feature @ theta_D) for feature in features))


def as_base_model(models: Sequence[NextToken]) -> BaseModel:
    """One prompt a model; sequences of the same shape become responses, the last token running fastest."""
    return tabular(np.stack([model.probability.ravel() for model in models]))
