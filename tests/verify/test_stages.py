"""All verifiers within a run: no reference reaches them; draws, and stages added later."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import strop
from strop.engines import Engine, load_engine
from strop.engines.base import cut_at_stop
from strop.run.plan import Plan
from strop.run.preview import preview
from strop.run.verification import Verification
from strop.tasks import EMBEDDED, TASKS, Task
from strop.tasks.base import Grade
from strop.verify import VERIFIERS, ChainOfThoughtBinary, Tournament, read_matches
from tests.own_rows import on_own_rows

SMALL: dict[str, Any] = {"problems": 6, "samples": 4}


@pytest.fixture(scope="module")
def engine() -> Engine:
    return load_engine("ladder/40k")


def tried(name: str) -> Task:
    """A task by name; one that is made of data on the package's own rows."""
    return on_own_rows(TASKS[name])


@pytest.mark.parametrize("name", [*EMBEDDED, "game24", "natural-questions", "qa"])
def test_scrambled_references_move_the_oracle_alone(
    name: str, engine: Engine, tmp_path: Path
) -> None:
    """End to end, every verifier.

    Utilities are inverted too, since some tasks grade by the question, whatever the reference.
    """
    task = tried(name)

    class Lying(type(task)):
        def problems(self, split: str, count: int, seed: int) -> list[strop.Problem]:
            honest = super().problems(split, count, seed)
            return [
                replace(problem, reference="?" * (1 + n % 3)) for n, problem in enumerate(honest)
            ]

        def grade(self, text: str, problem: strop.Problem) -> Grade:
            grade = super().grade(text, problem)
            return replace(grade, utility_strict=1 - grade.utility_strict, utility_flexible=1.0)

    asked = list(VERIFIERS)
    small = dict(SMALL)
    if name not in EMBEDDED:
        small |= {"shots": 0, "max_tokens": 24, "verify_max_tokens": 24}
    honest = strop.gap(engine, task, verifiers=asked, out=tmp_path / "honest", **small)
    lying = strop.gap(engine, Lying(**vars(task)), verifiers=asked, out=tmp_path / "lying", **small)
    moved = [v for v in asked if not honest.scores[v].equals(lying.scores[v], null_equal=True)]
    assert moved == ["oracle"]
    assert (
        honest.responses["utility_strict"].to_list() == honest.scores["oracle"]["score"].to_list()
    )


@pytest.mark.parametrize("name", list(TASKS))
def test_extracted_answers_know_no_reference(name: str) -> None:
    """The answers that majority votes on come from the text alone."""
    task = tried(name)
    problems = task.problems("test", 10, seed=0)
    for problem, other in pairwise(problems):
        for text in (task.gold_response(problem), task.gold_response(other), "", "7 #7"):
            grades = [
                task.grade(text, replace(problem, reference=reference))
                for reference in (problem.reference, other.reference, None, "?")
            ]
            assert len({(grade.answer_strict, grade.answer_flexible) for grade in grades}) == 1


def test_self_rewards_are_what_was_stored(engine: Engine, tmp_path: Path) -> None:
    run = strop.gap(
        engine,
        "signs",
        verifiers=["logprob", "logprob-per-token", "majority"],
        temperature=3.0,
        top_p=1.0,
        out=tmp_path / "run",
        **SMALL,
    )
    rows = run.responses.join(run.scores["logprob"], on=["problem", "sample"]).join(
        run.scores["logprob-per-token"].select("problem", "sample", each="score"),
        on=["problem", "sample"],
    )
    cut = rows["finish"] == "length"
    assert 0 < cut.sum() < len(rows)
    assert rows["score"].is_nan().to_list() == rows["each"].is_nan().to_list() == cut.to_list()
    ended = rows.filter(~cut)
    assert np.allclose(ended["score"], ended["logprob"]) and np.allclose(
        ended["each"], ended["logprob"] / ended["tokens"]
    )
    for _, rows in run.responses.join(run.scores["majority"], on=["problem", "sample"]).group_by(
        "problem"
    ):
        answers = rows["answer_strict"].to_list()
        shares = [
            0.0 if answer is None else answers.count(answer) / len(answers) for answer in answers
        ]
        assert rows["score"].to_list() == shares and rows["parsed"].to_list() == [
            answer is not None for answer in answers
        ]


def test_no_model_is_loaded_for_a_verifier_that_asks_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = strop.gap(
        "ladder/40k",
        "recall",
        verifiers=["majority"],
        verify_with="no/such/model",
        out=tmp_path / "run",
        **SMALL,
    )

    def refuse(*_: object) -> Engine:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr("strop.run.executors.load_engine", refuse)
    added = strop.add_verifier(run.path, "logprob", verify_with="no/such/model", draws=3)
    assert set(added.scores) == {"majority", "logprob"} and added.scores["logprob"][
        "draw"
    ].unique().to_list() == [0]
    assert (
        added.record["verifiers"]["logprob"] | {"model": None, "draws": 1, "fingerprint": None}
        == added.record["verifiers"]["logprob"]
    )


@pytest.mark.parametrize("verifier", ["cot-binary", "tournament"])
def test_more_draws_begin_with_the_same_first_one(
    verifier: str, engine: Engine, tmp_path: Path
) -> None:
    one, three = (
        strop.gap(
            engine, "signs", verifiers=["mc", verifier], draws=m, out=tmp_path / str(m), **SMALL
        )
        for m in (1, 3)
    )
    scores = three.scores[verifier]
    assert scores.height == 3 * one.scores[verifier].height and scores[
        "draw"
    ].unique().sort().to_list() == [0, 1, 2]
    assert scores.filter(draw=0).equals(one.scores[verifier]) and three.scores["mc"].equals(
        one.scores["mc"]
    )
    assert not scores.filter(draw=1).drop("draw").equals(one.scores[verifier].drop("draw"))
    assert {name: entry["draws"] for name, entry in three.record["verifiers"].items()} == {
        "mc": 1,
        verifier: 3,
    }
    assert three.record["asked"]["draws"] == 3


def test_a_stage_is_never_taken_for_another(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other draws or settings are refused in one line, also after an interruption."""
    run = strop.gap(
        engine, "recall", verifiers=["mc"], problems=20, samples=4, out=tmp_path / "run"
    )
    write, written = strop.run.store.RunFolder.write_part, list[Any]()

    def stop(*arguments: Any) -> None:
        if written:
            raise KeyboardInterrupt
        written.append(write(*arguments))

    monkeypatch.setattr("strop.run.store.RunFolder.write_part", stop)
    with pytest.raises(KeyboardInterrupt):
        strop.add_verifier(run.path, "tournament", draws=2, workers=1)
    monkeypatch.undo()
    for _ in range(2):
        with pytest.raises(
            strop.StropError,
            match="has scores of tournament with draws 2, and draws 1 was asked for",
        ):
            strop.add_verifier(run.path, "tournament")
        with pytest.raises(strop.StropError, match=r"with settings .*random.*both"):
            strop.add_verifier(run.path, Tournament("both"), draws=2)
        done = strop.add_verifier(run.path, "tournament", draws=2)
        assert done.scores["tournament"].height == 20 * 4 * 2
        assert done.record["verifiers"]["tournament"]["draws"] == 2 and "begun" not in done.record
    with pytest.raises(strop.StropError, match="draws 1 there, 2 asked"):
        strop.gap(
            engine,
            "recall",
            verifiers=["mc"],
            problems=20,
            samples=4,
            draws=2,
            out=tmp_path / "run",
        )


def test_bad_draws_and_two_of_one_name(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(strop.StropError, match="--draws 0: expected 1 or more"):
        strop.gap(engine, "recall", draws=0, out=tmp_path / "run", **SMALL)
    with pytest.raises(strop.StropError, match="tournament was given with two different settings"):
        strop.gap(
            engine,
            "recall",
            verifiers=["tournament", Tournament("both")],
            out=tmp_path / "run",
            **SMALL,
        )
    assert not (tmp_path / "run").exists()
    run = strop.gap(engine, "recall", verifiers=["mc", "mc"], out=tmp_path / "run", **SMALL)
    assert set(run.scores) == {"mc"}


def test_a_tournament_that_may_find_no_room_is_refused_before_anything_is_sampled(
    engine: Engine, tmp_path: Path
) -> None:
    """350 new tokens fit the solution; two responses and 350 more do not fit 1,024 positions."""
    limits = {"max_tokens": 350, "verify_max_tokens": 350}
    settings = SMALL | limits
    run = strop.gap(engine, "recall", verifiers=["mc"], out=tmp_path / "fits", **settings)
    too_long = "exceed the model's 1024 positions; .* a smaller --verify-max-tokens"
    with pytest.raises(strop.StropError, match=too_long):
        strop.gap(engine, "recall", verifiers=["tournament"], out=tmp_path / "run", **settings)
    assert not (tmp_path / "run").exists()
    assert (
        "tournament" in strop.add_verifier(run.path, "tournament").scores
    )  # its real responses are short


def test_twice_the_limit_for_two_responses() -> None:
    plan = Plan("m", TASKS["signs"]())
    assert [
        plan.verification_sampling(VERIFIERS[v]()).max_tokens for v in ("cot-binary", "tournament")
    ] == [64, 128]
    plan = replace(plan, max_tokens=5, verify_max_tokens=10)
    assert plan.verification_sampling(Tournament()).max_tokens == 10


@pytest.mark.parametrize("name", list(TASKS))
@pytest.mark.parametrize("shots", [0, 2])
def test_a_check_of_several_lines_reaches_its_verdict(name: str, shots: int) -> None:
    """A sampled check goes on to the verdict, and ends before an invented question."""
    plan, verifier = Plan("m", tried(name), shots=shots), ChainOfThoughtBinary()
    check = " The year is known.\nThe answer gives another.\nVerdict: Incorrect"
    text, stopped = cut_at_stop(
        f"{check}\n\nQuestion: who?\nVerdict: Correct", plan.verification_sampling(verifier).stop
    )
    assert stopped == bool(shots) and verifier.read(text).parsed and verifier.read(text).score == 0


def test_dry_run_counts_matches_and_draws(engine: Engine) -> None:
    plan = Plan(engine.name, TASKS["signs"](), problems=5, samples=8)
    alone, once = (preview(plan, engine, verifiers) for verifiers in ([], [Tournament()]))
    both, thrice = (
        preview(plan, engine, [Tournament("both")]),
        preview(plan, engine, [Tournament()], draws=3),
    )
    shown = preview(plan, engine, [VERIFIERS["oracle"](), VERIFIERS["logprob"](), Tournament()])
    assert once.generated_at_most - alone.generated_at_most == 5 * 7 * 128
    assert both.generated_at_most - alone.generated_at_most == 5 * 14 * 128
    assert thrice.generated_at_most - alone.generated_at_most == 5 * 21 * 128
    assert (
        set(shown.prompts) == {"solution", "tournament"}
        and "\nAnswer B: " in shown.prompts["tournament"]
    )
    assert Verification.of(VERIFIERS["mc"](), engine, 7).draws == 1


def test_position_bias_can_be_computed_from_what_is_stored(engine: Engine, tmp_path: Path) -> None:
    run = strop.gap(engine, "arithmetic", verifiers=["tournament"], out=tmp_path / "run", **SMALL)
    rows = [match for text in run.scores["tournament"]["text"] for match in read_matches(text)]
    assert (
        len(rows) == 2 * 6 * 3
        and json.loads((run.path / "run.json").read_text())["verifiers"]["tournament"]["settings"][
            "order"
        ]
        == "random"
    )
    scores: Sequence[float] = (
        run.scores["tournament"].group_by("problem").agg(pl.col("score").sum())["score"].to_list()
    )
    assert scores == [3.0] * 6  # two of four win a round, one of them another
