"""Random small worlds for the property tests."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from strop.theory import BaseModel, tabular


@st.composite
def base_models(draw: st.DrawFn, most_prompts: int = 3, most_responses: int = 5) -> BaseModel:
    """Tables of small whole numbers, so that ties and zeros are common; prompts unevenly likely."""
    prompts, responses = draw(st.integers(1, most_prompts)), draw(st.integers(2, most_responses))
    row = st.lists(st.integers(0, 6), min_size=responses, max_size=responses).filter(any)
    counts_XY = np.array(draw(st.lists(row, min_size=prompts, max_size=prompts)), float)
    weight_X = np.array(
        draw(st.lists(st.integers(1, 5), min_size=prompts, max_size=prompts)), float
    )
    return tabular(counts_XY / counts_XY.sum(axis=1, keepdims=True), weight_X / weight_X.sum())


def random_law(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Laws along the last axis, everywhere above 0."""
    law = rng.dirichlet(np.ones(shape[-1]), size=shape[:-1]) + 0.01
    return law / law.sum(axis=-1, keepdims=True)
