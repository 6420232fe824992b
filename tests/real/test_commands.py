"""Every command once on real models: small, but to the end, and the numbers are checked."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from strop.engines.transformers import TransformersEngine
from strop.run.run import Run
from tests.real.command import strop
from tests.real.data import write_problems

# Weak models write neither verdict: mc says so, which is right.
pytestmark = pytest.mark.filterwarnings("ignore:mc:UserWarning")
PROBLEMS = 3
SAMPLES = 3
LIMIT = 32


def gsm8k_arguments(smollm2: str, data: Path, out: Path) -> list[str]:
    sizes = ["--problems", PROBLEMS, "--samples", SAMPLES, "--shots", 1]
    sizes += ["--max-tokens", LIMIT, "--verify-max-tokens", LIMIT]
    arguments = ["gap", "--model", smollm2, "--task", "gsm8k", "--data", data, "--out", out, *sizes]
    return [str(argument) for argument in arguments]


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("real")


@pytest.fixture(scope="module")
def gsm8k_file(scratch: Path) -> Path:
    return write_problems(scratch / "gsm8k.jsonl", "gsm8k", test=PROBLEMS)


@pytest.fixture(scope="module")
def questions_file(scratch: Path) -> Path:
    return write_problems(scratch / "questions.jsonl", "natural-questions", test=2, train=8)


@pytest.fixture(scope="module")
def gap_folder(scratch: Path, smollm2: str, gsm8k_file: Path) -> Path:
    """A run of gap with mc and cot-binary, by the command itself in a process of its own."""
    out = scratch / "gap"
    command = [sys.executable, "-m", "strop", *gsm8k_arguments(smollm2, gsm8k_file, out), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout)["run"] == str(out)
    assert "Traceback" not in done.stderr
    return out


def files_of(folder: Path, stage: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / stage).glob("*.parquet")}


# --- gap ---


def test_gap_counts_what_it_drew(gap_folder: Path) -> None:
    run = Run(gap_folder)
    assert len(run.responses) == PROBLEMS * SAMPLES and len(run.greedy) == PROBLEMS
    finishes = run.responses["finish"].to_list()
    lengths = run.responses["tokens"].to_list()
    for finish, length in zip(finishes, lengths, strict=True):
        assert length == LIMIT if finish == "length" else 0 < length <= LIMIT
    assert run.document["truncated"] == finishes.count("length")
    for name in ("mc", "cot-binary"):
        scores = run.scores[name]
        assert len(scores) == PROBLEMS * SAMPLES
        assert run.document["verifiers"][name]["unparsed"] == (~scores["parsed"]).sum()
    mc = run.scores["mc"]["score"].to_numpy()
    assert np.all(np.isfinite(mc)) and len(set(mc)) > PROBLEMS
    generated = sum(lengths) + run.greedy["tokens"].sum()
    usage = run.usage_by_stage
    assert usage["responses"].generated_tokens + usage["greedy"].generated_tokens == generated
    accuracy = run.responses["utility_strict"].mean()
    assert run.document["accuracy"]["value"] == pytest.approx(accuracy)


def test_stored_log_probabilities_are_those_of_the_stored_tokens(
    gap_folder: Path, smollm2_engine: TransformersEngine
) -> None:
    run = Run(gap_folder)
    tokenizer = smollm2_engine.tokenizer
    prompt_of = dict(run.problems.select("problem", "prompt").iter_rows())
    for row in [*run.responses.iter_rows(named=True), *run.greedy.iter_rows(named=True)]:
        before = tokenizer(prompt_of[row["problem"]], add_special_tokens=False)["input_ids"]
        ids = list(row["token_ids"])
        with torch.inference_mode():
            logits_TV = smollm2_engine.model(torch.tensor([before + ids])).logits[0]
        logprobs_TV = torch.log_softmax(logits_TV[len(before) - 1 : -1].double(), dim=-1)
        logprob = float(logprobs_TV.gather(1, torch.tensor(ids)[:, None]).sum())
        assert row["logprob"] == pytest.approx(logprob, abs=1e-2) and logprob <= 0
        written = ids[:-1] if row["finish"] == "end" else ids
        assert tokenizer.decode(written).startswith(row["text"])
        assert (ids[-1] == tokenizer.eos_token_id) == (row["finish"] == "end")


def test_a_finished_run_is_read_and_a_broken_one_is_drawn_again_the_same(
    gap_folder: Path, scratch: Path, smollm2: str, gsm8k_file: Path
) -> None:
    first = Run(gap_folder)
    stored = files_of(gap_folder, "responses")
    document = strop(*gsm8k_arguments(smollm2, gsm8k_file, gap_folder))
    assert document["verifiers"] == first.document["verifiers"]
    assert files_of(gap_folder, "responses") == stored

    broken = scratch / "broken"
    shutil.copytree(gap_folder, broken)
    shutil.rmtree(broken / "responses")
    shutil.rmtree(broken / "scores" / "mc")
    strop(*gsm8k_arguments(smollm2, gsm8k_file, broken))
    again = Run(broken)
    columns = ["problem", "sample", "text", "tokens", "finish"]
    assert again.responses.select(columns).equals(first.responses.select(columns))
    np.testing.assert_allclose(again.responses["logprob"], first.responses["logprob"], atol=1e-3)
    np.testing.assert_allclose(again.scores["mc"]["score"], first.scores["mc"]["score"], atol=1e-3)


def test_gap_of_gemma(scratch: Path, gemma3: str, questions_file: Path) -> None:
    out = scratch / "gemma"
    sizes = ["--problems", 2, "--samples", 2, "--shots", 1]
    sizes += ["--max-tokens", 12, "--verify-max-tokens", 12]
    task = ["--task", "natural-questions", "--data", questions_file]
    document = strop("gap", "--model", gemma3, *task, *sizes, "--out", out)
    run = Run(out)
    assert len(run.responses) == 4 and set(document["verifiers"]) == {"mc", "cot-binary"}
    assert np.all(run.responses["logprob"].to_numpy() < 0)
    assert np.all(np.isfinite(run.responses["logprob"].to_numpy()))
    assert document["truncated"] == (run.responses["finish"] == "length").sum()
    # No prompt holds the letters of a BOS: the engine sends its token (test_models.py).
    assert not run.problems["prompt"].str.contains("<bos><bos>", literal=True).any()


# --- what is done with a run ---


def test_verify_adds_a_verifier_and_draws_nothing(gap_folder: Path) -> None:
    stored = files_of(gap_folder, "responses")
    verifiers = ["--verifier", "cot-score", "--verifier", "logprob"]
    document = strop("verify", gap_folder, *verifiers, "--verify-max-tokens", LIMIT)
    run = Run(gap_folder)
    assert files_of(gap_folder, "responses") == stored
    assert {"mc", "cot-binary", "cot-score", "logprob"} <= set(document["verifiers"])
    assert len(run.scores["cot-score"]) == PROBLEMS * SAMPLES
    whole = (run.responses["finish"] != "length").to_numpy()
    scores = run.scores["logprob"]["score"].to_numpy()
    assert np.all(np.isfinite(scores) == whole)  # a truncated response has none
    np.testing.assert_array_equal(scores[whole], run.responses["logprob"].to_numpy()[whole])


def test_import_grades_the_same_texts_the_same(gap_folder: Path, scratch: Path) -> None:
    run = Run(gap_folder)
    reference_of = {problem.id: problem.reference for problem in run.stored_problems()}
    lines = []
    for row in run.responses.iter_rows(named=True):
        kept = {name: row[name] for name in ("problem", "text", "logprob", "tokens", "finish")}
        lines.append(json.dumps(kept | {"reference": reference_of[row["problem"]]}))
    file = scratch / "samples.jsonl"
    file.write_text("\n".join(lines), encoding="utf-8")
    document = strop("import", file, "--task", "gsm8k", "--out", scratch / "imported")
    imported = Run(scratch / "imported")
    assert document["accuracy"]["value"] == run.document["accuracy"]["value"]
    assert document["truncated"] == run.document["truncated"]
    for column in ("text", "utility_strict", "utility_flexible", "logprob"):
        assert imported.responses[column].to_list() == run.responses[column].to_list()


def test_report_is_one_page_with_the_responses(gap_folder: Path, scratch: Path) -> None:
    out = scratch / "page"
    out.mkdir()
    strop("report", gap_folder, "--out", out)
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "<html" in page and "cot-binary" in page and "gsm8k" in page
    for address in ('src="http', 'href="http://127', "<script src"):
        assert address not in page


# --- several samples, several models, rounds ---


def test_sharpen(scratch: Path, smollm2: str, questions_file: Path) -> None:
    out = scratch / "sharpen"
    sizes = ["--problems", 2, "--samples", 4, "--shots", 1, "--max-tokens", 24]
    task = ["--task", "natural-questions", "--data", questions_file]
    strop("sharpen", "--model", smollm2, *task, *sizes, "--out", out)
    run = Run(out)
    assert len(run.responses) == 8 and run.plan.temperature == 1 and run.plan.top_p == 1
    logprobs = run.responses["logprob"].to_numpy()
    assert np.all(np.isfinite(logprobs)) and np.all(logprobs < 0)
    kept = run.scores["logprob"].filter(pl.col("score").is_not_nan())
    assert len(kept) == (run.responses["finish"] != "length").sum()
    per_token = run.scores["logprob-per-token"].filter(pl.col("score").is_not_nan())
    lengths = run.responses.filter(pl.col("finish") != "length")["tokens"].to_numpy()
    np.testing.assert_allclose(
        per_token["score"].to_numpy() * lengths, kept["score"].to_numpy(), rtol=1e-9
    )


def test_cross_between_the_two_models(
    scratch: Path, smollm2: str, gemma3: str, questions_file: Path
) -> None:
    models = ["--model", smollm2, "--model", gemma3]
    sizes = ["--problems", 2, "--samples", 2, "--shots", 1, "--max-tokens", 12]
    task = ["--task", "natural-questions", "--data", questions_file, "--verifier", "mc"]
    document = strop("cross", *models, *task, *sizes, "--out", scratch / "cross")
    pairs = {(cell["generator"], cell["verifier_model"]) for cell in document["cells"]}
    assert pairs == {(g, v) for g in (smollm2, gemma3) for v in (smollm2, gemma3)}
    runs = [Run(path.parent) for path in sorted((scratch / "cross").glob("*/run.json"))]
    assert len(runs) == 2
    for run in runs:
        own, others = (frame["score"].to_numpy() for frame in run.scores.values())
        assert len(own) == len(others) == 4
        assert np.all(np.isfinite([own, others])) and not np.allclose(own, others)


def test_one_round_with_lora(scratch: Path, smollm2: str, questions_file: Path) -> None:
    out = scratch / "improve"
    task = ["--task", "natural-questions", "--data", questions_file]
    sizes = ["--problems", 2, "--train-problems", 4, "--samples", 2]
    training = ["--method", "sft-sharpen", "--lora-rank", 4, "--batch-size", 4, "--anyway"]
    arguments = ["improve", "--model", smollm2, *task, *sizes, *training, "--out", out]
    document = strop(*arguments, "--learning-rate", "1e-3")
    rounds: list[dict[str, Any]] = document["rounds"]
    assert [entry["round"] for entry in rounds] == [0, 1]
    trained = [path.parent for path in out.rglob("model.safetensors")]
    trained += [path.parent for path in out.rglob("adapter_model.safetensors")]
    assert trained, "the round left no model"
    base = TransformersEngine(smollm2).model.state_dict()
    new = TransformersEngine(str(trained[0])).model.state_dict()
    changed = {name for name in base if not torch.equal(base[name], new[name])}
    assert changed and all("proj" in name for name in changed)  # LoRA: linear layers alone
    assert strop(*arguments, "--learning-rate", "1e-3")["rounds"] == rounds
