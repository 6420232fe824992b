"""Many models on one task: who verifies whom, and how the gap goes with pre-training compute."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import strop
from strop.cross_verification import CELL, Cross, cross
from strop.engines import Engine, load_engine
from strop.engines.llama import LlamaEngine
from strop.errors import UsageError
from strop.progress import Silent
from strop.scaling import Scale, scale

MODELS = ["ladder/40k", "ladder/125k"]
LADDER = ["ladder/40k", "ladder/125k", "ladder/250k"]
SMALL: dict[str, Any] = {"problems": 8, "samples": 4}
TASK = "signs"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("matrix")


@pytest.fixture(scope="module")
def crossed(folder: Path) -> Cross:
    return cross(MODELS, TASK, verifiers=["cot-binary"], out=folder / "cross", **SMALL)


@pytest.fixture(scope="module")
def scaled(folder: Path) -> Scale:
    return scale(LADDER, [TASK], verifiers=["mc", "logprob"], out=folder / "scale", **SMALL)


def refuse(*_: object, **__: object) -> Any:
    raise AssertionError("an engine was touched")


def test_one_cell_for_each_generator_and_judge(crossed: Cross) -> None:
    document = json.loads(json.dumps(crossed.document, allow_nan=False))
    assert json.loads((crossed.path / "cross.json").read_text()) == document
    assert document["generators"] == document["verifier_models"] == MODELS and set(
        document["accuracy"]
    ) == set(MODELS)
    places = [(cell["generator"], cell["verifier_model"]) for cell in document["cells"]]
    assert places == [(f, g) for f in MODELS for g in MODELS]
    for cell in document["cells"]:
        assert set(cell) == {"generator", "verifier_model", "verifier", "weigh", *CELL}
        assert (cell["verifier"], cell["weigh"]) == ("cot-binary", "threshold:0.5")
    gaps = [cell["gap"]["value"] for cell in document["cells"]]
    assert len(set(gaps)) > 1, "cells that are all alike show nothing"


def test_the_diagonal_is_self_verification(crossed: Cross, tmp_path: Path) -> None:
    for model in MODELS:
        own = strop.gap(
            model, TASK, verifiers=["cot-binary"], out=tmp_path / model.replace("/", "-"), **SMALL
        )
        (cell,) = [
            cell for cell in crossed.cells if cell["generator"] == cell["verifier_model"] == model
        ]
        row = own.document["verifiers"]["cot-binary"]
        assert {name: cell[name] for name in CELL} == {name: row[name] for name in CELL}


def test_off_the_diagonal_the_other_model_scored_the_same_responses(crossed: Cross) -> None:
    run = crossed.runs[0]
    assert set(run.scores) == {"cot-binary", "cot-binary--ladder-125k"}
    assert run.record["verifiers"]["cot-binary--ladder-125k"]["model"] == "ladder/125k"
    mine, theirs = (run.scores[name].select("problem", "sample") for name in run.scores)
    assert mine.equals(theirs) and not run.scores["cot-binary"].equals(
        run.scores["cot-binary--ladder-125k"]
    )


def test_all_generators_have_the_same_problems(crossed: Cross, scaled: Scale) -> None:
    for runs in (crossed.runs, scaled.runs):
        assert all(run.problems["question"].equals(runs[0].problems["question"]) for run in runs)


def test_a_finished_matrix_asks_no_model(crossed: Cross, monkeypatch: pytest.MonkeyPatch) -> None:
    before = crossed.document
    monkeypatch.setattr(LlamaEngine, "sample", refuse)
    monkeypatch.setattr(LlamaEngine, "score", refuse)
    assert (
        cross(MODELS, TASK, verifiers=["cot-binary"], out=crossed.path, **SMALL).document == before
    )


class StoppedError(Exception):
    pass


class Stopping(Silent):
    """Pulls the plug when the n-th stage begins."""

    def __init__(self, stages: int) -> None:
        self.left = stages

    def begin(self, stage: str, total: int, done: int, responses: int = 0) -> None:
        self.left -= 1
        if self.left < 0:
            raise StoppedError(stage)


@pytest.mark.parametrize("stages", [0, 2, 3, 5, 7])
def test_a_stopped_matrix_goes_on_and_gives_the_same(
    stages: int, crossed: Cross, tmp_path: Path
) -> None:
    engines = [load_engine(model) for model in MODELS]
    out = tmp_path / "cross"
    with pytest.raises(StoppedError):
        cross(engines, TASK, verifiers=["cot-binary"], out=out, watcher=Stopping(stages), **SMALL)
    assert not (out / "cross.json").exists()
    finished = cross(engines, TASK, verifiers=["cot-binary"], out=out, **SMALL)
    assert finished.cells == crossed.cells
    for one, other in zip(finished.runs, crossed.runs, strict=True):
        assert one.responses.equals(other.responses, null_equal=True)
        assert {name: frame.rows() for name, frame in one.scores.items()} == {
            name: frame.rows() for name, frame in other.scores.items()
        }


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the models that were loaded."""
    names: list[str] = []

    def count(name: str, revision: str | None = None) -> Engine:
        names.append(name)
        return load_engine(name, revision)

    monkeypatch.setattr("strop.run.executors.load_engine", count)
    return names


def test_each_model_is_loaded_once(crossed: Cross, scaled: Scale, loaded: list[str]) -> None:
    again = cross(
        [*MODELS, MODELS[0]],
        TASK,
        judges=[*MODELS, MODELS[1]],
        verifiers=["cot-binary"],
        out=crossed.path,
        **SMALL,
    )
    assert loaded == MODELS and again.cells == crossed.cells and again.judges == MODELS
    loaded.clear()
    more = scale(
        [*LADDER, LADDER[0]], [TASK, TASK], verifiers=["mc", "logprob"], out=scaled.path, **SMALL
    )
    assert loaded == LADDER and more.document == scaled.document


def test_judges_may_be_other_models(crossed: Cross, folder: Path) -> None:
    one = cross(
        MODELS[:1], TASK, judges=MODELS[1:], verifiers=["cot-binary"], out=folder / "other", **SMALL
    )
    assert one.judges == MODELS[1:] and one.cells == [crossed.cells[1]]


def test_a_verifier_is_added_to_a_finished_matrix(crossed: Cross, tmp_path: Path) -> None:
    out = tmp_path / "cross"
    first = cross(MODELS[:1], TASK, judges=MODELS, verifiers=["mc"], out=out, **SMALL)
    both = cross(MODELS[:1], TASK, judges=MODELS, verifiers=["mc", "cot-binary"], out=out, **SMALL)
    assert [cell for cell in both.cells if cell["verifier"] == "mc"] == first.cells
    assert [cell for cell in both.cells if cell["verifier"] == "cot-binary"] == crossed.cells[:2]


@pytest.mark.parametrize("verifiers", [["logprob"], ["mc", "oracle"], []], ids=str)
def test_a_verifier_that_asks_no_model_has_no_matrix(
    verifiers: list[str], loaded: list[str], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="verifiers that ask one"):
        cross(MODELS, TASK, verifiers=verifiers, out=tmp_path / "cross", **SMALL)
    assert not loaded and not (tmp_path / "cross").exists()


def test_other_questions_are_refused(crossed: Cross) -> None:
    for other in ({"problems": 9}, {"samples": 3}, {"seed": 1}):
        with pytest.raises(strop.StropError, match="holds another run"):
            cross(MODELS, TASK, verifiers=["cot-binary"], out=crossed.path, **(SMALL | other))
    with pytest.raises(strop.StropError, match="draws"):
        cross(MODELS, TASK, verifiers=["cot-binary"], draws=2, out=crossed.path, **SMALL)


def test_points_are_the_runs_own_numbers(scaled: Scale) -> None:
    document = json.loads(json.dumps(scaled.document, allow_nan=False))
    assert json.loads((scaled.path / "scale.json").read_text()) == document
    assert [(p["model"], p["verifier"]) for p in document["points"]] == [
        (m, v) for m in LADDER for v in ("mc", "logprob")
    ]
    rows = {
        (run.plan.model, name): row
        for run in scaled.runs
        for name, row in run.document["verifiers"].items()
    }
    for point in document["points"]:
        row = rows[point["model"], point["verifier"]]
        assert (point["weigh"], point["gap"], point["relative_gap"]) == (
            row["weigh"],
            row["gap"],
            row["relative_gap"],
        )
    flops = [p["pretraining"]["flops"] for p in document["points"]]
    assert flops == sorted(flops) and flops[0] > 0


def test_trends_are_lines_through_the_points_and_say_what_they_hold_for(scaled: Scale) -> None:
    assert [(family, task, verifier) for family, task, verifier, _ in scaled.trends] == [
        ("ladder", TASK, v) for v in ("mc", "logprob")
    ]
    for _, _, verifier, trend in scaled.trends:
        points = [point for point in scaled.points if point.verifier == verifier]
        x, y = (
            [np.log10(point.pretraining.flops) for point in points],
            [point.relative_gap.value for point in points],
        )
        assert trend.slope.value == pytest.approx(np.polyfit(x, np.array(y, float), 1)[0])
        assert trend.sizes == 3 and trend.seeds == (1, 1, 1) and trend.left_out == 0
        assert trend.p_rising is not None and 1 / 6 - 1e-9 <= trend.p_rising <= 1
        for estimate in (trend.slope, trend.intercept, trend.spearman, trend.kendall):
            assert "for these checkpoints only" in estimate.definition
    assert all(
        "for these checkpoints only" in trend["definition"] for trend in scaled.document["trends"]
    )


def test_given_flops_go_before_the_registry(scaled: Scale) -> None:
    flops = {"ladder/40k": 1e20, "ladder/125k": 1e21, "ladder/250k": 1e22}
    other = scale(
        LADDER, [TASK], verifiers=["mc"], flops=flops, out=scaled.path.parent / "given", **SMALL
    )
    assert [point.pretraining.flops for point in other.points] == [1e20, 1e21, 1e22]
    values = [point.relative_gap.value for point in other.points]
    slopes = [trend.slope.value for *_, trend in other.trends]
    assert sum(slope for slope in slopes if slope is not None) == pytest.approx(
        np.polyfit([20, 21, 22], np.array(values, float), 1)[0]
    )


def test_a_model_of_unknown_compute_is_refused_before_anything_is_loaded(
    loaded: list[str], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="someone/nothing"):
        scale([*MODELS, "someone/nothing"], [TASK], out=tmp_path / "scale", **SMALL)
    with pytest.raises(UsageError, match="'ladder/40', which is no --model"):
        scale(MODELS, [TASK], flops={"ladder/40": 1e20}, out=tmp_path / "scale", **SMALL)
    assert not loaded and not (tmp_path / "scale").exists()


def test_one_model_has_a_point_and_no_trend(folder: Path) -> None:
    alone = scale(MODELS[:1], [TASK], verifiers=["mc"], out=folder / "alone", **SMALL)
    (trend,) = [trend for *_, trend in alone.trends]
    assert (
        len(alone.points) == 1
        and trend.slope.value is None
        and trend.slope.why
        and trend.p_rising is None
    )
    json.dumps(alone.document, allow_nan=False)


def test_several_tasks_have_a_trend_of_their_mean(folder: Path) -> None:
    tasks = ["signs:easy", "sudoku4:easy"]
    both = scale(LADDER, tasks, verifiers=["cot-binary"], out=folder / "both", **SMALL)
    assert [task for _, task, _, _ in both.trends] == [*tasks, "mean of 2 tasks"]
    x = [np.log10(point.pretraining.flops) for point in both.points[::2]]
    means = [
        np.mean(
            [
                p.relative_gap.value
                for p in both.points
                if p.model == model and p.relative_gap.value is not None
            ]
        )
        for model in LADDER
    ]
    assert both.trends[-1][3].slope.value == pytest.approx(np.polyfit(x, means, 1)[0])
