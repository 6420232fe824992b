"""Rows, plans and settings: what is refused, what is left out and counted, and that nothing is tokenised differently."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("trl")

from strop.distill import PRESETS, Comparison, Preference, Rpo, Sft, Weighted
from strop.distill.scoring import score_rows
from strop.distill.steps import plan
from strop.engines.transformers import TransformersEngine
from strop.errors import ModelError, RunLockedError, RunMismatchError, StoreError, UsageError
from strop.records import Message
from tests.small_fit import MODEL, drawn, rows_for


def test_log_probabilities_of_the_rows_are_those_of_the_samples() -> None:
    """The engine that sampled and the model in training read the same tokens after the same prompt."""
    expected = [[one.logprob, other.logprob] for _, _, one, other, _ in drawn()]
    assert score_rows(MODEL, rows_for("rpo")).sum() == pytest.approx(np.sum(expected), abs=1e-3)
    pairs = [
        Comparison(problem, prompt, one.token_ids, other.token_ids, 0.0)
        for problem, prompt, one, other, _ in drawn()
    ]
    assert score_rows(MODEL, pairs) == pytest.approx(np.array(expected), abs=1e-4)


def test_a_chat_prompt_is_not_given_special_tokens_twice(tmp_path: Path) -> None:
    folder = tmp_path / "chat"
    shutil.copytree(MODEL, folder)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    template = "{% for m in messages %}<s>{{ m['content'] }}{% endfor %}"
    (folder / "tokenizer_config.json").write_text(
        json.dumps(settings | {"chat_template": template})
    )
    engine = TransformersEngine(str(folder), device="cpu")
    prompt = (Message("user", "Question: 1+2\nAnswer:"),)
    text = engine.render(prompt)
    assert text.startswith("<s>Question")
    ids = engine.tokenizer(" 3", add_special_tokens=False)["input_ids"]
    scored = engine.score([prompt], [" 3"]).logprobs_PC[0, 0]
    assert score_rows(folder, [Weighted("p", text, tuple(ids))])[0, 0] == pytest.approx(
        scored, abs=1e-4
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Weighted("p7", "Q", (1, 2), -0.5),
            "problem p7: the weight is -0.5; expected a finite number, at least 0",
        ),
        (lambda: Weighted("p7", "Q", (1, 2), math.nan), "problem p7: the weight is nan"),
        (lambda: Weighted("p7", "Q", ()), "problem p7: a row has an empty response"),
        (lambda: Preference("p7", "", (1,), (2,)), "problem p7: a row has an empty prompt"),
        (
            lambda: Comparison("p7", "Q", (1,), (2,), math.inf),
            "problem p7: the difference of rewards is inf",
        ),
        (lambda: Sft(learning_rate=-1), "sft: learning_rate is -1"),
        (lambda: Sft(learning_rate=math.nan), "sft: learning_rate is nan"),
        (
            lambda: Sft(batch_size=6, gradient_accumulation=4),
            "batch_size 6 cannot be cut into 4 equal parts",
        ),
        (
            lambda: Sft(schedule="sometimes"),
            "schedule is 'sometimes'; expected one of linear, cosine, constant",
        ),  # type: ignore[arg-type]
        (lambda: Rpo(beta=-0.1), "rpo: beta is -0.1"),
    ],
)
def test_bad_rows_and_settings_are_one_clear_line(make, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UsageError, match=message):
        make()


def test_rows_that_do_not_fit_the_model(tmp_path: Path) -> None:
    _, prompt, one, *_ = drawn()[0]
    with pytest.raises(UsageError, match="got no row to train on"):
        Sft().fit(MODEL, [Weighted("p", prompt, one.token_ids, 0.0)], tmp_path / "out")
    with pytest.raises(UsageError, match="has token 5000, and the model's vocabulary ends at 127"):
        Sft().fit(MODEL, [Weighted("p", prompt, (5000,))], tmp_path / "foreign")
    with pytest.raises(UsageError, match="every one of 1 rows is longer than 5 tokens"):
        Sft(max_length=5).fit(MODEL, [Weighted("p", prompt, one.token_ids)], tmp_path / "long")
    with pytest.raises(UsageError, match="bfloat16 is for GPUs"):
        Sft(precision="bfloat16").fit(MODEL, rows_for("sft"), tmp_path / "half")


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    rows = [
        *rows_for("sft"),
        Weighted("none", "Q", (1, 2), 0.0),
        Weighted("long", "Q", (5,) * 1100),
    ]
    folder = Sft(steps=1, batch_size=2).fit(MODEL, rows, tmp_path / "out")
    record = json.loads((folder / "training.json").read_text())
    counts = {
        name: record[name]
        for name in ("rows_given", "rows_without_weight", "rows_too_long", "rows_trained")
    }
    assert counts == {
        "rows_given": 24,
        "rows_without_weight": 1,
        "rows_too_long": 1,
        "rows_trained": 22,
    }
    assert (
        "none" not in record["problems"]
        and "long" not in record["problems"]
        and len(record["problems"]) == 11
    )


def test_a_repeated_row_weighs_as_much_as_a_doubled_weight() -> None:
    """Only ratios matter, and the divisor makes the loss a number per token."""
    rows = [Weighted("p", "Q", (1, 2)), Weighted("p", "Q", (1, 2, 3, 4), 3.0)]
    numbers = Sft().numbers(rows)
    assert numbers[1] == 3 * numbers[0]
    assert Sft().numbers(
        [Weighted("p", "Q", row.token_ids, 10 * row.weight) for row in rows]
    ) == pytest.approx(numbers)
    assert sum(
        number * len(row.token_ids) for number, row in zip(numbers, rows, strict=True)
    ) / 2 == pytest.approx(1)


def test_the_plan_reads_every_row_equally_often_in_full_batches() -> None:
    for rows, batch, epochs in ((11, 4, 4), (3, 8, 8), (16, 4, 1)):
        steps = plan(rows, Sft(batch_size=batch, epochs=epochs))
        assert steps.shape == (-(-rows * epochs // batch), batch)
        assert np.ptp(np.bincount(steps.ravel(), minlength=rows)) <= 1
    one, other = (plan(11, Sft(batch_size=4, steps=9, seed=seed)) for seed in (0, 1))
    assert (
        one.shape == (9, 4)
        and (one != other).any()
        and (one == plan(11, Sft(batch_size=4, steps=9))).all()
    )


def test_folders_that_are_not_ours_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("keep")
    with pytest.raises(RunMismatchError, match=r"not empty and holds no fit \(mine.txt\)"):
        Sft().fit(MODEL, rows_for("sft"), tmp_path / "notes")
    (tmp_path / "file").write_text("keep")
    with pytest.raises(StoreError, match="is a file, expected a folder"):
        Sft().fit(MODEL, rows_for("sft"), tmp_path / "file")
    filelock = pytest.importorskip("filelock")
    (tmp_path / "busy" / "fit").mkdir(parents=True)
    with (
        filelock.FileLock(tmp_path / "busy" / "fit" / ".lock"),
        pytest.raises(RunLockedError, match="another process is training"),
    ):
        Sft().fit(MODEL, rows_for("sft"), tmp_path / "busy")


def test_models_that_cannot_be_trained_are_one_clear_line(tmp_path: Path) -> None:
    rows = rows_for("sft")
    with pytest.raises(ModelError, match="there is no model folder"):
        Sft().fit(tmp_path / "none", rows, tmp_path / "out")
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match="is an adapter; merge it"):
        Sft().fit(tmp_path / "adapter", rows, tmp_path / "out")
    shutil.copytree(MODEL, tmp_path / "remote")
    config = json.loads((MODEL / "config.json").read_text()) | {
        "auto_map": {"AutoModelForCausalLM": "evil.Model"}
    }
    (tmp_path / "remote" / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="asks for code of its own"):
        Sft().fit(tmp_path / "remote", rows, tmp_path / "out")
    shutil.copytree(MODEL, tmp_path / "quantised")
    config = json.loads((MODEL / "config.json").read_text()) | {
        "quantization_config": {"quant_method": "gptq", "bits": 4}
    }
    (tmp_path / "quantised" / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="is quantised"):
        Sft().fit(tmp_path / "quantised", rows, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_papers_settings_are_those_of_the_papers() -> None:
    """ "Mind the Gap", appendix F; "The Sharpening Mechanism", appendix A."""
    for name in ("mind-the-gap", "mind-the-gap-rpo"):
        trainer = PRESETS[name]
        assert (trainer.batch_size, trainer.learning_rate, trainer.steps, trainer.max_length) == (
            64,
            1e-6,
            2000,
            2048,
        )
        assert trainer.precision == "bfloat16" and trainer.lora_rank == 0
    table = {
        name.removeprefix("sharpening-"): preset
        for name, preset in PRESETS.items()
        if name.startswith("sharpening")
    }
    decays = {name: trainer.weight_decay for name, trainer in table.items()}
    assert decays == {
        "phi-3.5-math": 0.1,
        "phi-3.5-gsm8k": 0.5,
        "phi-3.5-prontoqa": 0.0,
        "mistral-math": 1.0,
    }
    for name, trainer in table.items():
        mistral = name.startswith("mistral")
        assert (trainer.lora_rank, trainer.batch_size, trainer.epochs) == (
            (8, 1, 10) if mistral else (16, 4, 30)
        )
        assert (trainer.learning_rate, trainer.schedule, trainer.gradient_clipping) == (
            3e-4,
            "linear",
            0.1,
        )
