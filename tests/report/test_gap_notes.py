"""The notes below the table of gaps (and its rows): reasons, counts, each definition once."""

from __future__ import annotations

from strop.report import notes
from strop.report.gap_rows import gap_rows
from tests.report.made_up import document, entry, estimate


def test_an_undefined_number_is_a_dash_with_its_reason() -> None:
    (row,) = [row for row in gap_rows([document()]) if row.verifier == "cot-score"]
    assert (row.gap, row.gap_interval, row.kept) == ("–", "", "–") and not row.clear
    assert "arithmetic, cot-score@quantile:0.7: accuracy kept, gap –: one problem only" in notes(
        [document()]
    )


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


def test_different_numbers_of_samples_are_not_to_be_compared() -> None:
    fewer = document("signs") | {"samples": 8}
    assert sum("do not compare" in line for line in notes([document(), fewer])) == 1
    assert not any("do not compare" in line for line in notes([document(), document("signs")]))


def test_an_accuracy_without_an_interval_is_known() -> None:
    lone = {"value": 0.5, "low": None, "high": None, "why": "one problem only"}
    lines = notes([document() | {"accuracy": lone}])
    assert "arithmetic: accuracy has no interval: one problem only" in lines


def test_a_run_without_verifiers_has_no_definition_of_the_gap() -> None:
    bare = document() | {"estimates": [], "verifiers": {}}
    assert not [line for line in notes([bare]) if line.startswith("gap = ")]


def test_responses_without_a_vote_are_not_called_verifications() -> None:
    majority = entry("best-of:K", estimate(0.1), estimate(0.5), unparsed=670)
    made = document() | {
        "estimates": [],
        "verifiers": {"majority": majority | {"name": "majority"}},
    }
    (line,) = [line for line in notes([made]) if "670" in line]
    assert "670 responses have no answer to vote for" in line
