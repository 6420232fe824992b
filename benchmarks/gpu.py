"""The transformers engine at the size that a GPU is for: a freshly initialised Llama of about a thousand million parameters.

Run it with  python benchmarks/gpu.py  on a machine with a GPU (some minutes), or anywhere with
python benchmarks/gpu.py --parameters small --problems 4 --samples 16 --max-tokens 32. It prints one JSON document:

tokens_per_second           64 problems x 128 samples, up to 512 tokens; random weights hardly ever end early, so nearly all reach 512
prefill_once_is_faster_by   seconds with the prompt run again for every sample over seconds with it run once, on the same problems
logprobs_against_float32    the engine's own against one forward pass in float32 on the CPU: nats, a token and a whole response

It needs torch, transformers, numpy and strop's core, and writes its model into a temporary folder (2.5 GB).
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
from strop.engines.kv_cache import Beginning
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


class Measured(TransformersEngine):
    """The engine, and what it would be if every sample's prompt were run: ``repeats``."""

    repeats = False

    def _draw_group(
        self, jobs: list[Any], most: int, shared: Beginning, sampling: Sampling
    ) -> list[list[Sample]]:
        if not self.repeats:
            return super()._draw_group(jobs, most, shared, sampling)
        alone = [(ids, [seed]) for ids, seeds in jobs for seed in seeds]
        groups = (alone[start : start + most] for start in range(0, len(alone), most))
        drawn = iter(
            [
                row[0]
                for group in groups
                for row in super(Measured, self)._draw_group(group, most, shared, sampling)
            ]
        )
        return [[next(drawn) for _ in seeds] for _, seeds in jobs]


def write_model(folder: Path, size: dict[str, int], dtype: str, places: int) -> None:
    """A Llama with random weights, and the embedded models' tokenizer, whose tokens are a few of its vocabulary."""
    torch.manual_seed(0)
    ends = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    config = transformers.LlamaConfig(
        **size, **ends, tie_word_embeddings=True, max_position_embeddings=places, dtype=dtype
    )
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = transformers.LlamaForCausalLM(config)
    model.to(getattr(torch, dtype)).save_pretrained(folder)
    build_tokenizer().save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "pad_token": "<pad>",
    }
    (folder / "tokenizer_config.json").write_text(
        json.dumps(settings | {"clean_up_tokenization_spaces": False})
    )


def requests(problems: int, samples: int, prompt_tokens: int) -> list[Request]:
    """Prompts of random digits, a token each, that have nothing in common."""
    dice = np.random.default_rng(0)
    texts = ["".join(map(str, dice.integers(0, 10, prompt_tokens - 1))) for _ in range(problems)]
    return [
        Request((Message("user", text),), tuple(derive(text, k) for k in range(samples)))
        for text in texts
    ]


def timed(
    engine: Measured, asked: list[Request], sampling: Sampling, repeats: bool
) -> dict[str, float]:
    """One call: seconds, tokens, the most rows at once, and the most memory."""
    engine.repeats = repeats
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    started = time.perf_counter()
    usage = engine.sample(asked, sampling).usage
    seconds = time.perf_counter() - started
    print(
        f"{len(asked)} problems, prompts {'repeated' if repeats else 'once'}: {seconds:.1f} s",
        file=sys.stderr,
    )
    memory = (
        {"peak_gib": round(torch.cuda.max_memory_allocated() / 2**30, 2)}
        if torch.cuda.is_available()
        else {}
    )
    return memory | {
        "seconds": round(seconds, 2),
        "generated_tokens": usage.generated_tokens,
        "batch_rows_at_most": engine.batch_rows,
        "tokens_per_second": round(usage.generated_tokens / seconds),
        "flops_per_second": usage.flops / seconds,
    }


def against_float32(
    engine: Measured, folder: Path, asked: list[Request], sampling: Sampling
) -> dict[str, float]:
    """Differences of log-probabilities, engine minus reference, over a few responses drawn beside many."""
    engine.repeats = False
    reference = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32
    ).eval()
    wholes, tokens = [], 0
    for request, [sample] in zip(
        asked, (row[:1] for row in engine.sample(asked, sampling).samples), strict=True
    ):
        prompt = engine.tokenizer(engine.render(request.prompt))["input_ids"]
        with torch.inference_mode():
            logits = reference(torch.tensor([prompt + list(sample.token_ids)])).logits[
                0, len(prompt) - 1 : -1
            ]
        told = logits.log_softmax(-1).gather(-1, torch.tensor(sample.token_ids)[:, None])
        wholes.append(sample.logprob - told.double().sum().item())
        tokens += len(sample.token_ids)
    return {
        "responses": len(wholes),
        "tokens": tokens,
        "largest_whole": float(np.abs(wholes).max()),
        "mean_whole": float(np.mean(wholes)),
        "mean_absolute_per_token": float(np.abs(wholes).sum() / tokens),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parameters", choices=SIZES, default="1b")
    for name, default in (
        ("problems", 64),
        ("samples", 128),
        ("max-tokens", 512),
        ("prompt-tokens", 256),
        ("compared", 8),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--top-p", type=float, default=0.9)
    parser.add_argument("--dtype", default="bfloat16" if torch.cuda.is_available() else "float32")
    asked = parser.parse_args()
    sampling = Sampling(0.7, asked.top_p, asked.max_tokens)
    drawn = requests(asked.problems, asked.samples, asked.prompt_tokens)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_model(
            folder, SIZES[asked.parameters], asked.dtype, asked.prompt_tokens + asked.max_tokens
        )
        engine = Measured(str(folder), dtype=asked.dtype)
        timed(
            engine, drawn[:1], Sampling(0.7, asked.top_p, min(8, asked.max_tokens)), False
        )  # to warm up
        whole = timed(engine, drawn, sampling, False)
        few = drawn[: asked.compared]
        once, repeated = timed(engine, few, sampling, False), timed(engine, few, sampling, True)
        compared = against_float32(
            engine, folder, [Request(r.prompt, r.seeds[:8]) for r in few], sampling
        )
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    facts = {
        "device": device,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "parameters": engine.parameters,
    }
    document = facts | {
        "asked": vars(asked),
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
