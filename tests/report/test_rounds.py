"""The terminal table of ``strop improve``: eighty columns, whole numbers, text as text."""

from __future__ import annotations

from typing import Any

from rich.cells import cell_len

from strop.report.rounds import round_line, rounds_tables
from tests.report.made_up import ESCAPE, LONG_NAME, WIDE, printed


def improvement(model: str) -> dict[str, Any]:
    same = ("accuracy", "gap", "gap_base_verifier", "gap_filter", "train_accuracy", "forecast")
    first = {"greedy": WIDE, "pass_at_k": {"1": WIDE, "128": WIDE}, **dict.fromkeys(same, WIDE)}
    first |= {
        "trained_on": {
            "rows": 1_234_567,
            "problems": 123_456,
            "problems_without": 99_999,
            "replayed": 1_000,
        }
    }
    after = dict.fromkeys(
        ("gain", "eps_update", "gain_in_format", "accuracy_since_base", "pass_at_k_since_base"),
        WIDE,
    )
    rounds = [{"round": 0, **first}, {"round": 10, **first, **after}]
    head = {
        "model": model,
        "task": "arithmetic",
        "method": "sft-sharpen",
        "filter_by": "cot-binary@threshold:0.5",
        "verify_with": model,
    }
    return head | {"rounds": rounds, "stopped": "2 rounds were asked for"}


def test_rounds_fit_eighty_columns_with_every_digit() -> None:
    text = printed(*rounds_tables(improvement(f"{LONG_NAME}{ESCAPE}")))
    assert max(cell_len(line.rstrip()) for line in text.splitlines()) <= 80
    assert "…" not in text and "\x1b" not in text and "[−100.0, −99.8]" in text.replace(",\n", ", ")
    assert text.count("−99.9") >= 2 * 7


def test_a_line_for_the_log() -> None:
    line = round_line(improvement("m"))
    assert line == "round 10: accuracy −99.9 [−100.0, −99.8], gap −99.9 [−100.0, −99.8]"
