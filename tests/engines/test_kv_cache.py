"""The shared prefix of prompts (kv_cache.py) is run once: same numbers, fewer tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from strop.engines import LADDER
from strop.engines.base import Request
from strop.engines.llama import LlamaEngine
from strop.engines.transformers import TransformersEngine
from strop.prompts import CORRECT, INCORRECT, solution_prompt, verification_prompt
from strop.records import Message, Prompt, Sampling
from strop.seeds import derive
from strop.tasks import Arithmetic

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

FOLDER = LADDER / "40k"
TASK = Arithmetic()
SHOTS = TASK.shots(3, seed=0)


def checks(count: int, shots: int = 3) -> list[Prompt]:
    """Return verification prompts of many lengths after the same examples."""
    problems = TASK.problems("test", count, seed=0)
    return [
        verification_prompt("multiple_choice", TASK, p, " 1+1=2"[: 2 + i % 5], SHOTS[:shots])
        for i, p in enumerate(problems)
    ]


@pytest.fixture(scope="module")
def shared() -> TransformersEngine:
    return TransformersEngine(str(FOLDER), device="cpu")


@pytest.fixture(scope="module")
def plain() -> TransformersEngine:
    return TransformersEngine(str(FOLDER), device="cpu", share_prompts=False)


def test_scores_are_those_of_whole_prompts(
    shared: TransformersEngine, plain: TransformersEngine
) -> None:
    options = [CORRECT, INCORRECT, "12+3"]
    got, wanted = shared.score(checks(20), options), plain.score(checks(20), options)
    assert got.logprobs_PC == pytest.approx(wanted.logprobs_PC, abs=1e-4)
    assert got.usage.prompt_tokens < wanted.usage.prompt_tokens / 2, (
        "the examples are most of these prompts"
    )
    total = [usage.prompt_tokens + usage.cached_tokens for usage in (got.usage, wanted.usage)]
    assert total[0] == total[1] == 3 * sum(map(plain.count_tokens, checks(20)))


def test_samples_are_those_of_whole_prompts(
    shared: TransformersEngine, plain: TransformersEngine
) -> None:
    requests = [
        Request(prompt, tuple(derive(i, k) for k in range(3)))
        for i, prompt in enumerate(checks(12))
    ]
    got, wanted = (
        engine.sample(requests, Sampling(0.7, 0.9, 20)).samples for engine in (shared, plain)
    )
    assert [[s.token_ids for s in row] for row in got] == [
        [s.token_ids for s in row] for row in wanted
    ]
    assert [s.logprob for row in got for s in row] == pytest.approx(
        [s.logprob for row in wanted for s in row], abs=1e-3
    )


def test_a_prompt_that_is_the_prefix_of_the_others_keeps_a_token_of_its_own(
    shared: TransformersEngine, plain: TransformersEngine
) -> None:
    words = "Question: " + "+".join("1234567890" * 5)
    prompts = [(Message("user", words + more),) for more in ("", "+1", "+1+2+3+4", "\nAnswer:")]
    assert shared.score(prompts, ["1", "+2"]).logprobs_PC == pytest.approx(
        plain.score(prompts, ["1", "+2"]).logprobs_PC, abs=1e-4
    )
    assert (
        shared.score(prompts, ["1"]).usage.prompt_tokens
        < plain.score(prompts, ["1"]).usage.prompt_tokens
    )


def test_the_order_and_length_of_prompts_change_no_sample(shared: TransformersEngine) -> None:
    """Batches are made by length; the sample of a seed must not depend on the other prompts."""
    requests = [
        Request(prompt, (derive("order", i),))
        for i, prompt in enumerate(checks(10) + checks(10, shots=0))
    ]
    small = TransformersEngine(str(FOLDER), device="cpu", batch_rows=3)
    forwards = shared.sample(requests, Sampling(0.7, 0.9, 20)).samples
    backwards = small.sample(requests[::-1], Sampling(0.7, 0.9, 20)).samples[::-1]
    assert [row[0].token_ids for row in forwards] == [row[0].token_ids for row in backwards]


def test_batches_are_made_by_length(
    plain: TransformersEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, widths = (
        TransformersEngine(str(FOLDER), device="cpu", batch_rows=2, share_prompts=False),
        [],
    )
    forward = engine.model.forward

    def spy(*args: Any, **named: Any) -> Any:
        widths.append(named["input_ids"].shape[1])
        return forward(*args, **named)

    monkeypatch.setattr(engine.model, "forward", spy)
    prompts = checks(6) + checks(6, shots=0)
    engine.score(prompts, ["1", "2"])
    lengths = sorted((engine.count_tokens(prompt) for prompt in prompts), reverse=True)
    assert widths == lengths, "one prompt with its two continuations a batch, the longest first"


@pytest.mark.parametrize("config", ["window", "dynamic"])
def test_nothing_is_shared_if_the_cache_cannot_be_shifted(tmp_path: Path, config: str) -> None:
    """Sliding windows drop positions; some rotary embeddings depend on the text's length."""
    small = dict(
        vocab_size=200,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        max_position_embeddings=256,
        initializer_range=0.4,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    torch.manual_seed(0)
    if config == "window":
        model = transformers.MistralForCausalLM(
            transformers.MistralConfig(**small, sliding_window=16)
        )
    else:
        rope = {"rope_type": "dynamic", "rope_theta": 10_000.0, "factor": 2.0}
        model = transformers.LlamaForCausalLM(
            transformers.LlamaConfig(**small, rope_parameters=rope)
        )
    model.save_pretrained(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((FOLDER / name).read_bytes())
    engine = TransformersEngine(str(tmp_path), device="cpu")
    scored = engine.score(checks(4), ["1", "23"])
    assert scored.usage.prompt_tokens == sum(map(engine.count_tokens, checks(4)))
    whole = TransformersEngine(str(tmp_path), device="cpu", share_prompts=False)
    assert scored.logprobs_PC == pytest.approx(
        whole.score(checks(4), ["1", "23"]).logprobs_PC, abs=1e-4
    )


def test_both_engines_count_the_same_flops_for_the_same_work(
    shared: TransformersEngine, plain: TransformersEngine
) -> None:
    ladder = LlamaEngine(FOLDER)
    assert (
        ladder.parameters == plain.parameters
        and ladder.attention_width == plain.attention_width > 0
    )
    asked = [solution_prompt(TASK, problem, []) for problem in TASK.problems("test", 6, seed=0)]
    requests = [
        Request(prompt, tuple(derive(i, k) for k in range(8))) for i, prompt in enumerate(asked)
    ]
    ours, theirs = (
        engine.sample(requests, Sampling(0.7, 0.9, 1)).usage for engine in (ladder, plain)
    )
    assert (ours.prompt_tokens, ours.cached_tokens, ours.flops) == (
        theirs.prompt_tokens,
        theirs.cached_tokens,
        theirs.flops,
    )
    ours, theirs = (
        engine.sample([Request(p, (0,)) for p in asked], Sampling(0, 1, 40)).usage
        for engine in (ladder, plain)
    )
    assert (ours.generated_tokens, ours.flops) == (
        theirs.generated_tokens,
        theirs.flops,
    ) and ours.generated_tokens > 12
    scored = [
        engine.score(checks(5), [CORRECT, INCORRECT]).usage for engine in (ladder, plain, shared)
    ]
    assert (scored[0].prompt_tokens, scored[0].cached_tokens, scored[0].flops) == (
        scored[1].prompt_tokens,
        scored[1].cached_tokens,
        scored[1].flops,
    )
    common = (scored[1].prompt_tokens - scored[2].prompt_tokens) // 4
    saved = 4 * shared.forward_flops(0, common)
    assert common > 100 and scored[2].flops == pytest.approx(scored[1].flops - saved, rel=1e-12), (
        "cached tokens cost nothing"
    )
