"""FLOPs of forward passes, and text cut at stop strings (base.py)."""

from __future__ import annotations

import numpy as np
import pytest

from strop.engines import LADDER
from strop.engines.base import cut_at_stop
from strop.engines.llama import LlamaEngine


def test_flops_by_hand() -> None:
    """Tokens at indices 3 and 4 attend to 4 and 5 tokens; the parts of a sequence add up."""
    plain = LlamaEngine(LADDER / "40k")
    width, parameters = plain.attention_width, plain.parameters
    assert plain.forward_flops(3, 5) == 2 * 2 * parameters + 4 * width * (4 + 5)
    assert plain.forward_flops(0, 7) + plain.forward_flops(7, 11) == pytest.approx(
        plain.forward_flops(0, 11)
    )
    assert plain.response_flops(7, 1) == plain.response_flops(7, 0) == 0 and np.isfinite(
        plain.response_flops(7, 9)
    )


def test_text_is_cut_at_the_first_stop_string() -> None:
    assert cut_at_stop("1+2=3 # done", ("#", "=")) == ("1+2", True)
    assert cut_at_stop("1+2", ("#", "=")) == ("1+2", False)
    assert cut_at_stop("", ()) == ("", False)
