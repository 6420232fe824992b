"""The terminal table: eighty columns, dashes for the unknown, and notes that say why."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from rich.cells import cell_len
from rich.console import Console

from strop.report import gap_table, notes
from strop.report.formatting import gap_rows, interval, number, visible
from tests.report.made_up import ESCAPE, MIRROR, document, entry, estimate, undefined


def printed(documents: list[dict[str, Any]], width: int = 80) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(gap_table(documents))
    return capture.get()


def test_one_run_on_the_terminal() -> None:
    text = printed([document()])
    assert "41.2" in text and "cot-binary" in text and "@threshold:0.5" in text
    assert "+13.8*" in text and "[10.2, 17.4]" in text
    assert "+2.1 " in text and "[−0.9, 5.1]" in text


def test_it_fits_eighty_columns_whatever_the_numbers() -> None:
    wide = document(
        task="lm-eval:a_very_long_task_name",
        model="organisation/a-long-model-name",
        verifier_model="organisation/another-one",
    )
    extreme = entry(
        "threshold:0.123456", {"value": -0.999, "low": -1.0, "high": -0.998}, estimate(1.0)
    )
    extreme |= {
        "tpr": estimate(1.0),
        "fpr": estimate(1.0),
        "kept_share": estimate(1.0),
        "relative_gap": estimate(-1.0),
    }
    wide |= {
        "accuracy": estimate(1.0),
        "estimates": [{"verifier": "mc@quantile:0.7&cot-score@quantile:0.7", **extreme}],
    }
    text = printed([wide])
    assert max(cell_len(line.rstrip()) for line in text.splitlines()) <= 80
    assert "…" not in text and "[−100.0, −99.8]" in text and "−99.9*" in text


def test_an_undefined_number_is_a_dash_with_its_reason() -> None:
    (row,) = [row for row in gap_rows([document()]) if row.verifier == "cot-score"]
    assert (row.gap, row.gap_interval, row.kept) == ("–", "", "–") and not row.clear
    assert "arithmetic, cot-score@quantile:0.7: accuracy kept, gap –: one problem only" in notes(
        [document()]
    )
    assert number({"value": float("nan")}) == "–" and number(None) == "–"


def test_a_value_without_an_interval_stands_and_is_explained() -> None:
    lone = {
        "value": 0.1,
        "low": None,
        "high": None,
        "level": 0.95,
        "n": 1,
        "why": "no interval from one problem",
    }
    made = document() | {
        "estimates": [],
        "verifiers": {"mc": entry("quantile:0.7", lone, estimate(0.5))},
    }
    (row,) = gap_rows([made])
    assert (row.gap, row.gap_interval) == ("+10.0", "")
    assert (
        "arithmetic, mc@quantile:0.7: gap has no interval: no interval from one problem"
        in notes([made])
    )


def test_notes_count_what_was_dropped_and_give_the_definition_once() -> None:
    lines = notes([document(), document("signs")])
    assert sum(line.startswith("gap = ") for line in lines) == 1
    assert (
        "arithmetic: 7 responses were truncated" in lines
        and "signs: 7 responses were truncated" in lines
    )
    (counts,) = [line for line in lines if line.startswith("signs, cot-binary@threshold:0.5")]
    assert (
        "3 verifications could not be read" in counts
        and "1 problem had no survivor" in counts
        and "12 problems had no room" in counts
    )
    assert not any("mc@" in line for line in lines)


def test_several_models_are_told_apart() -> None:
    documents = [document(), document(model="ladder/1m"), document(verifier_model="ladder/1m")]
    text = printed(documents)
    assert "ladder/250k" in text and "ladder/1m" in text and "verified by" in text
    assert "arithmetic, ladder/1m: 7 responses were truncated" in notes(documents)


def test_names_and_reasons_cannot_steer_the_terminal() -> None:
    made = document(task=f"[bold]{ESCAPE}", model=MIRROR)
    made["verifiers"] = {"mc": entry("quantile:0.7", undefined(ESCAPE), estimate(0.5))}
    made["estimates"] = []
    text = printed([made], width=140) + "\n".join(notes([made]))
    assert "\x1b" not in text and "\u202e" not in text
    assert "[bold]" in text.replace("\n", "")
    assert visible("a\tb\n\x1b\u202e") == "a\tb\n⟨U+001B⟩⟨U+202E⟩"


def test_zero_has_no_sign() -> None:
    assert (
        number(estimate(-0.0001), "+") == "0.0"
        and interval({"low": -0.0001, "high": 0.0}) == "[0.0, 0.0]"
    )


def test_the_table_loads_no_charts() -> None:
    code = "import sys, strop.report.table; print([name for name in ('altair', 'vl_convert', 'polars', 'jinja2') if name in sys.modules])"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "[]"
    )
