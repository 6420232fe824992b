"""vLLM's n=K against one request per sample and seed, as strop asks: time and draws, in one process, taking turns.

build/vllm/bin/python benchmarks/vllm_seeds.py        (the environment of make test-vllm)
"""

from __future__ import annotations

import os
import time

os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")

from strop.engines import LADDER
from strop.engines.vllm import VllmEngine
from strop.prompts import solution_prompt
from strop.tasks import Arithmetic

PROMPTS, SAMPLES, TURNS = 8, 64, 3


def main() -> None:
    engine, task = VllmEngine(str(LADDER / "250k")), Arithmetic()
    from vllm import SamplingParams

    llm = engine._llm
    common = {"temperature": 0.7, "top_p": 0.9, "logprobs": 0, "max_tokens": task.max_tokens}
    for shots in (0, 10):
        examples = task.problems("train", shots, seed=1) if shots else []
        texts = [
            engine.render(solution_prompt(task, problem, examples))
            for problem in task.problems("test", PROMPTS, seed=0)
        ]
        asked = [{"prompt_token_ids": list(engine._encode(text))} for text in texts]
        singles = [item for item in asked for _ in range(SAMPLES)]
        for turn in range(TURNS):
            drawn = []
            for way in ("n=K", "seeds", "n=K, no seed"):
                llm.reset_prefix_cache()
                started = time.perf_counter()
                if way == "seeds":
                    params = [
                        SamplingParams(seed=1000 * p + k, **common)
                        for p in range(PROMPTS)
                        for k in range(SAMPLES)
                    ]
                    outputs = llm.generate(singles, params, use_tqdm=False)
                else:
                    params = [
                        SamplingParams(seed=1000 * p if way == "n=K" else None, n=SAMPLES, **common)
                        for p in range(PROMPTS)
                    ]
                    outputs = llm.generate(asked, params, use_tqdm=False)
                seconds = time.perf_counter() - started
                drawn.append(
                    [tuple(written.token_ids) for output in outputs for written in output.outputs]
                )
                tokens = sum(map(len, drawn[-1]))
                cached = sum(output.num_cached_tokens for output in outputs)
                length, speed = len(asked[0]["prompt_token_ids"]), tokens / seconds
                print(
                    f"{length} prompt tokens, turn {turn}, {way}: {speed:,.0f} tokens/s, {cached} cached"
                )
            same = sum(a == b for a, b in zip(drawn[0], drawn[1], strict=True))
            print(f"  {same} of {len(drawn[0])} samples of n=K and of the seeds are the same")


if __name__ == "__main__":
    main()
