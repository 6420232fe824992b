"""The cost of a run's stages, in words."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from strop.report import build_page, cost_table
from strop.report.cost import cost_rows
from tests.report.made_up import run


def usage(**given: float) -> dict[str, Any]:
    return {
        "prompt_tokens": 0,
        "cached_tokens": 0,
        "generated_tokens": 0,
        "flops": 0.0,
        "seconds": 0.0,
    } | given


ONE = {
    "usage_by_stage": {
        "responses": usage(prompt_tokens=1200, generated_tokens=30, seconds=1.25),
        "scores/mc": usage(prompt_tokens=5),
    }
}


def test_rows_are_summed_over_documents_and_stages() -> None:
    header, rows = cost_rows([ONE, ONE])
    assert header == ["stage", "prompt tokens", "generated tokens", "seconds"], (
        "columns that are 0 throughout are left out"
    )
    assert rows == [
        ("responses", ["2,400", "60", "2.5"]),
        ("mc", ["10", "0", "0"]),
        ("all stages", ["2,410", "60", "2.5"]),
    ]


def test_unknown_is_a_dash_and_never_zero() -> None:
    header, rows = cost_rows(
        [{"usage_by_stage": {"responses": usage(cost=0.5), "greedy": usage(cost=None)}}]
    )
    assert [cells[header.index("cost") - 1] for _, cells in rows] == ["0.5000", "–", "0.5000"]
    assert cost_rows([{"usage_by_stage": {}}, {}])[1] == [] and cost_table([{}]) is None


def test_the_table_fits_eighty_columns_and_the_page_has_it() -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(
        cost_table(
            [
                {
                    "usage_by_stage": {
                        "scores/cot-binary--a-model-with-a-very-long-name": usage(
                            prompt_tokens=10**12, flops=1e20
                        )
                    }
                }
            ]
        )
    )
    text = console.export_text()
    assert (
        "1,000,000,000,000" in text and "1.0e+20" in text and max(map(len, text.splitlines())) <= 80
    )
    page = build_page([run()])
    assert "What each stage spent" in page and "<td>120,000</td>" in page and "all stages" in page
