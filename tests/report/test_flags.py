"""Counts of the reader's filters over the whole run agree with the page, problem by problem."""

from __future__ import annotations

import polars as pl
import pytest

from strop.report.flags import Flag, flags
from strop.report.reader import ReportRun, reader_data
from strop.weigh import parse_weight
from tests.report.made_up import run

WEIGHS = {
    "mc": "quantile:0.7",
    "cot-binary": "threshold:0.5",
    "cot-score": "quantile:0.35",
    "logprob": "best-of:8",
}


def by_hand(made: ReportRun, verifier: str, right: bool, is_kept: bool) -> int:
    """Count the right or wrong responses that the verifier keeps or rejects."""
    count = 0
    rows = made.responses.join(made.scores[verifier], on=["problem", "sample"])
    for _, problem in rows.group_by("problem"):
        keeps = parse_weight(WEIGHS[verifier]).kept(problem["score"].to_list())
        count += sum(
            keep is is_kept and (utility == 1) is right
            for keep, utility in zip(keeps, problem["utility_strict"], strict=True)
        )
    return count


@pytest.fixture(scope="module")
def made() -> ReportRun:
    return run(30, 12)


def test_counts_are_those_of_the_reader_s_own_rule(made: ReportRun) -> None:
    counts = flags(made.problems, made.responses, made.scores, WEIGHS)
    for index, verifier in enumerate(WEIGHS):
        assert counts["right-rejected"].by_verifier[index] == by_hand(
            made, verifier, right=True, is_kept=False
        )
        assert counts["wrong-kept"].by_verifier[index] == by_hand(
            made, verifier, right=False, is_kept=True
        )
    assert (
        min(counts["right-rejected"].by_verifier[:3]) > 0
        and counts["right-rejected"].by_verifier[3] == 0
    )  # best-of is no filter
    assert counts["all"].responses == 360
    assert (
        counts["truncated"].responses == made.responses.filter(pl.col("finish") == "length").height
    )
    unread = (
        pl.concat([frame.filter(~pl.col("parsed")) for frame in made.scores.values()])
        .select("problem", "sample")
        .n_unique()
    )
    assert counts["unparsed"].responses == unread


def test_several_draws_are_averaged_and_one_unread_is_enough(made: ReportRun) -> None:
    first = made.scores["cot-binary"]
    twice = pl.concat(
        [
            first,
            first.with_columns(
                draw=pl.lit(1).cast(first["draw"].dtype), score=0.0, parsed=pl.lit(False)
            ),
        ]
    )
    counts = flags(
        made.problems, made.responses, {"cot-binary": twice}, {"cot-binary": "threshold:0.6"}
    )
    assert (
        counts["wrong-kept"].responses == 0 and counts["unparsed"].responses == 360
    )  # no mean reaches 0.6


def test_a_response_without_a_score_counts_for_the_rank_as_in_the_numbers(made: ReportRun) -> None:
    unknown = made.scores["mc"].with_columns(
        score=pl.when(pl.col("sample") < 6).then(float("nan")).otherwise(pl.col("score"))
    )
    # Half of the 12 responses of a problem are kept: all 6 that have a score.
    weighs = {"mc": "quantile:0.5"}
    counts = flags(made.problems, made.responses, {"mc": unknown}, weighs)
    known = made.responses.filter(pl.col("sample") >= 6)
    assert counts["wrong-kept"].responses == (known["utility_strict"] == 0).sum() > 0
    assert counts["right-rejected"].responses == 0


def test_what_the_shown_problems_miss() -> None:
    flag = Flag(9, [9], [1, 3, 5, 7])
    assert (
        flag.missing([0, 2], 2) == [1, 5]
        and flag.missing([1, 3], 2) == []
        and flag.missing([], 9) == [1, 3, 5, 7]
    )


def test_what_is_rare_is_on_the_page() -> None:
    large = run(200, 2)
    odd = large.responses.with_columns(
        finish=pl.when(pl.col("problem") == "p123").then(pl.lit("length")).otherwise(pl.lit("end"))
    )
    changed = ReportRun(large.document, large.record, large.problems, odd, large.scores)
    (content,) = reader_data([changed])
    assert (
        "p123" in [problem["id"] for problem in content["problems"]]
        and content["whole"]["truncated"]["any"] == 2
    )
    assert "more where something is rare" in content["note"]
