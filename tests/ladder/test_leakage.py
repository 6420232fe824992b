"""The surface of a candidate reveals no more than docs/ladder.md states."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from strop.ladder.corpus import CORPUS_TASKS
from tests.ladder.surface import surface_auroc

DOCS = Path(__file__).parents[2] / "docs" / "ladder.md"
ERROR = 0.03
"""Twice the standard error of an AUROC of 2,000 candidates, about."""


@pytest.mark.parametrize("subject", CORPUS_TASKS)
def test_a_bag_of_characters_tells_no_more_than_the_table_says(subject: str) -> None:
    names, values = re.findall(
        r"^\| (arithmetic .*|0\.\d+ .*) \|$",
        DOCS.read_text(encoding="utf-8").split("## What can be read")[1],
        re.M,
    )
    stated = dict(zip(names.split(" | "), map(float, values.split(" | ")), strict=True))
    assert surface_auroc(subject) <= stated[subject] + ERROR
