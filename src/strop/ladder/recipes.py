"""The rungs of the ladder: shape, corpus and training settings of every embedded model.

A recipe and a seed make a model. Two families: ``full``, whose sizes are the points of scaling studies, and ``lean``, whose corpus has a
tenth of the judged candidates and is the same in all else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

TOKENS = 5_000_000


@dataclass(frozen=True)
class Recipe:
    """One rung. ``head_size`` is set apart from ``hidden``, so that servers which ask for 32 or more load the smallest model too."""

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


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "25k", hidden=32, layers=2, heads=1, key_value_heads=1, feed_forward=64, muon_rate=8e-3
        ),
        Recipe(
            "40k", hidden=32, layers=2, heads=2, key_value_heads=2, feed_forward=96, muon_rate=8e-3
        ),
        Recipe(
            "70k", hidden=48, layers=2, heads=2, key_value_heads=2, feed_forward=128, muon_rate=7e-3
        ),
        Recipe(
            "125k",
            hidden=64,
            layers=2,
            heads=4,
            key_value_heads=2,
            feed_forward=176,
            muon_rate=6e-3,
        ),
        Recipe(
            "250k",
            hidden=80,
            layers=3,
            heads=4,
            key_value_heads=2,
            feed_forward=208,
            muon_rate=5e-3,
        ),
        Recipe(
            "400k",
            hidden=96,
            layers=4,
            heads=4,
            key_value_heads=2,
            feed_forward=208,
            muon_rate=4e-3,
        ),
    )
}
RECIPES |= {
    f"lean-{name}": replace(RECIPES[name], name=f"lean-{name}", family="lean")
    for name in ("125k", "250k")
}
