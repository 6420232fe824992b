"""What may be asked of a course, what of the kept responses is trained on, and what is mixed in."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import strop
from strop.distill import Weighted
from strop.engines import model_folder
from strop.errors import UsageError
from strop.improvement.course import Course
from strop.improvement.replay import Replay, documents, mixed
from strop.improvement.rounds import improve
from strop.improvement.training_rows import Keeping, unfiltered, weighted
from strop.run.run import Run
from strop.tasks import Recall

MODEL = "ladder/25k"
SMALL: dict[str, Any] = {
    "train_problems": 24,
    "problems": 16,
    "samples": 8,
    "settings": {"steps": 3, "batch_size": 8},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Samples of several answers each, and a verifier that keeps some of them."""
    out = tmp_path_factory.mktemp("course") / "run"
    return strop.gap(
        "ladder/40k",
        "arithmetic:easy",
        verifiers=["majority", "chance"],
        problems=24,
        samples=8,
        out=out,
        temperature=1.0,
    )


def rows_of(run: Run, keeping: Keeping | None = None) -> Sequence[Weighted]:
    return [
        row
        for row in weighted(run, run.evidence.weights["chance"], keeping or Keeping()).rows
        if isinstance(row, Weighted)
    ]


def by_problem(rows: Sequence[Weighted]) -> dict[str, list[Weighted]]:
    found = defaultdict(list)
    for row in rows:
        found[row.problem].append(row)
    return found


def test_a_cap_keeps_that_many_of_each_problem_and_its_weight(run: Run) -> None:
    every, capped = by_problem(rows_of(run)), by_problem(rows_of(run, Keeping(cap=2)))
    assert every.keys() == capped.keys() and max(map(len, every.values())) > 2
    for problem, rows in capped.items():
        assert len(rows) == min(2, len(every[problem])) and sum(
            row.weight for row in rows
        ) == pytest.approx(1)
        assert {row.token_ids for row in rows} <= {row.token_ids for row in every[problem]}
    assert rows_of(run, Keeping(cap=2)) == rows_of(run, Keeping(cap=2))


def test_distinct_takes_one_of_each_answer_or_text(run: Run) -> None:
    answers = {
        (row["problem"], tuple(row["token_ids"])): row["answer_strict"]
        for row in run.responses.iter_rows(named=True)
    }
    for problem, rows in by_problem(rows_of(run, Keeping(distinct="answer"))).items():
        assert max(Counter(answers[problem, row.token_ids] for row in rows).values()) == 1
    for rows in by_problem(rows_of(run, Keeping(distinct="text"))).values():
        assert max(Counter(row.token_ids for row in rows).values()) == 1
    assert (
        len(rows_of(run, Keeping(distinct="answer")))
        <= len(rows_of(run, Keeping(distinct="text")))
        < len(rows_of(run))
    )


def test_balance_weighs_problems_by_what_they_kept(run: Run) -> None:
    kept = {problem: len(rows) for problem, rows in by_problem(rows_of(run)).items()}
    assert len(set(kept.values())) > 1
    for balance, expected in (
        ("problems", lambda n: 1.0),
        ("responses", float),
        ("hard", lambda n: 8 / n),
    ):
        sums = {
            p: sum(row.weight for row in rows)
            for p, rows in by_problem(rows_of(run, Keeping(balance=balance))).items()
        }  # type: ignore[arg-type]
        assert sums == pytest.approx({problem: expected(n) for problem, n in kept.items()})


def test_replay_has_its_share_of_the_weight(run: Run) -> None:
    own, pool = rows_of(run), unfiltered(run)
    assert sum(row.weight for row in pool) == pytest.approx(24)
    base, other = Replay("base", 0.25), Replay("earlier", 0.25)
    rows = mixed(own, [(base, pool), (other, own)], seed=0)
    weight = [row.weight for row in rows]
    assert rows[: len(own)] == own and len(rows) == 2 * len(own)
    assert sum(weight[len(own) :]) == pytest.approx(sum(weight[: len(own)]))
    assert (
        mixed(own, [(base, pool)], seed=0)
        == mixed(own, [(base, pool)], seed=0)
        != mixed(own, [(base, pool)], seed=1)
    )
    assert mixed(own, [(other, [])], seed=0) == own


def test_documents_are_those_of_pre_training_as_the_model_reads_them(tmp_path: Path) -> None:
    folder = model_folder(MODEL)
    rows = documents(Replay("verification", 0.5), folder, 60, seed=0)
    assert len(rows) == 60 and {row.problem.rsplit("-", 1)[1] for row in rows} <= {
        "mc",
        "binary",
        "score",
        "tournament",
    }
    assert any(
        "solution" in row.problem for row in documents(Replay("corpus", 0.5), folder, 60, seed=0)
    )
    engine = strop.load_engine(MODEL)
    text = engine.tokenizer.decode(list(rows[0].token_ids))  # type: ignore[attr-defined]
    assert text and rows[0].prompt
    own = tmp_path / "mine.jsonl"
    own.write_text(json.dumps({"prompt": "1+1=", "response": "2"}) + "\n")
    assert [
        (row.prompt, row.token_ids[-1])
        for row in documents(Replay(str(own), 0.5), folder, 1, seed=0)
    ] == [("1+1=", 2)]
    for line in ("{", "[]", '{"prompt": "x"}', '{"prompt": "", "response": "y"}'):
        own.write_text(line)
        with pytest.raises(
            UsageError,
            match=r'mine.jsonl, line 1: expected {"prompt": "...", "response": "..."} with text in both',
        ):
            documents(Replay(str(own), 0.5), folder, 1, seed=0)


@pytest.mark.parametrize(
    "change",
    [
        {"filter_by": "chance"},
        {"filter_by": "mc@quantile:0.5&majority@quantile:0.5"},
        {"filter_by": "mc@tilt:1"},
        {"verify_with": "ladder/40k"},
        {"keeping": Keeping(cap=1)},
        {"train_temperature": 1.3},
        {"train_samples": 4},
        {"replay": (Replay("base", 0.3), Replay("verification", 0.2))},
        {"settings": {"steps": 3, "batch_size": 8, "base_kl": 2.0}},
    ],
)
def test_every_option_runs_a_round_and_changes_the_model(
    change: dict[str, Any], tmp_path: Path
) -> None:
    usual = SMALL | {"filter_by": "mc"}
    plain = improve(Course(MODEL, Recall(), **usual), out=tmp_path / "plain")
    found = improve(Course(MODEL, Recall(), **usual | change), out=tmp_path / "changed")
    first, last = found.document["rounds"]
    weights = [
        load_file(one.rounds[1].held_out.path.parent / "model" / "model.safetensors")
        for one in (plain, found)
    ]
    assert any(not np.array_equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert {"gap", "gap_base_verifier", "gap_filter"} <= last.keys()
    assert (first["trained_on"]["replayed"] > 0) == ("replay" in change)
    if change.get("filter_by") == "chance":
        assert found.document["verifier"] == "cot-binary@threshold:0.5"
        assert first["gap"] != first["gap_filter"]


def test_a_fixed_verifier_filters_every_round(tmp_path: Path) -> None:
    course = replace(
        Course(MODEL, Recall(), filter_by="mc", verify_with="ladder/40k", **SMALL), rounds=2
    )
    found = improve(course, out=tmp_path / "run")
    for one in found.rounds[:2]:
        assert one.train.record["verifiers"].keys() == {"mc--ladder-40k"}
    assert found.rounds[2].train.record["verifiers"] == {}
    assert found.rounds[1].held_out.record["verifiers"].keys() == {
        "mc",
        "mc--ladder-25k",
        "mc--ladder-40k",
    }


def test_the_base_models_log_probability_is_the_frozen_self_reward(tmp_path: Path) -> None:
    found = improve(Course(MODEL, Recall(), "sft-sharpen", **SMALL), out=tmp_path / "run")
    last = found.rounds[1].held_out.record["verifiers"]
    assert set(last) == {"logprob", "likelihood--ladder-25k"}
    assert found.document["rounds"][1]["gap_base_verifier"]["value"] is not None


def test_usage_tells_what_the_fit_cost(tmp_path: Path) -> None:
    found = improve(
        Course(MODEL, Recall(), filter_by="mc", **SMALL), out=tmp_path / "run"
    ).document["rounds"]
    fit = found[0]["usage_by_stage"]["fit"]
    assert (
        fit["flops"] > 0 and fit["generated_tokens"] > 0 and "fit" not in found[1]["usage_by_stage"]
    )
    assert found[0]["usage"]["flops"] == pytest.approx(
        sum(part["flops"] for part in found[0]["usage_by_stage"].values())
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"filter_by": "mc@quantile:0.5&mc@quantile:0.7"},
            "a verifier is named twice; name each once",
        ),
        ({"filter_by": "mc@"}, "is no verifier with its weight"),
        ({"filter_by": "logprob@best-of:50"}, "ask for best-of:8 or less"),
        (
            {"filter_by": "majority", "verify_with": "ladder/40k"},
            "asks no model; leave one of them out",
        ),
        (
            {"filter_by": "mc@quantile:0.5&majority@best-of:K", "verify_with": "ladder/40k"},
            "asks no model; leave one of them out",
        ),
        (
            {"method": "rpo", "keeping": Keeping(cap=1)},
            "--cap, --distinct and --balance are for rft and sft-sharpen",
        ),
        (
            {"method": "sft-sharpen", "train_temperature": 1.0},
            "is defined at temperature 1; leave it out",
        ),
        (
            {"replay": (Replay("base", 0.5), Replay("earlier", 0.5))},
            "the shares add up to 1; expected less than 1",
        ),
        ({"train_samples": 0}, "--train-samples 0: expected 1 or more"),
    ],
)
def test_what_cannot_be_asked_is_one_line(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Course(**({"model": MODEL, "task": Recall(), "samples": 8} | change))


@pytest.mark.parametrize(
    "text", ["base", "base:x", "base:0", "base:1", ":0.5", "no/such/file.jsonl:0.5"]
)
def test_a_replay_that_cannot_be_read_is_one_line(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--replay "):
        Replay.parse(text)


@pytest.mark.parametrize(
    ("name", "value"), [("cap", 0), ("distinct", "words"), ("balance", "some")]
)
def test_keeping_says_what_it_expects(name: str, value: Any) -> None:
    with pytest.raises(UsageError, match=f"^--{name} {value}: expected "):
        Keeping(**{name: value})
