"""The transformers engine against transformers itself, on a tiny Llama with random weights.

Covers transformers.py, rendering.py, batch_size.py and the refusals of checkpoint.py.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strop.engines import load_engine
from strop.engines.base import Request, cut_at_stop
from strop.engines.transformers import TransformersEngine
from strop.errors import MissingExtraError, ModelError, UsageError
from strop.ladder.tokenizer import VOCABULARY_SIZE, build_tokenizer
from strop.records import Message, Prompt, Sampling
from strop.seeds import derive

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
torch.set_num_threads(1)

GREEDY = Sampling(temperature=0, top_p=1, max_tokens=12)
WARM = Sampling(temperature=1, top_p=1, max_tokens=12)
CHAT = (
    "{% for m in messages %}<s>{{ m['role'] }}|{{ m['content'] }}|{% endfor %}"
    "{% if add_generation_prompt %}assistant|{% endif %}"
)


def prompt(text: str) -> Prompt:
    return (Message("user", text),)


PROMPTS = [prompt("Question: 1+1\nAnswer:"), prompt("Answer:"), prompt("Question: 12*3-4\nAnswer:")]


def write_model(folder: Path, chat_template: str | None = None) -> Path:
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=VOCABULARY_SIZE,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        max_position_embeddings=128,
        tie_word_embeddings=True,
        initializer_range=0.4,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    build_tokenizer().save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "clean_up_tokenization_spaces": False,
        "model_max_length": 128,
    }
    chat = {"chat_template": chat_template} if chat_template else {}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | chat))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def engine(folder: Path) -> TransformersEngine:
    return TransformersEngine(str(folder), device="cpu")


def seeds(label: str, count: int) -> tuple[int, ...]:
    return tuple(derive(label, number) for number in range(count))


def full_logprobs(engine: TransformersEngine, ids: list[int], new: list[int]) -> Any:
    """Return the log-probability of each token of ``new`` after ``ids``, without a cache."""
    with torch.no_grad():
        logits = engine.model(torch.tensor([ids + new])).logits[0]
    return logits.log_softmax(-1)[torch.arange(len(ids) - 1, len(ids + new) - 1), torch.tensor(new)]


def ids_of(engine: TransformersEngine, one: Prompt) -> list[int]:
    return list(engine.tokenizer(engine.render(one))["input_ids"])


def test_greedy_is_that_of_generate(engine: TransformersEngine) -> None:
    drawn = engine.sample([Request(one, (1,)) for one in PROMPTS], GREEDY).samples
    for one, [sample] in zip(PROMPTS, drawn, strict=True):
        ids = ids_of(engine, one)
        output = engine.model.generate(
            torch.tensor([ids]),
            attention_mask=torch.ones(1, len(ids)),
            do_sample=False,
            max_new_tokens=12,
        )
        assert list(sample.token_ids) == output[0, len(ids) :].tolist()


def test_logprob_is_that_of_a_full_forward_pass_with_the_end_token(
    engine: TransformersEngine,
) -> None:
    generation = engine.sample([Request(one, seeds("logprob", 60)) for one in PROMPTS], WARM)
    samples = [
        (one, sample)
        for one, row in zip(PROMPTS, generation.samples, strict=True)
        for sample in row
    ]
    assert {sample.finish for _, sample in samples} == {"end", "length"}
    for one, sample in samples:
        expected = full_logprobs(engine, ids_of(engine, one), list(sample.token_ids)).sum().item()
        assert sample.logprob == pytest.approx(expected, abs=1e-4)
        assert (sample.token_ids[-1] == 2) == (sample.finish == "end")
        assert (len(sample.token_ids) == 12) or sample.finish == "end"
        assert "</s>" not in sample.text


def test_logprob_is_untruncated_and_at_temperature_one(engine: TransformersEngine) -> None:
    [[sample]] = engine.sample(
        [Request(PROMPTS[0], (5,))], Sampling(temperature=0.5, top_p=0.6, max_tokens=8)
    ).samples
    assert sample.logprob == pytest.approx(
        full_logprobs(engine, ids_of(engine, PROMPTS[0]), list(sample.token_ids)).sum().item(),
        abs=1e-4,
    )


def test_a_sample_depends_on_its_prompt_and_seed_alone(
    engine: TransformersEngine, folder: Path
) -> None:
    sampling = Sampling(temperature=0.8, top_p=0.9, max_tokens=20)
    many = seeds("place", 20)
    together = engine.sample([Request(one, many) for one in PROMPTS], sampling).samples
    small = TransformersEngine(str(folder), device="cpu", batch_rows=3)
    apart = small.sample([Request(one, many[::-1]) for one in PROMPTS[::-1]], sampling).samples
    assert len({sample.token_ids for sample in together[0]}) > 10
    for row, other in zip(together, apart[::-1], strict=True):
        assert [sample.token_ids for sample in row] == [sample.token_ids for sample in other[::-1]]
        assert [sample.logprob for sample in row] == pytest.approx(
            [sample.logprob for sample in other[::-1]], abs=1e-4
        )
    alone = engine.sample([Request(PROMPTS[1], many[7:8])], sampling).samples[0][0]
    assert alone.token_ids == together[1][7].token_ids


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.7, 0.9), (1.5, 0.5)])
def test_first_tokens_follow_the_exact_law(folder: Path, temperature: float, top_p: float) -> None:
    engine = TransformersEngine(str(folder), device="cpu", batch_rows=20_000)
    count = 20_000
    sampling = Sampling(temperature=temperature, top_p=top_p, max_tokens=1)
    [samples] = engine.sample([Request(PROMPTS[0], seeds("law", count))], sampling).samples
    with torch.no_grad():
        logits = (
            engine.model(torch.tensor([ids_of(engine, PROMPTS[0])])).logits[0, -1].double().numpy()
        )
    full = np.exp(logits / temperature - np.max(logits / temperature))
    full /= full.sum()
    above = np.array([full[full > value].sum() for value in full])
    law = np.where(above < top_p, full, 0) / full[above < top_p].sum()
    observed = (
        np.bincount([sample.token_ids[0] for sample in samples], minlength=VOCABULARY_SIZE) / count
    )
    assert (observed[law == 0] == 0).all()
    assert np.abs(observed - law).max() < 5 * np.sqrt(0.25 / count)
    assert (count * (observed - law)[law > 0] ** 2 / law[law > 0]).sum() < 2 * (law > 0).sum() + 20


def test_stop_strings_end_a_response_and_are_cut_off(engine: TransformersEngine) -> None:
    plain = engine.sample([Request(PROMPTS[0], seeds("stop", 40))], WARM).samples[0]
    stop = tuple(sorted({sample.text[3:5] for sample in plain if len(sample.text) > 6})[:5])
    stopped = engine.sample(
        [Request(PROMPTS[0], seeds("stop", 40))], Sampling(1, 1, 12, stop)
    ).samples[0]
    assert any(sample.finish == "stop" for sample in stopped)
    for before, sample in zip(plain, stopped, strict=True):
        text, found = cut_at_stop(before.text, stop)
        assert sample.text == text
        assert sample.token_ids == before.token_ids[: len(sample.token_ids)]
        assert sample.finish == ("stop" if found else before.finish)
        if found:
            written = engine.tokenizer.decode(sample.token_ids, skip_special_tokens=True)
            shorter = engine.tokenizer.decode(sample.token_ids[:-1], skip_special_tokens=True)
            assert cut_at_stop(written, stop)[1] and not cut_at_stop(shorter, stop)[1]
            expected = (
                full_logprobs(engine, ids_of(engine, PROMPTS[0]), list(sample.token_ids))
                .sum()
                .item()
            )
            assert sample.logprob == pytest.approx(expected, abs=1e-4)


def test_score_sums_whole_sequences_without_an_end_token(engine: TransformersEngine) -> None:
    continuations = ["4", " 12+7", "", " Correct\nx"]
    scored = engine.score([*PROMPTS, PROMPTS[0]], continuations)
    for p, one in enumerate([*PROMPTS, PROMPTS[0]]):
        ids = ids_of(engine, one)
        for c, continuation in enumerate(continuations):
            new = engine.tokenizer(engine.render(one) + continuation)["input_ids"][len(ids) :]
            expected = full_logprobs(engine, ids, new).sum().item() if new else 0.0
            assert scored.logprobs_PC[p, c] == pytest.approx(expected, abs=1e-4)
    assert scored.logprobs_PC.dtype == np.float64
    assert scored.usage.prompt_tokens == sum(engine.count_tokens(one) for one in PROMPTS)


def test_score_does_not_depend_on_the_batch(engine: TransformersEngine, folder: Path) -> None:
    small = TransformersEngine(str(folder), device="cpu", batch_rows=1)
    continuations = ["1", "23", " 456"]
    assert small.score(PROMPTS, continuations).logprobs_PC == pytest.approx(
        engine.score(PROMPTS, continuations).logprobs_PC, abs=1e-4
    )
    assert engine.score(PROMPTS, []).logprobs_PC.shape == (3, 0)
    assert engine.score([], ["1"]).logprobs_PC.shape == (0, 1)


def test_sampling_and_scoring_agree(engine: TransformersEngine) -> None:
    samples = engine.sample([Request(PROMPTS[0], seeds("agree", 30))], WARM).samples[0]
    whole = [
        s
        for s in samples
        if s.finish == "length"
        and tuple(engine.tokenizer(s.text, add_special_tokens=False)["input_ids"]) == s.token_ids
    ]
    assert whole
    scored = engine.score([PROMPTS[0]], [sample.text for sample in whole]).logprobs_PC[0]
    assert scored == pytest.approx([sample.logprob for sample in whole], abs=1e-4)


def test_usage_counts_each_prompt_once(engine: TransformersEngine) -> None:
    generation = engine.sample(
        [
            Request(PROMPTS[0], seeds("a", 100)),
            Request(PROMPTS[1], ()),
            Request(PROMPTS[0], seeds("b", 2)),
        ],
        WARM,
    )
    assert [len(row) for row in generation.samples] == [100, 0, 2]
    length, generated = (
        engine.count_tokens(PROMPTS[0]),
        sum(len(s.token_ids) for row in generation.samples for s in row),
    )
    usage = generation.usage
    assert (usage.prompt_tokens, usage.cached_tokens, usage.generated_tokens) == (
        length,
        101 * length,
        generated,
    )
    fed = [
        length + len(s.token_ids) - 1 for row in generation.samples for s in row
    ]  # the last token is never run through the model
    attended = sum(range(1, length + 1)) + sum(
        place + 1 for end in fed for place in range(length, end)
    )
    assert (
        usage.flops
        == 2.0 * engine.parameters * (length + generated - 102) + 4.0 * (2 * 2 * 16) * attended
    )
    assert usage.seconds > 0


def test_prompt_is_run_once_for_all_its_samples(
    engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes = []
    forward = engine.model.forward

    def spy(*args: Any, **named: Any) -> Any:
        shapes.append(tuple(named["input_ids"].shape))
        return forward(*args, **named)

    monkeypatch.setattr(engine.model, "forward", spy)
    engine.sample([Request(PROMPTS[0], seeds("once", 130))], WARM)
    assert [shape for shape in shapes if shape[1] > 1] == [(1, engine.count_tokens(PROMPTS[0]))]


def test_memory_shortage_halves_the_batch_and_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = TransformersEngine(str(folder), device="cpu", batch_rows=8)
    forward = engine.model.forward
    wanted = engine.sample([Request(PROMPTS[0], seeds("oom", 8))], WARM).samples

    def small_memory(*args: Any, **named: Any) -> Any:
        if len(named["input_ids"]) > 3:
            raise torch.cuda.OutOfMemoryError("out of memory")
        return forward(*args, **named)

    monkeypatch.setattr(engine.model, "forward", small_memory)
    with pytest.warns(UserWarning, match="ran out of memory; going on with") as caught:
        got = engine.sample([Request(PROMPTS[0], seeds("oom", 8))], WARM).samples
    assert len(caught) == 2 and engine.batch_rows == 2
    assert [sample.token_ids for sample in got[0]] == [sample.token_ids for sample in wanted[0]]


def test_memory_decides_how_many_rows_go_together(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches shrink with the memory left; a shortage on the CPU is reported like one on a GPU."""
    from strop.engines import transformers as module

    engine, sizes = TransformersEngine(str(folder), device="cpu"), []
    forward, shortage = engine.model.forward, [0]

    def spy(*args: Any, **named: Any) -> Any:
        sizes.append(len(named["input_ids"]))
        if len(named["input_ids"]) > shortage[0] > 0:
            raise RuntimeError(
                "[enforce fail at alloc_cpu.cpp:117] err == 0. "
                "DefaultCPUAllocator: can't allocate memory"
            )
        return forward(*args, **named)

    monkeypatch.setattr(engine.model, "forward", spy)

    def drawn() -> list[tuple[int, ...]]:
        return [
            sample.token_ids
            for sample in engine.sample([Request(PROMPTS[0], seeds("memory", 40))], WARM).samples[0]
        ]

    wanted = drawn()
    assert max(sizes) == 40
    row = (engine.count_tokens(PROMPTS[0]) + 12) * (
        2 * 2 * 16 * 4
    ) + 48 * VOCABULARY_SIZE  # keys and values of 2 layers and 16 numbers
    monkeypatch.setattr(module, "memory_left", lambda *_: 12.5 * row)
    sizes.clear()
    assert drawn() == wanted
    assert 10 <= max(sizes) <= 12, "12 rows, and some of it for the prefill"
    shortage[0] = 4
    with pytest.warns(UserWarning, match="cpu ran out of memory; going on with"):
        assert drawn() == wanted
    shortage[0], engine.batch_rows = 0, 1
    monkeypatch.setattr(
        engine.model,
        "forward",
        lambda **_: (_ for _ in ()).throw(torch.cuda.OutOfMemoryError("none left")),
    )
    with pytest.raises(ModelError, match="too little memory for one row"):
        engine.sample([Request(PROMPTS[0], seeds("memory", 2))], WARM)


def test_weights_too_large_for_the_device_are_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> Any:
        raise torch.cuda.OutOfMemoryError("none left")

    monkeypatch.setattr(torch.nn.Module, "to", full)
    assert "too little memory for its weights in float64; use dtype=bfloat16" in refusal(
        folder, dtype="float64"
    )


def test_other_failures_of_the_model_are_not_taken_for_a_lack_of_memory(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = TransformersEngine(str(folder), device="cpu")
    monkeypatch.setattr(
        engine.model, "forward", lambda **_: (_ for _ in ()).throw(RuntimeError("a kernel failed"))
    )
    with pytest.raises(RuntimeError, match="a kernel failed"):
        engine.sample([Request(PROMPTS[0], seeds("memory", 2))], WARM)


def test_chat_template_is_used_if_there_is_one(tmp_path: Path) -> None:
    engine = TransformersEngine(str(write_model(tmp_path, CHAT)), device="cpu")
    turns = (Message("user", "1+1 "), Message("assistant", " 2"), Message("user", "2+2"))
    assert engine.render(turns) == "<s>user|1+1|<s>assistant|2|<s>user|2+2|assistant|"
    assert engine.count_tokens(turns) == len(
        engine.tokenizer(engine.render(turns), add_special_tokens=False)["input_ids"]
    )
    [[sample]] = engine.sample([Request(turns, (3,))], GREEDY).samples
    ids = engine.tokenizer(engine.render(turns), add_special_tokens=False)["input_ids"]
    assert sample.logprob == pytest.approx(
        full_logprobs(engine, ids, list(sample.token_ids)).sum().item(), abs=1e-4
    )


def test_chat_or_plain_text_may_be_chosen(tmp_path: Path, folder: Path) -> None:
    instructed = write_model(tmp_path, CHAT)
    turns = (
        Message("user", "Question: 1+1\nAnswer:"),
        Message("assistant", " 2"),
        Message("user", "Question: 2+2\nAnswer:"),
    )
    plain, chat = (
        load_engine(f"{instructed}?chat={choice}&device=cpu") for choice in ("false", "true")
    )
    assert plain.render(
        turns
    ) == "Question: 1+1\nAnswer: 2\n\nQuestion: 2+2\nAnswer:" and chat.render(turns).startswith(
        "<s>user|"
    )
    base = TransformersEngine(str(folder), device="cpu")
    assert plain.count_tokens(turns) == base.count_tokens(turns), (
        "special tokens are the tokenizer's own again"
    )
    assert plain.score([turns], ["4"]).logprobs_PC == pytest.approx(
        base.score([turns], ["4"]).logprobs_PC, abs=1e-5
    )
    with pytest.raises(UsageError, match="has no chat template; leave chat out"):
        load_engine(f"{folder}?chat=true")


def test_plain_text_otherwise(engine: TransformersEngine) -> None:
    turns = (
        Message("user", "Question: 1+1\nAnswer:"),
        Message("assistant", " 2"),
        Message("user", "Question: 2+2\nAnswer:"),
    )
    assert engine.render(turns) == "Question: 1+1\nAnswer: 2\n\nQuestion: 2+2\nAnswer:"
    assert (
        engine.count_tokens(turns) == len(ids_of(engine, turns)) and ids_of(engine, turns)[0] == 1
    )


def test_too_long_a_prompt_is_refused_in_one_line(engine: TransformersEngine) -> None:
    with pytest.raises(UsageError, match="128 positions") as caught:
        engine.sample([Request(prompt("1" * 120), (1,))], WARM)
    assert "\n" not in str(caught.value)
    engine.sample([Request(prompt("1" * 115), (1,))], WARM)  # 116 tokens with <s>, and 12 new ones


def test_describe(engine: TransformersEngine, folder: Path) -> None:
    described = engine.describe()
    assert engine.name == described["model"] == str(folder)
    assert (described["dtype"], described["device"]) == ("float32", "cpu")
    assert (described["torch"], described["transformers"]) == (
        torch.__version__,
        transformers.__version__,
    )
    assert engine.parameters == sum(parameter.numel() for parameter in engine.model.parameters())


def refusal(folder: Path | str, **options: Any) -> str:
    with pytest.raises(ModelError) as caught:
        TransformersEngine(str(folder), device="cpu", **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    assert "pickled weights (pytorch_model.bin)" in refusal(folder)
    (folder / "pytorch_model.bin").unlink()
    assert "no weights" in refusal(folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_code_of_the_model_is_refused(tmp_path: Path, name: str) -> None:
    file = write_model(tmp_path) / name
    (tmp_path / "modeling.py").write_text("raise SystemExit('ran')")
    settings = json.loads(file.read_text())
    file.write_text(
        json.dumps(
            settings
            | {
                "auto_map": {
                    "AutoModelForCausalLM": "modeling.Model",
                    "AutoConfig": "modeling.Config",
                }
            }
        )
    )
    assert "auto_map" in refusal(tmp_path)


def test_broken_and_missing_folders_are_refused(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "nowhere")
    assert "config.json" in refusal(tmp_path)
    folder = write_model(tmp_path / "cut")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    assert "cannot be loaded" in refusal(folder)


def test_missing_weights_are_refused(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    folder = write_model(tmp_path)
    weights = load_file(folder / "model.safetensors")
    del weights["model.norm.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert "lacks 1 weights" in refusal(folder)


def test_unreachable_hub_id_is_refused() -> None:
    assert "hub" in refusal("nobody/no-such-model")  # HF_HUB_OFFLINE is set for all tests


def test_unknown_options_are_refused(folder: Path) -> None:
    for options in ({"device": "abacus"}, {"dtype": "int8"}, {"batch_rows": 0}):
        with pytest.raises(UsageError):
            TransformersEngine(str(folder), **options)


def test_missing_library_names_the_extra(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"strop\[hf\]"):
        TransformersEngine(str(folder))
