"""The page's reader: the sampled problems, the limits, and JSON that is safe in a page."""

from __future__ import annotations

import json

import pytest

from strop.report.reader import PROBLEM_LIMIT, RESPONSE_LIMIT, TEXT_LIMIT, reader_data, safe_json
from tests.report.made_up import run


def test_the_reader_shows_a_sample_and_says_so() -> None:
    (content,) = reader_data([run(200, 20)])
    assert (
        len(content["problems"]) == PROBLEM_LIMIT
        and content["note"] == "Shows 40 of 200 problems, evenly spaced."
    )
    assert [problem["id"] for problem in content["problems"][:3]] == ["p0", "p5", "p10"]
    problem = content["problems"][0]
    assert len(problem["responses"]) == RESPONSE_LIMIT and (
        problem["distinct"],
        problem["drawn"],
    ) == (18, 20)
    assert [response["copies"] for response in problem["responses"][:3]] == [2, 2, 1]
    assert problem["responses"][0]["scores"][1]["kept"] in (True, False)
    assert (
        problem["responses"][0]["scores"][3]["kept"] is None
    )  # best-of:32 keeps nothing for certain


def test_a_run_of_long_texts_shows_fewer_problems() -> None:
    (content,) = reader_data(
        [run(40, 16, tuple("y" * count + "x" * TEXT_LIMIT for count in range(16)))]
    )
    assert len(content["problems"]) < 20 and content["note"].startswith(
        f"Shows {len(content['problems'])} of 40"
    )
    assert len(safe_json(content)) < 1_500_000


def test_safe_json_cannot_close_its_element() -> None:
    text = safe_json({"a": "</script><!--&\u2028\u2029"})
    assert not set("<>&\u2028\u2029") & set(text) and json.loads(text) == {
        "a": "</script><!--&\u2028\u2029"
    }
    with pytest.raises(ValueError):
        safe_json(float("nan"))
