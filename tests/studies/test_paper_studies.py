"""Every study of the papers' figures, small: on embedded models, and on a freshly initialised Llama through transformers."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from strop.cli.study import asked
from strop.measure import estimate, resample_counts
from strop.measure.gap import gap
from strop.run.run import Run
from strop.studies import STUDIES
from strop.studies.compute import Option, frontier
from strop.studies.draws import gaps_by_draws
from strop.studies.frame.base import Study
from strop.studies.frame.numbers import counts, gaps, scores_PKM, short, side, tally
from strop.studies.frame.runs import Runs, RunSpec
from strop.studies.scaling import ScalingStudy, compute_of
from strop.studies.seeds import chi_square, components
from strop.studies.sudoku import SudokuStudy, _blanks
from strop.studies.thresholds import Curve, curve, shape, transfer
from strop.studies.verifiers import rank_correlation

READING = (
    "scaling",
    "cross",
    "recall",
    "sudoku",
    "thresholds",
    "verifiers",
    "ensembles",
    "temperature",
    "draws",
    "compute",
    "sharpening",
)
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


def quiet(_: str) -> None:
    """Nobody listens."""


def tiny(name: str, models: tuple[str, ...], task: str, problems: int, samples: int) -> Study:
    """As the command line would set it; a study of one model gets the first."""
    study = replace(STUDIES[name].quick(), **TINY.get(name, {}))  # type: ignore[type-var]
    for option, value in {
        "model": models,
        "task": (task,),
        "problems": problems,
        "samples": samples,
    }.items():
        fits = (
            value
            if option != "model" or isinstance(getattr(study, "models", None), tuple)
            else value[:1]
        )
        study = asked(study, {option: fits}, strict=False)
    return replace(study, models=models[:1]) if name == "seeds" else study  # type: ignore[type-var]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all, so that runs are shared."""
    return tmp_path_factory.mktemp("studies")


@pytest.mark.parametrize("name", [*READING, *TRAINING])
def test_a_study_writes_its_findings_and_again_from_what_is_stored(
    name: str, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = tiny(
        name, ("ladder/40k", "ladder/125k"), "sudoku4" if name == "sudoku" else "signs", 6, 4
    )
    page = study.run(out / name, quiet)
    text = page.read_text(encoding="utf-8")
    data, figures = sorted((out / name).glob("*.parquet")), sorted((out / name).glob("*.svg"))
    assert (
        data and figures and all(path.with_suffix(".png").stat().st_size > 1000 for path in figures)
    )
    assert (
        text.count("- The paper: ")
        == text.count("- Here: ")
        == text.count("- Holds? ")
        == len(data)
    )
    before = {path: path.read_bytes() for path in (page, *data, *figures)}

    def refuse(*_: object, **__: object) -> Any:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr("strop.run.executors.load_engine", refuse)
    monkeypatch.setattr("strop.distill.scoring.load", refuse)
    for path in before:
        path.unlink()
    study.run(out / name, lambda line: pytest.fail(f"something was made again: {line}"))
    assert {path: path.read_bytes() for path in before} == before


@pytest.fixture(scope="module")
def fresh_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fresh-studies")


@pytest.mark.parametrize("name", [*READING, *TRAINING])
def test_a_study_runs_on_a_fresh_llama_through_transformers(
    name: str, fresh: str, fresh_out: Path
) -> None:
    study = tiny(name, (fresh,), "sudoku4" if name == "sudoku" else "recall", 3, 2)
    text = study.run(fresh_out / name, quiet).read_text(encoding="utf-8")
    assert short(fresh) in text and "- Holds? " in text
    assert not re.search(r"\bnan\b", text, re.IGNORECASE)


# --- what they compute ---


@pytest.fixture(scope="module")
def judged(out: Path) -> Run:
    wanted = RunSpec("ladder/125k", "signs", ("cot-binary",), draws=3, problems=12, samples=6)
    runs = Runs(out / "runs", quiet)
    runs.make([wanted])
    return runs.run(wanted)


def test_the_gap_by_draws_is_the_gap_of_each_draw_and_of_their_mean(judged: Run) -> None:
    samples, weight = judged.evidence.samples, judged.default_weight("cot-binary")
    scores = scores_PKM(judged, "cot-binary")
    assert scores.shape == (12, 6, 3) and set(np.unique(scores)) <= {0.0, 1.0}
    found = gaps_by_draws(judged, "cot-binary")
    single = [
        gap(samples.utility_PK, weight(scores[:, :, m], samples.mask_PK), samples.mask_PK).value
        for m in range(3)
    ]
    assert found[1].value == pytest.approx(np.mean(single)) and len(found) == 3
    assert found[3].value == pytest.approx(gaps(judged, "cot-binary")["gap"].value), (
        "the stored score is the mean of all draws"
    )
    two = weight(scores[:, :, :2].mean(axis=2), samples.mask_PK)
    assert found[2].value == pytest.approx(gap(samples.utility_PK, two, samples.mask_PK).value), (
        "one disjoint pair of three"
    )


def test_where_nothing_is_filtered_the_gap_is_unknown(judged: Run) -> None:
    nothing = gaps(judged, "cot-binary", "threshold:2")
    found = estimate(nothing["gap"], judged.counts_BP)
    assert found.value is None and "no response to any problem was kept" in str(found.why)
    assert counts(judged, "cot-binary", "threshold:2")["no_survivor"] == 12


def made_up(
    run: Run, means: list[float], problems: int = 12, noise: float = 0.05, seed: int = 0
) -> Curve:
    """Gaps around these means at thresholds 0.1, 0.2, .."""
    rng = np.random.default_rng(seed)
    gap_PT = np.array(means) + noise * rng.standard_normal((problems, 1))
    counts_BP = run.counts_BP
    ratios = [estimate(_ratio(gap_PT[:, t]), counts_BP) for t in range(len(means))]
    return Curve(run, np.arange(1, len(means) + 1) / 10, gap_PT, ratios)


def _ratio(value_P: np.ndarray) -> Any:
    from strop.measure.gap import mean_over_problems

    return mean_over_problems(value_P, "gap", (-1.0, 1.0))


def test_shapes_of_curves(judged: Run) -> None:
    assert shape(made_up(judged, [0.1, 0.3, 0.5])) == "rising"
    assert shape(made_up(judged, [0.1, 0.5, 0.3])) == "concave"
    assert shape(made_up(judged, [0.5, 0.3, 0.1])) == "falling"
    assert shape(made_up(judged, [0.0, 0.001, 0.0], noise=0.2)) == "flat"
    assert shape(made_up(judged, [0.5, 0.6])) == "no curve"


def test_a_threshold_from_another_model_costs_what_it_is_worse_by(judged: Run) -> None:
    own, other = made_up(judged, [0.1, 0.5, 0.3]), made_up(judged, [0.1, 0.3, 0.5], seed=1)
    loss, value = transfer(other, own)
    assert value.value == pytest.approx(own.gap_PT[:, 1].mean()) and loss.value == pytest.approx(
        0.3 - 0.5
    )
    assert side(loss) == -1
    unknown, _ = transfer(made_up(judged, [0.1]), own)
    assert unknown.value is None and unknown.why == "too few thresholds to choose from"
    same, _ = transfer(own, own)
    assert same.value == same.low == same.high == 0


def test_curves_hold_the_default_sweep(judged: Run) -> None:
    found = curve(judged, "cot-binary")
    assert all(0 < threshold < 1 for threshold in found.threshold_T) and found.gap_PT.shape == (
        12,
        len(found.threshold_T),
    )


def test_the_best_for_a_budget_is_affordable_and_best(judged: Run) -> None:
    values = {"poor": (1.0, 0.2), "good": (10.0, 0.6), "waste": (20.0, 0.4), "rich": (100.0, 0.9)}
    options = [
        Option(name, "kind", "model", cost, np.full(12, value))
        for name, (cost, value) in values.items()
    ]
    found = frontier(judged, options, (0.0, 1.0))
    assert found[0][0] == pytest.approx(1) and found[-1][0] == pytest.approx(100)
    for budget, label, value in found:
        affordable = {
            name: value for name, (cost, value) in values.items() if cost <= budget * 1.000001
        }
        assert label == max(
            affordable, key=lambda name: affordable[name]
        ) and value.value == pytest.approx(values[label][1])


def test_chi_square_is_that_of_the_tables() -> None:
    tables = {
        (0.025, 2): 0.0506,
        (0.975, 2): 7.378,
        (0.025, 1): 0.000982,
        (0.975, 1): 5.024,
        (0.025, 8): 2.180,
        (0.975, 8): 17.535,
        (0.025, 4): 0.484,
        (0.975, 199): 239.96,
    }
    for (p, freedom), value in tables.items():
        assert chi_square(p, freedom) == pytest.approx(value, rel=2e-3), (p, freedom)


class MadeUp:
    """As much of a run as the sources of noise read."""

    def __init__(self, utility_PK: np.ndarray) -> None:
        self.evidence = self.samples = self
        self.utility_PK, self.mask_PK = utility_PK, np.ones(utility_PK.shape, bool)


def test_sources_of_noise_are_told_apart() -> None:
    """200 simulated studies: problems differ by 0.2, draws of data by 0.05, trainings by 0.03."""
    rng, problems = np.random.default_rng(0), 60
    variances: dict[str, list[float]] = {}
    for _ in range(200):
        of_problem = 0.5 + 0.2 * rng.standard_normal(problems)
        fits = {}
        for draw in range(4):
            of_draw = 0.05 * rng.standard_normal()
            for training in range(4):
                chance_P = of_problem + of_draw + 0.03 * rng.standard_normal()
                fits[draw, training] = MadeUp(
                    np.repeat(chance_P[:, None], 2, axis=1)
                    + 0.1 * rng.standard_normal((problems, 2))
                )
        base: Any = MadeUp(np.repeat(of_problem[:, None], 2, axis=1))
        for name, value in components(base, fits).items():  # type: ignore[arg-type]
            variances.setdefault(name, []).append((value.value or 0.0) ** 2)
    found = {name: float(np.mean(values)) ** 0.5 for name, values in variances.items()}
    assert found["problems"] == pytest.approx(
        (0.2**2 + 0.1**2 / 2) ** 0.5 / problems**0.5, rel=0.05
    )
    assert found["samples"] == pytest.approx(0.1 / 2**0.5 / problems**0.5, rel=0.05)
    assert found["training"] == pytest.approx(0.03, rel=0.1) and found["data"] == pytest.approx(
        0.05, rel=0.15
    )


def test_every_puzzle_counts_under_its_number_of_blanks(out: Path) -> None:
    study = SudokuStudy(
        models=("ladder/40k",),
        tasks=("sudoku4:easy", "sudoku4"),
        verifiers=("mc",),
        problems=8,
        samples=2,
    )
    runs = Runs(out / "runs", quiet)
    runs.make(study.wanted())
    [finding] = study.findings(runs)
    kinds = [blank for wanted in study.wanted() for blank in _blanks(runs.run(wanted))]
    data = finding.data.filter(pl.col("quantity") == "accuracy")
    assert dict(data.select("blanks", "n").rows()) == {
        blank: kinds.count(blank) for blank in set(kinds)
    }
    assert {4, 5, 6, 7, 8, 9} >= {int(blank) for blank in kinds}
    value = sum(row["value"] * row["n"] for row in data.iter_rows(named=True)) / 16
    whole = np.mean([runs.run(wanted).accuracies["accuracy"].value for wanted in study.wanted()])
    assert value == pytest.approx(whole)


def test_rank_correlation_of_three_models_is_a_permutations(out: Path) -> None:
    models = ("ladder/40k", "ladder/125k", "ladder/250k")
    wanted = [RunSpec(model, "signs", ("cot-binary",), problems=6, samples=4) for model in models]
    runs = Runs(out / "runs", quiet)
    runs.make(wanted)
    found = rank_correlation([runs.run(one) for one in wanted], "cot-binary")
    assert found.value is None or any(
        found.value == pytest.approx(rho) for rho in (-1, -0.866, -0.5, 0, 0.5, 0.866, 1)
    )
    assert rank_correlation([runs.run(one) for one in wanted[:2]], "cot-binary").value is None


def test_a_model_of_unknown_compute_is_named_and_stays_out_of_the_trend(
    fresh: str, fresh_out: Path
) -> None:
    known, unknown = compute_of(("ladder/40k", fresh), ())
    assert set(known) == {"ladder/40k"} and unknown == [fresh]
    given, nothing = compute_of((fresh,), (f"{fresh}=1e9",))
    assert given[fresh].flops == 1e9 and nothing == []
    study = ScalingStudy(
        models=(fresh,), tasks=("recall",), verifiers=("mc",), problems=3, samples=2
    )
    text = study.run(fresh_out / "scaling", quiet).read_text(encoding="utf-8")
    assert f"Of unknown compute, not in the figure: {fresh}" in text and "![" not in text


def test_a_tally_says_what_chance_would_bring() -> None:
    counts_BP = resample_counts(50, 0)
    above = estimate(_ratio(0.5 + 0.1 * np.random.default_rng(0).standard_normal(50)), counts_BP)
    assert (
        tally([above] * 40)
        == "40 of 40 intervals lie above zero, 0 below (about 1.0 of each would by chance if there were nothing)"
    )
