"""Tests of the study of the relative gap against pre-training compute."""

from __future__ import annotations

from pathlib import Path

from strop.studies.scaling import ScalingStudy, compute_of
from tests.studies.shared import quiet


def test_a_model_of_unknown_compute_is_named_and_stays_out_of_the_trend(
    fresh: str, fresh_out: Path
) -> None:
    known, unknown = compute_of(("ladder/40k", fresh), ())
    assert set(known) == {"ladder/40k"} and unknown == [fresh]
    given, nothing = compute_of((fresh,), (f"{fresh}=1e9",))
    assert given[fresh].flops == 1e9 and nothing == []
    study = ScalingStudy(
        models=(fresh,), tasks=("recall",), verifiers=("mc",), problems=3, samples=2
    )
    text = study.run(fresh_out / "scaling", quiet).read_text(encoding="utf-8")
    assert f"Of unknown compute, not in the figure: {fresh}" in text and "![" not in text
