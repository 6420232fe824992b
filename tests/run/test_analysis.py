"""Tests of run/analysis, evidence, choice, verifier_analysis and position_bias.

The parts of an analysis agree with each other, and no engine is loaded.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import strop
from strop.engines import Engine
from strop.engines.llama import LlamaEngine
from strop.run.run import Run
from strop.verify import VERIFIERS
from tests.run.test_run import tabular

K = 6
POINTWISE = [name for name, verifier in VERIFIERS.items() if verifier.pointwise]
BLIND = [name for name, kind in VERIFIERS.items() if not (kind.sees_references or kind.control)]
PARTS = {
    "diagnosis",
    "pass_at_k",
    "diversity",
    "gap_inf",
    "sweeps",
    "lift",
    "selection",
    "selection_log_likelihood",
    "ensembles",
    "forecast",
    "choice",
    "correlations",
    "calibration",
    "definitions",
    "position_bias",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Every verifier on one small run."""
    out = tmp_path_factory.mktemp("analysis") / "run"
    return strop.gap(
        "ladder/40k", "recall", problems=12, samples=K, verifiers=list(VERIFIERS), out=out
    )


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with truncated responses: their log-probabilities are not their own."""
    out = tmp_path_factory.mktemp("analysis") / "cut"
    return strop.gap(
        "ladder/40k",
        "signs",
        problems=8,
        samples=K,
        temperature=3.0,
        top_p=1.0,
        verifiers=["mc", "logprob"],
        out=out,
    )


def estimates(document: Any) -> Iterator[dict[str, Any]]:
    """Every estimate in a nested document."""
    if isinstance(document, list):
        for item in document:
            yield from estimates(item)
    elif isinstance(document, dict):
        if "value" in document:
            yield document
        for item in document.values():
            yield from estimates(item)


def values(curve: dict[str, Any]) -> list[float]:
    return [curve[str(n)]["value"] for n in range(1, len(curve) + 1)]


def kept(run: Run, weight: str) -> dict[str, float]:
    """Kept accuracy of every verifier under a weight."""
    return {
        p.verifiers[0]: summary.estimates["accuracy_kept"].value or 0.0
        for p, summary in Run(run.path, (weight,)).summaries
    }


def test_every_part_is_there_and_estimates_json_holds_it(run: Run) -> None:
    assert set(run.analysis) == PARTS
    stored = json.loads((run.path / "estimates.json").read_text())
    assert stored["analysis"] == json.loads(json.dumps(run.analysis, allow_nan=False))
    assert set(run.analysis["selection"]) == {*POINTWISE, "majority"} and set(
        run.analysis["gap_inf"]
    ) == set(POINTWISE)
    assert (
        set(run.analysis["sweeps"]) == set(run.analysis["diagnosis"]["verifiers"]) == set(VERIFIERS)
    )
    assert set(run.analysis["position_bias"]) == {"tournament"}
    assert all(value["value"] is not None or value["why"] for value in estimates(run.analysis))


@pytest.mark.parametrize("n", [1, 3, K])
def test_best_of_n_curves_are_kept_accuracies(n: int, run: Run) -> None:
    curves, kept_by = run.analysis["selection"], kept(run, f"best-of:{n}")
    for name in POINTWISE:
        assert curves[name][str(n)]["value"] == pytest.approx(kept_by[name], abs=1e-12)


def test_curves_begin_at_accuracy_and_end_at_best_of_k(run: Run) -> None:
    curves, accuracy = run.analysis["selection"], run.accuracies["accuracy"].value
    assert all(
        len(curve) == K and curve["1"]["value"] == pytest.approx(accuracy)
        for curve in curves.values()
    )
    best = kept(run, "best-of:K")
    assert all(
        curve[str(K)]["value"] == pytest.approx(best[name]) for name, curve in curves.items()
    )
    assert np.all(np.diff(values(curves["oracle"])) >= -1e-12)
    assert len({round(value, 9) for value in values(curves["logprob"])}) > 1, (
        "a curve that does not move shows nothing"
    )


def test_pass_at_k_runs_from_accuracy_to_coverage_and_the_oracle_selects_by_it(run: Run) -> None:
    passes = values(run.analysis["pass_at_k"])
    covered = run.evidence.samples.utility_PK.max(axis=1).mean()
    assert passes[0] == pytest.approx(run.accuracies["accuracy"].value) and passes[
        -1
    ] == pytest.approx(covered)
    assert passes == pytest.approx(values(run.analysis["selection"]["oracle"]))


def test_ensembles_are_the_weights_of_the_same_spec(run: Run) -> None:
    rows = run.analysis["ensembles"]
    pairs = {spec for spec in rows if spec.count("&") == 1}
    assert pairs == {
        f"{a}@{run.default_weight(a).spec}&{b}@{run.default_weight(b).spec}"
        for a, b in combinations(BLIND, 2)
    }
    assert len(rows) == math.comb(len(BLIND), 2) + math.comb(len(BLIND), 3)
    asked = list(rows)
    for spec, row in zip(asked, Run(run.path, tuple(asked)).document["estimates"], strict=True):
        assert row["weigh"] == spec and row["verifier"] == "&".join(
            factor.split("@")[0] for factor in spec.split("&")
        )
        for quantity in ("gap", "relative_gap", "accuracy_kept", "kept_share"):
            assert rows[spec][quantity].get("value") == pytest.approx(row[quantity]["value"])
            assert rows[spec][quantity].get("low") == pytest.approx(row[quantity].get("low"))
        assert rows[spec]["with_survivors"]["value"] == pytest.approx(1 - row["no_survivor"] / 12)
        for quantity in ("auroc", "auroc_pooled"):
            assert row[quantity]["value"] is None and "no score" in row[quantity]["why"]


def test_the_oracle_is_never_compared_combined_or_chosen(run: Run) -> None:
    analysis = run.analysis
    assert [tuple(row["verifiers"]) for row in analysis["correlations"]] == list(
        combinations(BLIND, 2)
    )
    assert set(analysis["calibration"]) == set(analysis["forecast"]) == set(BLIND)
    told = json.dumps(
        [analysis[part] for part in ("ensembles", "correlations", "choice")]
        + [list(analysis["ensembles"])]
    )
    assert "oracle" not in told
    assert analysis["selection"]["oracle"] and analysis["sweeps"]["oracle"], (
        "the skyline itself is shown"
    )


def test_the_choice_is_one_of_the_swept(run: Run) -> None:
    choice, sweeps = run.analysis["choice"], run.analysis["sweeps"]
    offered = {
        f"{name}@{spec}": row["gap"]["value"]
        for name in BLIND
        for spec, row in sweeps[name].items()
    }
    assert choice["candidates"] == len(offered) and set(choice["chosen_by_fold"]) <= set(offered)
    assert offered[choice["chosen"]] == pytest.approx(max(offered.values()))
    assert choice["gap_in_sample_optimistic"]["value"] == pytest.approx(max(offered.values()))
    assert "labels" in choice["note"]


def test_defaults_are_swept_too_and_agree_with_the_table(run: Run) -> None:
    for row in run.document["estimates"]:
        assert run.analysis["sweeps"][row["verifier"]][row["weigh"]]["gap"] == row["gap"]


def test_reading_weighing_and_reporting_touch_no_engine(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = run.document

    def refuse(*_: object, **__: object) -> Engine:
        raise AssertionError("an engine was touched")

    for place in ("strop.engines.load_engine", "strop.run.executors.load_engine"):
        monkeypatch.setattr(place, refuse)
    for method in ("__init__", "sample", "score"):
        monkeypatch.setattr(LlamaEngine, method, refuse)
    again = Run(run.path)
    assert json.dumps(again.document) == json.dumps(before)
    assert "<html" in again.report().read_text()
    assert Run(run.path, ("tilt:0.5", "mc@quantile:0.5&logprob@best-of:K")).estimates.height > 0


def test_responses_without_a_score_are_counted_and_never_chosen(cut: Run) -> None:
    truncated_PK = np.isnan(cut.evidence.logprob_PK)
    count = int(truncated_PK.sum())
    assert 0 < count == cut.document["truncated"]
    rows = {row["verifier"]: row for row in cut.document["estimates"]}
    assert rows["logprob"]["left_out"] == count and rows["mc"]["left_out"] == 0
    assert (
        cut.analysis["correlations"][0]["left_out"]
        == cut.analysis["calibration"]["logprob"]["left_out"]
        == count
    )
    some_P = ~truncated_PK.all(axis=1)
    assert some_P.any()
    for spec in ("best-of:K", "best-of:2"):
        weight_PK = (
            Run(cut.path, (spec,))
            .summaries[-1][0]
            .factors[0][1](cut.evidence.judges["logprob"].score_PK, cut.evidence.samples.mask_PK)
        )
        assert (weight_PK[some_P][truncated_PK[some_P]] == 0).all()
    for n in (1, 3, K):
        assert cut.analysis["selection"]["logprob"][str(n)]["value"] == pytest.approx(
            kept(cut, f"best-of:{n}")["logprob"]
        )
    chosen = np.where(truncated_PK, -np.inf, cut.evidence.logprob_PK).max(axis=1)
    expected = chosen[some_P].mean()
    assert cut.analysis["selection_log_likelihood"]["logprob"][str(K)]["value"] == pytest.approx(
        expected
    )


@pytest.mark.parametrize(
    ("chance", "problems", "samples"),
    [(0.4, 1, 1), (0.4, 1, 5), (0.4, 6, 1), (1.0, 4, 4), (1e-12, 4, 4)],
    ids=["1x1", "1xK", "Px1", "all right", "all wrong"],
)
def test_corners_have_numbers_or_reasons(
    chance: float, problems: int, samples: int, tmp_path: Path
) -> None:
    names = [name for name in VERIFIERS if name not in ("cot-score", "cot-mc", "tournament")]
    engine = tabular(chance, problems=problems)
    run = strop.gap(
        engine,
        "recall",
        problems=problems,
        samples=samples,
        temperature=1.0,
        top_p=1.0,
        verifiers=names,
        out=tmp_path / "run",
    )
    document = json.loads(json.dumps(run.document, allow_nan=False))
    assert set(document["analysis"]) == PARTS
    found = list(estimates(document))
    assert len(found) > 100
    for value in found:
        assert value["value"] is not None or value["why"], value
        assert value["value"] is None or value["low"] is not None or value["why"], value
    if chance in (1.0, 1e-12):
        right = round(chance)
        assert (
            set(values(document["analysis"]["pass_at_k"]))
            == set(values(document["analysis"]["selection"]["majority"]))
            == {right}
        )
        assert document["analysis"]["diagnosis"]["improvable"]["value"] == 0
