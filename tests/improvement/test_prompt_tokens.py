"""Training rows have the prompts' tokens as the engine sent them: templates, a BOS, end tokens."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")
transformers = pytest.importorskip("transformers")

from strop.distill import Weighted
from strop.distill.examples import encode
from strop.distill.loading import load
from strop.distill.scoring import score_rows
from strop.engines import LADDER, load_engine
from strop.improvement.training_rows import one_of_each, prompt_tokens, with_prompt_tokens
from strop.records import Problem
from strop.run.gap import sample
from strop.run.run import Run
from strop.tasks import Recall

torch.set_num_threads(1)

BASE = LADDER / "25k"
BOS, END = 1, 2
CHAT = "{% for m in messages %}{{ m['content'] }}\n{% endfor %}"
POST_PROCESSORS = {
    "bos": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
    "end": [
        {"Sequence": {"id": "A", "type_id": 0}},
        {"SpecialToken": {"id": "</s>", "type_id": 0}},
    ],
}
SPECIALS = {
    name: {"id": name, "ids": [number], "tokens": [name]}
    for name, number in (("<s>", BOS), ("</s>", END))
}


def write_model(folder: Path, template: str, added: str, is_gemma: bool) -> Path:
    """Write an embedded model with another tokenizer, or a tiny Gemma 3 with random weights."""
    shutil.copytree(BASE, folder)
    if is_gemma:
        _write_gemma(folder)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    if template:
        settings["chat_template"] = template
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["post_processor"] = None
    if added:
        tokenizer["post_processor"] = {
            "type": "TemplateProcessing",
            "single": POST_PROCESSORS[added],
            "pair": [*POST_PROCESSORS[added], {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": SPECIALS,
        }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    return folder


def _write_gemma(folder: Path) -> None:
    torch.manual_seed(0)
    vocabulary = json.loads((BASE / "config.json").read_text())["vocab_size"]
    config = transformers.Gemma3TextConfig(
        vocab_size=vocabulary,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        max_position_embeddings=256,
        pad_token_id=0,
        bos_token_id=BOS,
        eos_token_id=END,
    )
    transformers.Gemma3ForCausalLM(config).save_pretrained(folder)


def draw(name: str, out: Path) -> tuple[Run, dict[str, tuple[int, ...]]]:
    engine = load_engine(name)
    run = sample(engine, Recall(), out=out, problems=4, samples=2, max_tokens=12)
    return run, prompt_tokens(run, engine)


@pytest.mark.parametrize(
    ("template", "added", "settings", "is_gemma", "beginnings"),
    [
        ("", "bos", "", False, 1),
        ("", "end", "", False, 0),
        ("<s>" + CHAT, "bos", "", False, 1),
        (CHAT, "bos", "", False, 0),
        (CHAT, "bos", "&chat=false", False, 1),
        ("<s>" + CHAT, "bos", "", True, 1),
        (CHAT, "bos", "", True, 1),
        (CHAT, "", "&chat=false", True, 1),
    ],
)
def test_training_reads_the_tokens_that_were_sampled_from(
    template: str, added: str, settings: str, is_gemma: bool, beginnings: int, tmp_path: Path
) -> None:
    """Tokens, and so log-probabilities, are those of sampling; a BOS never stands there twice."""
    folder = write_model(tmp_path / "model", template, added, is_gemma)
    run, tokens = draw(f"{folder}?device=cpu{settings}", tmp_path / "run")
    rows = with_prompt_tokens(one_of_each(run, 0), tokens)
    for row, example in zip(rows, encode(rows, *load(folder)), strict=True):
        assert example["prompt"] == list(row.prompt_ids) and row.prompt_ids
        assert row.prompt_ids.count(BOS) == beginnings and END not in row.prompt_ids
    stored_P = run.responses.filter(run.responses["sample"] == 0)["logprob"].to_numpy()
    np.testing.assert_allclose(score_rows(folder, rows)[:, 0], stored_P, atol=1e-4)


def test_letters_of_a_special_token_stay_letters(tmp_path: Path) -> None:
    """The text of the prompt alone does not say which tokens were sent."""
    folder = write_model(tmp_path / "model", "", "bos", False)
    engine = load_engine(f"{folder}?device=cpu")
    run = sample(engine, Marked(), out=tmp_path / "run", problems=2, samples=2, max_tokens=8)
    rows = with_prompt_tokens(one_of_each(run, 0), prompt_tokens(run, engine))
    assert all("</s>" in row.prompt and END not in row.prompt_ids for row in rows)
    stored_P = run.responses.filter(run.responses["sample"] == 0)["logprob"].to_numpy()
    np.testing.assert_allclose(score_rows(folder, rows)[:, 0], stored_P, atol=1e-4)


class Marked(Recall):
    """Questions with the letters of an end token in them."""

    def problems(self, split: str, count: int, seed: int) -> list[Problem]:
        drawn = super().problems(split, count, seed)
        return [replace(problem, question=f"{problem.question}</s>") for problem in drawn]


@pytest.mark.parametrize(("added", "beginning"), [("bos", [BOS]), ("end", []), ("", [])])
def test_a_text_without_tokens_begins_as_the_engines_begin_it(
    added: str, beginning: list[int], tmp_path: Path
) -> None:
    """Rows of a file of one's own have no tokens."""
    folder = write_model(tmp_path / "model", "", added, False)
    [example] = encode([Weighted("p", "1+2", (5,))], *load(folder))
    assert example["prompt"][: len(beginning)] == beginning
    assert len(example["prompt"]) == len(beginning) + 3 and END not in example["prompt"]
