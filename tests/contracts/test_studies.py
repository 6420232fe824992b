"""What every study promises. Longer runs of the same studies are in tests/studies."""

from __future__ import annotations

import re
from dataclasses import FrozenInstanceError, fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from strop.cli.study import with_settings
from strop.engines import load_engine
from strop.studies import STUDIES, Study
from strop.studies.frame.cost import cost_of, total
from strop.studies.frame.runs import Runs, merge_specs
from tests.studies.frame.tiny_study import quiet

READING = [name for name, study in STUDIES.items() if "findings" in vars(study)]
"""Studies whose findings follow from stored runs alone."""
ANY_MODEL = [name for name in STUDIES if name != "ladder"]
"""All but the study whose models are folders of trained models; tests/studies has its costs."""
every_study = pytest.mark.parametrize("study", STUDIES.values(), ids=list(STUDIES))


def no_engine(*_: object, **__: object) -> Any:
    raise AssertionError("a model was loaded")


def embedded_only(name: str) -> Any:
    """Load a small judge that a study names itself; the model of --model is never loaded."""
    assert name.startswith("ladder/"), f"{name} was loaded"
    return load_engine(name)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all studies, so that they share runs."""
    return tmp_path_factory.mktemp("studies")


@every_study
def test_name_and_description(study: type[Study]) -> None:
    assert STUDIES[study.name] is study
    assert re.fullmatch(r"[a-z]+", study.name)
    assert study.description and "\n" not in study.description
    assert not study.description.endswith("."), "the page adds the point"
    assert study.__doc__


@every_study
def test_settings_are_frozen_and_shown(study: type[Study]) -> None:
    default: Any = study()
    assert is_dataclass(default) and default == study()
    with pytest.raises(FrozenInstanceError):
        default.seed = 1
    for field in fields(default):
        assert f"{field.name.replace('_', ' ')}: " in default.setting


@every_study
def test_the_quick_version_is_the_same_study_and_smaller(study: type[Study]) -> None:
    default: Any = study()
    quick: Any = study.quick()
    assert type(quick) is study and quick != default
    for field in fields(default):
        small, large = getattr(quick, field.name), getattr(default, field.name)
        if isinstance(large, tuple):
            small, large = len(small), len(large)
        if isinstance(large, int | float):
            assert small <= large, field.name


@pytest.mark.parametrize("name", ANY_MODEL)
def test_costs_are_counted_without_a_model(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strop.run.executors.load_engine", no_engine)
    monkeypatch.setattr("strop.studies.frame.cost.load_engine", embedded_only)
    study = with_settings(STUDIES[name].quick(), {"model": ("7B",)}, strict=False)
    wanted = study.wanted()
    assert len({spec.folder for spec in merge_specs(wanted)}) == len(merge_specs(wanted))
    cost = total([cost_of(wanted), *study.besides()])
    if study.beyond and not wanted:
        assert cost.runs == 0, "a study counts what it can, and names the rest"
    else:
        assert cost.runs and cost.responses and cost.flops_at_most
        assert cost.seconds_at_most is None, "nothing is known of the speed of a size"


@pytest.mark.parametrize("name", READING)
def test_findings_follow_from_stored_runs(
    name: str, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"model": ("ladder/25k",), "problems": 3, "samples": 2}
    study = with_settings(STUDIES[name].quick(), given, strict=False)
    runs = Runs(out / "runs", quiet)
    runs.make(study.wanted())
    monkeypatch.setattr("strop.run.executors.load_engine", no_engine)
    findings = list(study.findings(runs))
    assert findings
    assert len({finding.name for finding in findings}) == len(findings)
    for finding in findings:
        assert re.fullmatch(r"[A-Za-z0-9-]+", finding.name), "it names files"
        assert finding.title and finding.data.width
        for sentence in (finding.paper, finding.seen, finding.holds):
            assert sentence.strip().endswith("."), sentence


def test_a_study_has_findings_or_a_run_of_its_own() -> None:
    for study in STUDIES.values():
        assert ("findings" in vars(study)) != ("run" in vars(study))
