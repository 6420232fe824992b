"""The terminal table of gaps: eighty columns, dashes for the unknown, names as text."""

from __future__ import annotations

import subprocess
import sys

from rich.cells import cell_len

from strop.report import gap_table, notes
from strop.report.table import accuracy_lines
from tests.report.made_up import ESCAPE, MIRROR, document, entry, estimate, printed, undefined


def test_one_run_on_the_terminal() -> None:
    text = printed(gap_table([document()]))
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
    text = printed(gap_table([wide]))
    assert max(cell_len(line.rstrip()) for line in text.splitlines()) <= 80
    assert "…" not in text and "[−100.0, −99.8]" in text and "−99.9*" in text


def test_several_models_are_named() -> None:
    documents = [document(), document(model="ladder/1m"), document(verifier_model="ladder/1m")]
    text = printed(gap_table(documents))
    assert "ladder/250k" in text and "ladder/1m" in text and "verified by" in text
    assert "arithmetic, ladder/1m: 7 responses were truncated" in notes(documents)


def test_names_and_reasons_cannot_steer_the_terminal() -> None:
    made = document(task=f"[bold]{ESCAPE}", model=MIRROR)
    made["verifiers"] = {"mc": entry("quantile:0.7", undefined(ESCAPE), estimate(0.5))}
    made["estimates"] = []
    text = printed(gap_table([made]), width=140) + "\n".join(notes([made]))
    assert "\x1b" not in text and "\u202e" not in text
    assert "[bold]" in text.replace("\n", "")


def test_the_table_loads_no_charts() -> None:
    heavy = ("altair", "vl_convert", "polars", "jinja2")
    code = f"import sys, strop.report.table; print([n for n in {heavy} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_run_without_verifiers_has_its_accuracies() -> None:
    made = document() | {"accuracy_flexible": {"value": 0.5, "low": None, "high": None}}
    strict, flexible, counts = accuracy_lines(made, 6_400)
    assert strict.startswith("Accuracy, strict: ")
    assert flexible == "Accuracy, flexible: 50.0%"
    assert counts == "of 6,400 responses to 200 problems"
