"""The cost of a round of training, extrapolated from a run's cost."""

from __future__ import annotations

from strop.report.round_cost import round_cost
from tests.report.made_up import estimate


def test_the_cost_of_a_round_grows_with_what_is_kept() -> None:
    drawn = {
        "prompt_tokens": 1_000,
        "cached_tokens": 1_000,
        "generated_tokens": 3_000,
        "flops": 4e9,
        "seconds": 2.0,
    }
    made = {
        "problems": 100,
        "usage_by_stage": {"responses": drawn, "scores/mc": drawn | {"flops": 1e9}},
    }
    cost = round_cost(made, "mc", {"kept_share": estimate(0.5)})
    # Ten times as many problems: drawing 4e10 FLOPs and judging 1e10; training
    # 3 x 0.5 x (4e9 / 4000 per token) x 5000 tokens read x 10 = 7.5e10.
    assert (
        cost.short == "1.2e+11 FLOPs"
        and "5.0e+10, 80,000 tokens, 40 s here" in cost.detail
        and "7.5e+10 more" in cost.detail
    )
    assert round_cost({"problems": 100}, "mc", {}).short == "–"
    assert "unknown" in round_cost(made, "mc", {}).detail
