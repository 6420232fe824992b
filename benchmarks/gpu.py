"""Speed and precision of the transformers engine on a GPU, for a Llama of a billion parameters.

Run it with  python benchmarks/gpu.py  on a machine with a GPU (some minutes), or anywhere with
python benchmarks/gpu.py --parameters small --problems 4 --samples 16 --max-tokens 32. It prints one
JSON document:

tokens_per_second           64 problems x 128 samples, up to 512 tokens; random weights hardly ever
                            end early, so nearly all reach 512
prefill_once_is_faster_by   seconds with the prompt run again for every sample, over seconds with it
                            run once, on the same problems
logprobs_against_float32    the engine's own against one forward pass in float32 on the CPU: nats,
                            per token and per whole response

It needs torch, transformers, numpy and strop's core, and writes its model into a temporary folder
(2.5 GB).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from strop.engines.base import Request
from strop.engines.kv_cache import SharedPrefix
from strop.engines.transformers import TransformersEngine
from strop.ladder.tokenizer import VOCABULARY_SIZE, build_tokenizer
from strop.records import Message, Sample, Sampling
from strop.seeds import derive

SIZES = {
    "1b": {
        "vocab_size": 128_256,
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "num_hidden_layers": 16,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 64,
    },
    "small": {
        "vocab_size": VOCABULARY_SIZE,
        "hidden_size": 128,
        "intermediate_size": 384,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 32,
    },
}
HAS_GPU = torch.cuda.is_available()


class Measured(TransformersEngine):
    """The engine; with ``repeats`` it runs the prompt of every sample anew."""

    repeats = False

    def _draw_group(
        self, jobs: list[Any], most: int, shared: SharedPrefix, sampling: Sampling
    ) -> list[list[Sample]]:
        if not self.repeats:
            return super()._draw_group(jobs, most, shared, sampling)
        alone = [(ids, [seed]) for ids, seeds in jobs for seed in seeds]
        drawn = []
        for start in range(0, len(alone), most):
            group = alone[start : start + most]
            drawn += [row[0] for row in super()._draw_group(group, most, shared, sampling)]
        remaining = iter(drawn)
        return [[next(remaining) for _ in seeds] for _, seeds in jobs]


def write_model(folder: Path, size: dict[str, int], dtype: str, positions: int) -> None:
    """Write a Llama with random weights, and the embedded models' tokenizer.

    The tokenizer's tokens are a few of the model's vocabulary.
    """
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        **size,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        tie_word_embeddings=True,
        max_position_embeddings=positions,
        dtype=dtype,
    )
    with torch.device("cuda" if HAS_GPU else "cpu"):
        model = transformers.LlamaForCausalLM(config)
    model.to(getattr(torch, dtype)).save_pretrained(folder)
    build_tokenizer().save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "pad_token": "<pad>",
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def requests(problems: int, samples: int, prompt_tokens: int) -> list[Request]:
    """Return prompts of random digits, one token each, that share no prefix."""
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(problems):
        text = "".join(map(str, rng.integers(0, 10, prompt_tokens - 1)))
        seeds = tuple(derive(text, k) for k in range(samples))
        drawn.append(Request((Message("user", text),), seeds))
    return drawn


def timed(
    engine: Measured, drawn: list[Request], sampling: Sampling, repeats: bool
) -> dict[str, float]:
    """Time one call: seconds, tokens, the most rows at once, and the most memory."""
    engine.repeats = repeats
    if HAS_GPU:
        torch.cuda.reset_peak_memory_stats()
    started = time.perf_counter()
    usage = engine.sample(drawn, sampling).usage
    seconds = time.perf_counter() - started
    way = "repeated" if repeats else "once"
    print(f"{len(drawn)} problems, prompts {way}: {seconds:.1f} s", file=sys.stderr)
    facts: dict[str, float] = {}
    if HAS_GPU:
        facts["peak_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 2)
    facts["seconds"] = round(seconds, 2)
    facts["generated_tokens"] = usage.generated_tokens
    facts["batch_rows_at_most"] = engine.batch_rows
    facts["tokens_per_second"] = round(usage.generated_tokens / seconds)
    facts["flops_per_second"] = usage.flops / seconds
    return facts


def against_float32(
    engine: Measured, folder: Path, drawn: list[Request], sampling: Sampling
) -> dict[str, float]:
    """Return differences of log-probabilities, engine minus reference.

    Over the first response of each request, drawn in a batch with the others.
    """
    engine.repeats = False
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    reference = model.eval()
    differences = []
    tokens = 0
    rows = engine.sample(drawn, sampling).samples
    for request, row in zip(drawn, rows, strict=True):
        sample = row[0]
        prompt = engine.tokenizer(engine.render(request.prompt))["input_ids"]
        ids = torch.tensor(sample.token_ids)
        with torch.inference_mode():
            logits = reference(torch.tensor([prompt + list(sample.token_ids)])).logits
        logprobs = logits[0, len(prompt) - 1 : -1].log_softmax(-1).gather(-1, ids[:, None])
        differences.append(sample.logprob - logprobs.double().sum().item())
        tokens += len(sample.token_ids)
    return {
        "responses": len(differences),
        "tokens": tokens,
        "largest_whole": float(np.abs(differences).max()),
        "mean_whole": float(np.mean(differences)),
        "mean_absolute_per_token": float(np.abs(differences).sum() / tokens),
    }


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parameters", choices=SIZES, default="1b")
    parser.add_argument("--problems", type=int, default=64)
    parser.add_argument("--samples", type=int, default=128)
    parser.add_argument("--max-tokens", type=int, default=512)
    parser.add_argument("--prompt-tokens", type=int, default=256)
    parser.add_argument("--compared", type=int, default=8)
    parser.add_argument("--top-p", type=float, default=0.9)
    parser.add_argument("--dtype", default="bfloat16" if HAS_GPU else "float32")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    sampling = Sampling(0.7, arguments.top_p, arguments.max_tokens)
    warm_up = Sampling(0.7, arguments.top_p, min(8, arguments.max_tokens))
    drawn = requests(arguments.problems, arguments.samples, arguments.prompt_tokens)
    few = drawn[: arguments.compared]
    few_samples = [Request(request.prompt, request.seeds[:8]) for request in few]
    positions = arguments.prompt_tokens + arguments.max_tokens
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_model(folder, SIZES[arguments.parameters], arguments.dtype, positions)
        engine = Measured(str(folder), dtype=arguments.dtype)
        timed(engine, drawn[:1], warm_up, False)
        whole = timed(engine, drawn, sampling, False)
        once = timed(engine, few, sampling, False)
        repeated = timed(engine, few, sampling, True)
        compared = against_float32(engine, folder, few_samples, sampling)
    document = {
        "device": torch.cuda.get_device_name() if HAS_GPU else "cpu",
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "parameters": engine.parameters,
        "asked": vars(arguments),
        "tokens_per_second": whole["tokens_per_second"],
        "whole": whole,
        "prefill_once_is_faster_by": round(repeated["seconds"] / once["seconds"], 3),
        "once": once,
        "repeated": repeated,
        "logprobs_against_float32": compared,
    }
    print(json.dumps(document, indent=2, allow_nan=False))


if __name__ == "__main__":
    main()
