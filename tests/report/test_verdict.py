"""The verdict on the terminal."""

from __future__ import annotations

from strop.report.verdict import unknown_line, verdict_lines
from tests.report.made_up import LONG_NAME, document, printed


def test_the_verdict_fits_eighty_columns() -> None:
    made = document(model=LONG_NAME)
    text = printed(*verdict_lines(made), unknown_line(made))
    assert (
        max(map(len, text.splitlines())) <= 80
        and "train" in text
        and "Not known before training" in text
    )
