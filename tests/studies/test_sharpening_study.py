"""The sharpening study, small: every number on its page comes from its runs."""

from __future__ import annotations

import json
from pathlib import Path

from strop.studies import SharpeningStudy


def test_the_study_runs_through_and_again_from_what_is_stored(tmp_path: Path) -> None:
    study = SharpeningStudy(
        models=("ladder/25k",), tasks=("recall",), seeds=2, problems=12, samples=4, trained="ladder/25k", trained_task="recall",
        train_problems=12, sizes=(2, 4), pairs=1, epochs=1.0,
    )  # fmt: skip
    page = study.run(tmp_path, lambda line: None).read_text(encoding="utf-8")
    document = json.loads((tmp_path / "sharpening.json").read_text())
    [cell] = document["lifts"]
    assert 12 <= cell["greedy"]["n"] <= 24 and set(cell) >= {"logprob", "logprob-per-token", "majority", "coverage"}
    assert [row["model"] for row in document["training"]] == ["base", "sft-2", "sft-4", "reward-dpo-2", "xpo-2"]
    base = document["training"][0]
    assert base["seeds"] == 2 and base["accuracy"]["low"] <= base["accuracy"]["value"] <= base["accuracy"]["high"]
    assert f"| ladder/25k | recall | {100 * cell['greedy']['value']:.1f} |" in page and "| sft-4 |" in page
    told: list[str] = []
    assert study.run(tmp_path, told.append).read_text(encoding="utf-8") == page


def test_a_quick_one_is_smaller_in_every_way() -> None:
    quick, whole = SharpeningStudy.quick(), SharpeningStudy()
    assert quick.problems < whole.problems and quick.samples < whole.samples and quick.seeds < whole.seeds
    assert len(quick.models) < len(whole.models) and len(quick.sizes) < len(whole.sizes)
