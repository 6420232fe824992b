"""``strop improve`` and the verdict on the terminal: eighty columns, whole numbers, text as text."""

from __future__ import annotations

from typing import Any

from rich.cells import cell_len
from rich.console import Console

from strop.report.rounds import rounds_tables
from strop.report.verdict import unknown_line, verdict_lines
from tests.report.made_up import ESCAPE, document

WIDE = {"value": -0.999, "low": -1.0, "high": -0.998}
LONG = "organisation/a-very-long-model-name-of-70B-parameters-instruct"


def printed(*parts: Any) -> str:
    console = Console(width=80, color_system=None, highlight=False)
    with console.capture() as capture:
        for part in parts:
            console.print(part, markup=False)
    return capture.get()


def improvement(model: str) -> dict[str, Any]:
    same = ("accuracy", "gap", "gap_base_verifier", "gap_filter", "train_accuracy", "forecast")
    one = {"greedy": WIDE, "pass_at_k": {"1": WIDE, "128": WIDE}, **dict.fromkeys(same, WIDE)}
    one |= {
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
    rounds = [{"round": 0, **one}, {"round": 10, **one, **after}]
    head = {
        "model": model,
        "task": "arithmetic",
        "method": "sft-sharpen",
        "filter_by": "cot-binary@threshold:0.5",
        "verify_with": model,
    }
    return head | {"rounds": rounds, "stopped": "2 rounds were asked for"}


def test_rounds_fit_eighty_columns_with_every_digit() -> None:
    text = printed(*rounds_tables(improvement(f"{LONG}{ESCAPE}")))
    assert max(cell_len(line.rstrip()) for line in text.splitlines()) <= 80
    assert "…" not in text and "\x1b" not in text and "[−100.0, −99.8]" in text.replace(",\n", ", ")
    assert text.count("−99.9") >= 2 * 7


def test_the_verdict_fits_eighty_columns() -> None:
    made = document(model=LONG)
    text = printed(*verdict_lines(made), unknown_line(made))
    assert (
        max(map(len, text.splitlines())) <= 80
        and "train" in text
        and "Not known before training" in text
    )
