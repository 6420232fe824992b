"""Tests of run/unreadable: checks that could not be read are said, with what to try."""

from __future__ import annotations

from pathlib import Path

import pytest

import strop
from strop.report.gap_rows import gap_rows
from strop.report.headline import headline_of
from strop.report.verdict import verdict_lines
from strop.run.run import Run
from strop.run.stored import StoredRun
from strop.run.unreadable import (
    MANY_UNREADABLE,
    caution_of,
    cutting_limits,
    unreadable_shares,
    what_to_try,
)


def measured(out: Path, limit: int, *verifiers: str, temperature: float = 0.7) -> Run:
    """Return a run whose checks have at most ``limit`` tokens."""
    return strop.gap(
        "ladder/250k",
        "arithmetic",
        verifiers=verifiers,
        problems=24,
        samples=4,
        verify_max_tokens=limit,
        temperature=temperature,
        top_p=1.0,
        out=out,
    )


@pytest.fixture(scope="module")
def some_cut(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run hot enough that some checks ramble beyond their limit."""
    out = tmp_path_factory.mktemp("some") / "run"
    return measured(out, 44, "cot-binary", "mc", temperature=1.5)


def test_the_table_row_and_the_verdict_say_so_and_what_to_try(some_cut: Run) -> None:
    stored = StoredRun(some_cut.path)
    share = unreadable_shares(stored)["cot-binary"]
    assert MANY_UNREADABLE < share < 0.5, "the case of this test: some can be read"
    assert cutting_limits(stored) == {"cot-binary": 44}
    document = some_cut.document
    assert document["verifiers"]["cot-binary"]["unparsed_share"] == share
    rows = {row.verifier: row for row in gap_rows([document])}
    assert rows["cot-binary"].unreadable == f"{share:.0%} unreadable"
    assert rows["mc"].unreadable == ""
    words = caution_of("cot-binary", share, {"cot-binary": 44})
    assert "cut off at 44 tokens: try a larger --verify-max-tokens" in words
    assert document["verdict"]["caution"] == words
    assert any(words in line for line in verdict_lines(document))
    headline = headline_of(document)
    assert headline is not None and words in headline.sentence


def test_every_kind_of_written_check_counts_what_its_limit_cut(tmp_path: Path) -> None:
    run = measured(tmp_path / "run", 1, "cot-binary", "cot-score", "tournament")
    stored = StoredRun(run.path)
    assert min(unreadable_shares(stored).values()) == 1.0
    assert cutting_limits(stored) == dict.fromkeys(("cot-binary", "cot-score", "tournament"), 1)
    verdict = run.document["verdict"]
    assert verdict["situation"] == "unreadable" and "caution" not in verdict
    assert "cut off at 1 tokens: try a larger --verify-max-tokens" in verdict["why"]


def test_a_run_with_room_cuts_nothing(tmp_path: Path) -> None:
    run = measured(tmp_path / "run", 96, "cot-binary")
    assert cutting_limits(StoredRun(run.path)) == {}
    assert "cut" not in run.document["usage"]


def test_what_to_try_depends_on_the_verifier_and_on_what_cut_it() -> None:
    assert "such as mc" in what_to_try(["cot-binary"], {})
    assert "such as cot-mc" in what_to_try(["cot-score", "mc"], {})
    assert "--verify-max-tokens" not in what_to_try(["cot-binary"], {"cot-score": 9})
    assert "--prompts" in caution_of("cot-binary--other", 0.3, {})
