"""Tests of run/part_size: expensive problems make small parts, which resume as they were begun."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import strop
from strop.engines import load_engine
from strop.errors import CorruptPartError
from strop.run.part_size import part_size
from strop.run.plan import Plan
from strop.run.run import Run
from strop.run.store import PART_PROBLEMS
from strop.run.verification import Verification
from strop.tasks import Recall
from strop.verify import find_verifier


def test_parts_shrink_with_the_cost_of_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = load_engine("ladder/40k")
    plan = Plan("m", Recall(), samples=32, max_tokens=100)
    assert part_size(plan, engine) == PART_PROBLEMS, "embedded models keep their parts"
    flops = plan.samples * engine.response_flops(0, 100)
    for minutes, size in ((1 / 16, 16), (1 / 15, 8), (1 / 8, 8), (0.3, 2), (1, 1), (50, 1)):
        monkeypatch.setattr(engine, "flops_per_second", flops / (60 * minutes))
        monkeypatch.setattr(engine, "least_rows", 32)
        assert part_size(plan, engine) == size
    monkeypatch.setattr(engine, "least_rows", 128)
    assert part_size(plan, engine) == 4, "a part keeps enough rows to be fast"
    check = Verification.of(find_verifier("cot-binary"), engine, 1, max_tokens=10_000)
    monkeypatch.setattr(engine, "flops_per_second", flops / (60 / 16))
    assert part_size(plan, engine) == 16 > part_size(plan, engine, [check]), "checks count too"


def test_a_run_keeps_the_parts_that_it_was_begun_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows are those of a run with other parts; resuming and verifying read the record."""
    engine = load_engine("ladder/40k")
    settings = {"problems": 5, "samples": 2, "verifiers": ["mc"]}
    whole = strop.gap(engine, "recall", out=tmp_path / "whole", **settings)
    monkeypatch.setattr(engine, "flops_per_second", 1.0)
    monkeypatch.setattr(engine, "least_rows", 4)
    small = strop.gap(engine, "recall", out=tmp_path / "small", **settings)
    assert (whole.record["problems_per_part"], small.record["problems_per_part"]) == (16, 2)
    assert whole.record["asked"] == small.record["asked"]
    assert len(list((small.path / "responses").iterdir())) == small.plan.parts == 3
    assert small.responses.drop("logprob").equals(whole.responses.drop("logprob"))
    (small.path / "responses" / "part-00001.parquet").unlink()
    monkeypatch.undo()
    resumed = strop.gap(engine, "recall", out=tmp_path / "small", **settings)
    assert resumed.responses.drop("logprob").equals(whole.responses.drop("logprob"))
    added = strop.add_verifier(small.path, "cot-binary")
    assert len(list((added.path / "scores" / "cot-binary").iterdir())) == 3


def test_a_record_of_before_has_parts_of_sixteen_and_a_wrong_one_is_named(tmp_path: Path) -> None:
    run = strop.gap("ladder/40k", "recall", problems=17, samples=1, out=tmp_path / "run")
    path = run.path / "run.json"
    record = json.loads(path.read_text())
    del record["problems_per_part"]
    path.write_text(json.dumps(record))
    assert Run(run.path).plan.parts == 2
    path.write_text(json.dumps(record | {"problems_per_part": 0}))
    with pytest.raises(CorruptPartError, match="problems_per_part is 0, expected 1 or more"):
        _ = Run(run.path).plan
