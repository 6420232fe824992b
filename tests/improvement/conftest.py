"""A measured run that several tests make training rows of."""

from __future__ import annotations

import pytest

import strop
from strop.run.run import Run


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Samples with several answers each; ``chance`` keeps some of them."""
    return strop.gap(
        "ladder/40k",
        "arithmetic:easy",
        verifiers=["majority", "chance"],
        problems=24,
        samples=8,
        out=tmp_path_factory.mktemp("course") / "run",
        temperature=1.0,
    )
