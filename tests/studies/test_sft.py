"""Tests of the study of sharpening by training."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from strop.studies.sft import SftStudy, seed_mean
from tests.studies.shared import quiet


def test_trained_models_are_measured_once(tmp_path: Path) -> None:
    size = {"problems": 8, "train_problems": 8, "samples": 4}
    study = SftStudy(
        "ladder/25k",
        "recall",
        1,
        **size,
        sizes=(2,),
        pairs=1,
        epochs=1.0,
        curve_steps=2,
        snapshots=2,
    )
    page = study.run(tmp_path / "sft", quiet)
    stored = json.loads((tmp_path / "sft" / "models" / "seed-0" / "base.json").read_text())
    table = pl.read_parquet(tmp_path / "sft" / "sft-table.parquet")
    table = table.filter(pl.col("kind") == "value")
    models = table["model"].unique(maintain_order=True).to_list()
    assert models == ["base", "sft-2", "reward-dpo-2", "xpo-2"]
    base = dict(table.filter(pl.col("model") == "base").select("quantity", "value").rows())
    assert base == {name: stored["measured"][name] for name in base}
    steps = pl.read_parquet(tmp_path / "sft" / "sft-curves.parquet")
    assert sorted(set(steps["step"])) == [1, 2] and steps.height == 8
    assert page.exists()


def test_the_interval_over_seeds_is_students() -> None:
    mean = seed_mean([0.1, 0.2, 0.3], None)
    reach = 4.302652729911275 * 0.1 / 3**0.5
    assert (mean.value, mean.low, mean.high) == pytest.approx((0.2, 0.2 - reach, 0.2 + reach))
    assert seed_mean([0.1, 0.2, 0.3], "accuracy").low == 0
    assert seed_mean([0.5], None).low is None
    assert seed_mean([float("nan")], None).value is None
    assert seed_mean([0.5, 0.5], None).low is None
