"""Top-p sampling in PyTorch, by hand; the law of whole samples: test_transformers."""

from __future__ import annotations

import numpy as np
import pytest

from strop.engines.nucleus_torch import draw_tokens
from strop.records import Sampling

torch = pytest.importorskip("torch")


def test_top_p_cuts_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refusing tokens outside the nucleus and cutting it after a sort give the same law."""
    logits = torch.tensor([[0.1, 0.4, 0.2, 0.2, 0.1]]).log().float().expand(1000, -1)
    sampling = Sampling(temperature=1, top_p=0.5, max_tokens=1)
    spread = [torch.linspace(0, 1, 1001, dtype=torch.float64)[:-1]]
    dice = np.random.default_rng(0)
    drawn = draw_tokens(
        logits,
        lambda attempt: spread[0] if attempt == 0 else torch.from_numpy(dice.random(1000)),
        sampling,
    )
    counts = torch.bincount(drawn, minlength=5).tolist()
    assert counts[0] == counts[4] == 0 and counts[1:4] == pytest.approx([500, 250, 250], abs=40)
    monkeypatch.setattr("strop.engines.nucleus_torch.ATTEMPTS", 0)
    counts = torch.bincount(
        draw_tokens(logits, lambda _: spread[0], sampling), minlength=5
    ).tolist()
    assert counts == pytest.approx(
        [0, 500, 250, 250, 0], abs=1
    )  # the two of 0.2 are tied: both stay
