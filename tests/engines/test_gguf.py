"""A GGUF file as a model: a tiny one, written here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strop.engines import load_engine, model_folder
from strop.errors import ModelError
from strop.records import Message

gguf = pytest.importorskip("gguf")
pytest.importorskip("transformers")

WIDTH, HEADS, BLOCKS, INNER = 32, 2, 2, 64
TEMPLATE = "{% for m in messages %}{{ m['content'] }}{% endfor %}"


def write_gguf(path: Path, **changes: Any) -> Path:
    """Write a random Llama of 30 tokens in float32; ``changes`` replace single tensors."""
    tokens = ["<s>", "</s>", *"abcdefghijklmnopqrstuvwxyz", "ab", "Ġ"]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(BLOCKS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_chat_template(TEMPLATE)
    shapes = {"token_embd.weight": (len(tokens), WIDTH), "output_norm.weight": (WIDTH,)}
    for block in range(BLOCKS):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            shapes[f"blk.{block}.{name}.weight"] = (WIDTH, WIDTH)
        for name in ("ffn_gate", "ffn_up"):
            shapes[f"blk.{block}.{name}.weight"] = (INNER, WIDTH)
        shapes[f"blk.{block}.ffn_down.weight"] = (WIDTH, INNER)
        for name in ("attn_norm", "ffn_norm"):
            shapes[f"blk.{block}.{name}.weight"] = (WIDTH,)
    generator = np.random.default_rng(0)
    for name, shape in shapes.items():
        tensor = generator.normal(size=shape).astype(np.float32)
        if changes.get(name, tensor) is not None:
            writer.add_tensor(name, changes.get(name, tensor))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_a_file_is_the_model_that_its_folder_would_be(tmp_path: Path) -> None:
    engine: Any = load_engine(f"{write_gguf(tmp_path / 'm.gguf')}?dtype=float64")
    engine.model.save_pretrained(tmp_path / "m")
    engine.tokenizer.save_pretrained(tmp_path / "m")
    folder: Any = load_engine(f"{tmp_path / 'm'}?dtype=float64")
    prompt = (Message("user", "abba"),)
    assert engine.render(prompt) == folder.render(prompt) == "abba"
    scored = engine.score([prompt], ["ab", "cd"]).logprobs_PC
    assert scored == pytest.approx(folder.score([prompt], ["ab", "cd"]).logprobs_PC)
    assert engine.context == 64
    other = np.ones((WIDTH,), np.float32)
    write_gguf(tmp_path / "other.gguf", **{"output_norm.weight": other})
    fingerprints = {engine.fingerprint, load_engine(str(tmp_path / "other.gguf")).fingerprint}
    assert len(fingerprints) == 2 and "" not in fingerprints


def test_what_is_no_whole_model_is_refused_in_one_line(tmp_path: Path) -> None:
    whole = write_gguf(tmp_path / "m.gguf")
    text = tmp_path / "text.gguf"
    text.write_text("no model")
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(whole.read_bytes()[:9000])
    part = write_gguf(tmp_path / "part.gguf", **{"blk.1.ffn_up.weight": None})
    reasons = {
        tmp_path / "none.gguf": "No such file",
        text: r"begins with b'no m'",
        cut: "cannot be loaded",
        part: "lacks 1 weights",
    }
    for path, reason in reasons.items():
        with pytest.raises(ModelError, match=reason) as caught:
            load_engine(str(path))
        assert "\n" not in str(caught.value)


def test_a_file_is_not_trained(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "m.gguf")
    with pytest.raises(ModelError, match="sampled from but not trained; convert it to a folder"):
        model_folder(str(path))
