"""vLLM's n=K against one request per sample and seed, as strop does: time and samples.

In one process, in turn, in the environment of `make test-vllm`:

    build/vllm/bin/python benchmarks/vllm_seeds.py
"""

from __future__ import annotations

import os
import time
from typing import Any

os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")

from strop.engines import LADDER
from strop.engines.rendering import Ids
from strop.engines.vllm import VllmEngine
from strop.prompts import solution_prompt
from strop.tasks import Arithmetic

PROMPTS, SAMPLES, TURNS = 8, 64, 3
WAYS = ("n=K", "seeds", "n=K, no seed")
TASK = Arithmetic()


def prompt_ids(engine: VllmEngine, shots: int) -> list[Ids]:
    examples = TASK.problems("train", shots, seed=1) if shots else []
    prompts = []
    for problem in TASK.problems("test", PROMPTS, seed=0):
        text = engine.render(solution_prompt(TASK, problem, examples))
        prompts.append(engine._renderer.encode(text))
    return prompts


def requests_and_params(prompts: list[Ids], way: str) -> tuple[list[Any], list[Any]]:
    """Return vLLM's requests, and the sampling parameters of each."""
    from vllm import SamplingParams

    common = {"temperature": 0.7, "top_p": 0.9, "logprobs": 0, "max_tokens": TASK.max_tokens}
    requests, params = [], []
    for number, ids in enumerate(prompts):
        request = {"prompt_token_ids": list(ids)}
        first_seed = 1000 * number
        if way == "seeds":
            for k in range(SAMPLES):
                requests.append(request)
                params.append(SamplingParams(seed=first_seed + k, **common))
        else:
            seed = first_seed if way == "n=K" else None
            requests.append(request)
            params.append(SamplingParams(seed=seed, n=SAMPLES, **common))
    return requests, params


def main() -> None:
    engine = VllmEngine(str(LADDER / "250k"))
    llm = engine._llm
    for shots in (0, 10):
        prompts = prompt_ids(engine, shots)
        for turn in range(TURNS):
            drawn = {}
            for way in WAYS:
                llm.reset_prefix_cache()
                requests, params = requests_and_params(prompts, way)
                started = time.perf_counter()
                outputs = llm.generate(requests, params, use_tqdm=False)
                seconds = time.perf_counter() - started
                drawn[way] = [
                    tuple(written.token_ids) for output in outputs for written in output.outputs
                ]
                speed = sum(map(len, drawn[way])) / seconds
                cached = sum(output.num_cached_tokens for output in outputs)
                print(
                    f"{len(prompts[0])} prompt tokens, turn {turn}, {way}: "
                    f"{speed:,.0f} tokens/s, {cached} cached"
                )
            same = sum(a == b for a, b in zip(drawn["n=K"], drawn["seeds"], strict=True))
            print(f"  {same} of {len(drawn['n=K'])} samples of n=K and of the seeds are the same")


if __name__ == "__main__":
    main()
