"""Tests of every study that reads runs or trains: small, on embedded models and on a fresh Llama.

What single studies compute is tested in the file of each study.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from strop.cli.study import with_settings
from strop.studies import STUDIES
from strop.studies.diversity import DiversityStudy
from strop.studies.forecast import ForecastStudy
from strop.studies.frame.base import Study
from strop.studies.frame.numbers import short_name
from strop.studies.improvement import ImprovementStudy
from tests.studies.shared import quiet

READING = ("scaling", "cross", "recall", "sudoku", "thresholds", "verifiers", "ensembles")
READING += ("temperature", "draws", "compute", "sharpening")
TRAINING = ("sft", "seeds")
TINY: dict[str, dict[str, Any]] = {
    "temperature": {"temperatures": (0.7, 1.0), "verifiers": ("cot-binary",)},
    "draws": {"draws": 2, "verifiers": ("cot-binary",)},
    "compute": {"draws": 2, "verifiers": ("mc", "cot-binary")},
    "sharpening": {"seeds": 2},
    "sft": {
        "seeds": 2,
        "train_problems": 6,
        "sizes": (2, 4),
        "pairs": 1,
        "epochs": 1.0,
        "curve_steps": 2,
        "snapshots": 1,
    },
    "seeds": {"draws": 2, "trainings": 2, "train_problems": 6, "epochs": 1.0},
}
SMALLEST = {"train_problems": 6, "train_samples": 2, "problems": 5, "samples": 2}


def tiny(name: str, models: tuple[str, ...], task: str, problems: int, samples: int) -> Study:
    """Set a study as the command line would; a study of one model gets the first."""
    study = replace(STUDIES[name].quick(), **TINY.get(name, {}))  # type: ignore[type-var]
    has_models = isinstance(getattr(study, "models", None), tuple)
    options = {
        "model": models if has_models else models[:1],
        "task": (task,),
        "problems": problems,
        "samples": samples,
    }
    for option, value in options.items():
        study = with_settings(study, {option: value}, strict=False)
    return replace(study, models=models[:1]) if name == "seeds" else study  # type: ignore[type-var]


@pytest.mark.parametrize("name", [*READING, *TRAINING])
def test_a_study_writes_its_findings_and_again_from_what_is_stored(
    name: str, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = "sudoku4" if name == "sudoku" else "signs"
    study = tiny(name, ("ladder/40k", "ladder/125k"), task, 6, 4)
    page = study.run(out / name, quiet)
    text = page.read_text(encoding="utf-8")
    data = sorted((out / name).glob("*.parquet"))
    figures = sorted((out / name).glob("*.svg"))
    assert data and figures
    assert all(path.with_suffix(".png").stat().st_size > 1000 for path in figures)
    for head in ("- The paper: ", "- Here: ", "- Holds? "):
        assert text.count(head) == len(data)
    before = {path: path.read_bytes() for path in (page, *data, *figures)}

    def refuse(*_: object, **__: object) -> Any:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr("strop.run.executors.load_engine", refuse)
    monkeypatch.setattr("strop.distill.scoring.load", refuse)
    for path in before:
        path.unlink()
    study.run(out / name, lambda line: pytest.fail(f"something was made again: {line}"))
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize("name", [*READING, *TRAINING])
def test_a_study_runs_on_a_fresh_llama_through_transformers(
    name: str, fresh: str, fresh_out: Path
) -> None:
    study = tiny(name, (fresh,), "sudoku4" if name == "sudoku" else "recall", 3, 2)
    text = study.run(fresh_out / name, quiet).read_text(encoding="utf-8")
    assert short_name(fresh) in text and "- Holds? " in text
    assert not re.search(r"\bnan\b", text, re.IGNORECASE)


@pytest.mark.parametrize("name", ["improvement", "forecast", "diversity"])
def test_a_study_of_rounds_runs_on_a_fresh_llama_and_says_that_nothing_was_kept(
    name: str, fresh: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study: Any = {
        "improvement": ImprovementStudy(
            fresh, ("recall",), (), "ladder/25k", rounds=2, seeds=1, sizes=SMALLEST
        ),
        "forecast": ForecastStudy(models=(fresh,), tasks=("recall", "signs"), sizes=SMALLEST),
        "diversity": DiversityStudy(
            fresh, "recall", ("plain", "base"), rounds=1, seeds=1, sizes=SMALLEST
        ),
    }[name]
    page = study.run(tmp_path / name, quiet)
    text = page.read_text(encoding="utf-8")
    assert "- Holds? " in text
    assert "kept no response of 6 problems: there was nothing to train on" in text
    assert not re.search(r"\bnan\b", text, re.IGNORECASE)
    monkeypatch.setattr(
        "strop.run.executors.load_engine", lambda *_, **__: pytest.fail("a model was loaded")
    )
    study.run(tmp_path / name, lambda line: pytest.fail(f"something was made again: {line}"))
    assert page.read_text(encoding="utf-8") == text


def test_quick_studies_are_smaller() -> None:
    for name in ("sharpening", "sft"):
        quick, whole = STUDIES[name].quick(), STUDIES[name]()
        for field in ("problems", "samples", "seeds"):
            assert getattr(quick, field) < getattr(whole, field)
