"""A new trainer and a new method are one line in each registry, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("trl")

from safetensors.numpy import load_file

from strop.distill import TRAINERS, Preference, Row, Trainer
from strop.distill.settings import at_least
from strop.engines import model_folder
from strop.errors import UsageError
from strop.improvement.course import Course
from strop.improvement.methods import METHODS, Method
from strop.improvement.rounds import improve
from strop.tasks import Recall

MODEL = "ladder/25k"
SMALL: dict[str, Any] = {"train_problems": 24, "problems": 16, "samples": 8}


@dataclass(frozen=True, kw_only=True)
class Ipo(Trainer):
    """Identity Preference Optimization: a squared loss on the margin of a pair."""

    name: ClassVar[str] = "ipo"
    row: ClassVar[type[Row]] = Preference
    needs_base: ClassVar[bool] = True

    tau: float = at_least(0, default=0.1)

    def numbers(self, rows: Sequence[Preference]) -> list[float]:
        return [0.0] * len(rows)

    def loop(self, parts: Any) -> Any:
        from strop.distill.hf_trainers import preference_loop

        return preference_loop(parts, self.tau, {"ipo": 1.0})


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The two lines that a contributor adds."""
    monkeypatch.setitem(TRAINERS, Ipo.name, Ipo)
    monkeypatch.setitem(METHODS, "ipo", Method("ipo", Ipo, "majority"))


def test_registries_take_their_keys_from_the_classes() -> None:
    assert all(name == trainer.name for name, trainer in TRAINERS.items())
    assert all(name == method.name for name, method in METHODS.items())
    without_method = set(TRAINERS.values()) - {method.trainer for method in METHODS.values()}
    assert not without_method, f"add a line to METHODS for {without_method}"


@pytest.mark.usefixtures("registered")
def test_a_new_preference_trainer_runs_a_round(tmp_path: Path) -> None:
    settings = {"steps": 3, "batch_size": 8, "tau": 0.2}
    course = Course(MODEL, Recall(), "ipo", pairs=2, settings=settings, **SMALL)
    assert course.trainer == Ipo(tau=0.2, learning_rate=3e-4, batch_size=8, steps=3)
    result = improve(course, out=tmp_path / "run")
    rows = result.rounds[0].training_rows
    assert rows is not None and all(isinstance(row, Preference) for row in rows.rows)
    assert result.document["rounds"][0]["trained_on"]["rows"] == len(rows.rows) > 0
    before = load_file(model_folder(MODEL) / "model.safetensors")
    after = load_file(tmp_path / "run" / "round-1" / "model" / "model.safetensors")
    assert any(not np.array_equal(before[name], after[name]) for name in before)


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"settings": {"tau": -1}}, "ipo: tau is -1; expected a finite number, at least 0"),
        ({"samples": 1}, "--method ipo compares two responses to a problem; ask for 2 or more"),
        ({"settings": {"beta": 1}}, "--method ipo: its trainer has no such setting"),
    ],
)
def test_bad_settings_are_refused_before_anything_is_sampled(
    change: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        Course(**({"model": MODEL, "task": Recall(), "method": "ipo"} | change))
