"""frame/runs.py: runs that studies share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from strop.run.gap import sample
from strop.studies.frame.runs import Runs, RunSpec, merge_specs
from tests.studies.frame.tiny_study import SMALL, quiet


def test_runs_are_shared_and_nothing_is_sampled_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    real = sample
    monkeypatch.setattr(
        "strop.studies.frame.runs.sample",
        lambda *args, **options: calls.append(str(options["out"].name)) or real(*args, **options),
    )
    once = RunSpec("ladder/25k", "signs", ("mc",), **SMALL)
    more = replace(once, verifiers=("cot-binary",))
    several = replace(once, verifiers=("cot-binary",), draws=3)
    runs = Runs(tmp_path, quiet)
    runs.make([once, several])
    runs.make([more])
    assert calls == [once.folder]
    assert once.folder == more.folder != several.folder
    first, third = runs.run(more), runs.run(several)
    assert set(first.scores) == {"mc", "cot-binary"} and set(third.scores) == {"cot-binary"}
    assert first.responses.equals(third.responses)
    drawn = third.scores["cot-binary"]
    assert drawn.height == 3 * first.responses.height
    assert drawn.filter(pl.col("draw") == 0).equals(first.scores["cot-binary"]), (
        "the first draw is the one there was"
    )


def test_what_differs_has_a_folder_of_its_own() -> None:
    base = RunSpec("ladder/25k", "signs", **SMALL)
    changes: list[dict[str, Any]] = [
        {"model": "ladder/40k"},
        {"task": "signs:hard"},
        {"problems": 6},
        {"samples": 4},
        {"temperature": 1.0},
        {"top_p": 1.0},
        {"seed": 1},
        {"split": "train"},
        {"draws": 2},
    ]
    folders = [base.folder, *(replace(base, **change).folder for change in changes)]
    assert len(set(folders)) == len(folders)
    both = merge_specs(
        [
            replace(base, verifiers=("mc",)),
            replace(base, verifiers=("cot-binary", "mc"), judged_by=("ladder/40k",)),
        ]
    )
    assert [(one.verifiers, one.judged_by) for one in both] == [
        (("mc", "cot-binary"), ("ladder/40k",))
    ]


def test_a_stopped_run_goes_on(tmp_path: Path) -> None:
    wanted = RunSpec("ladder/25k", "signs", ("mc",), problems=20, samples=2)
    runs = Runs(tmp_path / "whole", quiet)
    runs.make([wanted])
    whole = runs.run(wanted)
    broken = Runs(tmp_path / "broken", quiet)
    broken.make([replace(wanted, verifiers=())])
    (tmp_path / "broken" / wanted.folder / "responses/part-00001.parquet").unlink()
    broken.make([wanted])
    (tmp_path / "broken" / wanted.folder / "scores/mc/part-00001.parquet").unlink()
    again = Runs(tmp_path / "broken", quiet)
    again.make([wanted])
    assert again.run(wanted).responses.equals(whole.responses) and again.run(wanted).scores[
        "mc"
    ].equals(whole.scores["mc"])
