"""The recipes of the embedded models: shape, corpus and training settings.

A recipe and a seed determine a model. There are two families: ``full``, whose sizes are the points
of scaling studies, and ``lean``, whose corpus has a tenth of the judged candidates and is otherwise
the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

TOKENS = 5_000_000


@dataclass(frozen=True)
class Recipe:
    """One size of the ladder.

    ``head_size`` is independent of ``hidden``: some servers need 32 or more, and load the smallest
    model too.
    """

    name: str
    hidden: int
    layers: int
    heads: int
    key_value_heads: int
    feed_forward: int
    muon_rate: float
    family: str = "full"
    adam_rate: float = 3e-3
    head_size: int = 32
    tokens: int = TOKENS
    seed: int = 0


SHAPES = (
    # name, hidden, layers, heads, key-value heads, feed-forward, learning rate of Muon
    ("25k", 32, 2, 1, 1, 64, 8e-3),
    ("40k", 32, 2, 2, 2, 96, 8e-3),
    ("70k", 48, 2, 2, 2, 128, 7e-3),
    ("125k", 64, 2, 4, 2, 176, 6e-3),
    ("250k", 80, 3, 4, 2, 208, 5e-3),
    ("400k", 96, 4, 4, 2, 208, 4e-3),
)
LEAN = ("125k", "250k")

RECIPES: dict[str, Recipe] = {shape[0]: Recipe(*shape) for shape in SHAPES}
for _size in LEAN:
    _name = f"lean-{_size}"
    RECIPES[_name] = replace(RECIPES[_size], name=_name, family="lean")
