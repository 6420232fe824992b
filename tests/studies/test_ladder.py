"""ladder.py, ladder_cells.py, ladder_evaluation.py and ladder_page.py: a small evaluation."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from strop.engines import LADDER
from strop.errors import UsageError
from strop.measure import Ratio
from strop.studies import ladder_cells
from strop.studies.ladder import LadderStudy
from strop.studies.ladder_cells import (
    EVALUATED,
    LEVELS,
    PROMPTED,
    SCALED,
    Ratios,
    Trained,
    trained_models,
)
from strop.studies.ladder_evaluation import Evaluation, scaling_measure
from strop.studies.ladder_page import BEGIN, END, insert


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sizes; of one, "another seed" that is the same model under another number."""
    folder = tmp_path_factory.mktemp("models")
    for name, seed in (("25k", 7), ("25k", 8), ("40k", 7)):
        shutil.copytree(LADDER / name, folder / f"{name}-{seed}")
        path = folder / f"{name}-{seed}" / "card.json"
        card = json.loads(path.read_text())
        path.write_text(json.dumps(card | {"recipe": card["recipe"] | {"seed": seed}}))
    return folder


@pytest.fixture(scope="module")
def out(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out")
    LadderStudy(models, problems=3, samples=2).run(folder, lambda line: None)
    return folder


def test_every_model_task_difficulty_and_verifier_is_in_the_table(out: Path) -> None:
    table = pl.read_csv(out / "ladder.csv")
    cells = {
        (name, task, level) for name in ("25k", "40k") for task in EVALUATED for level in LEVELS
    }
    assert set(table.select("model", "task", "difficulty").iter_rows()) == cells
    assert set(table["verifier"]) == {"", *PROMPTED}
    assert table.height == len(cells) * (4 + 5 * len(PROMPTED))
    seeds = {
        name: set(group["seeds"].str.replace_all(r":[-0-9.na]+", ""))
        for (name,), group in table.group_by("model")
    }
    assert seeds == {"25k": {"7 8"}, "40k": {"7"}}
    page = (out / "ladder.md").read_text()
    assert all(f"### {task}: verification" in page for task in EVALUATED) and "| pooled |" in page


def test_stored_cells_give_the_same_page_and_touch_no_engine(
    models: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        ladder_cells, "measure_gap", lambda *_, **__: pytest.fail("a run was made again")
    )
    before = (out / "ladder.md").read_bytes()
    LadderStudy(models, problems=3, samples=2).run(out, lambda line: None)
    assert (out / "ladder.md").read_bytes() == before


def made_up(seed: int, gaps: list[float]) -> tuple[Trained, Ratios]:
    """A model whose relative gaps, cell by cell, are these."""
    card = {
        "name": "x",
        "family": "full",
        "parameters": 10,
        "recipe": {"seed": seed, "tokens": 100},
    }
    cells = [(task, level) for task in SCALED for level in LEVELS]
    ratios = {
        (cell, v, "relative_gap"): Ratio(np.full(4, gap), np.ones(4), "")
        for cell, gap in zip(cells, gaps, strict=True)
        for v in PROMPTED
    }
    return Trained(Path(), card), ratios


def test_the_scaling_measure_is_the_mean_over_nine_cells_and_the_median_seed_is_shipped() -> None:
    gaps = {0: [0.9] * 9, 1: [0.1, 0.2, 0.3] * 3, 2: [0.5] * 8 + [float("nan")]}
    found = [made_up(seed, values) for seed, values in gaps.items()]
    measures = [scaling_measure(ratios, "cot-binary") for _, ratios in found]
    assert [measure.value for measure in measures] == pytest.approx([0.9, 0.2, 0.5])
    assert "over 8 cells" in measures[2].definition
    evaluation = Evaluation([model for model, _ in found], [ratios for _, ratios in found])
    assert evaluation.median_seed("x").seed == 2
    tie = Evaluation(evaluation.models[:2], evaluation.ratios[:2])
    assert tie.median_seed("x").seed == 1, "the lower of two"


def test_models_are_found_by_their_cards(tmp_path: Path) -> None:
    assert [model.name for model in trained_models()] == sorted(
        (m.name for m in trained_models()), key=[*_sizes()].index
    )
    with pytest.raises(UsageError, match="holds no trained models"):
        trained_models(tmp_path)


def _sizes() -> list[str]:
    return ["25k", "40k", "70k", "125k", "250k", "400k", "lean-125k", "lean-250k"]


def test_only_the_marked_part_of_a_document_is_replaced() -> None:
    document = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert insert(document, "new") == f"before\n{BEGIN}\n\nnew\n{END}\nafter\n"
    assert insert(insert(document, "new"), "new") == insert(document, "new")
