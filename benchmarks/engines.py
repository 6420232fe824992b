"""Tokens per second of the embedded engine against transformers on the same model and prompts, in turn, as ratios.

Run it with  python benchmarks/engines.py [MODEL-FOLDER] [ROUNDS]. One thread each; the rounds alternate, so that a noisy machine harms all
alike. `generate` is transformers' own, with num_return_sequences, which prefills every copy of a prompt. Then 64 verification prompts
behind four examples: what they begin with in common run once, against every prompt run whole.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import threadpoolctl
import torch

from strop.engines import LADDER, Engine
from strop.engines.base import Request
from strop.engines.llama import LlamaEngine
from strop.engines.transformers import TransformersEngine
from strop.prompts import CORRECT, INCORRECT, solution_prompt, verification_prompt
from strop.records import Prompt, Sampling, Usage
from strop.seeds import derive
from strop.tasks import Arithmetic

PROBLEMS, SAMPLES = 16, 32
TASK = Arithmetic()
SAMPLING = Sampling(0.7, 0.9, TASK.max_tokens)


def requests() -> list[Request]:
    problems = TASK.problems("test", PROBLEMS, seed=0)
    return [
        Request(solution_prompt(TASK, p, []), tuple(derive(p.id, k) for k in range(SAMPLES)))
        for p in problems
    ]


def by_engine(engine: Engine) -> int:
    return engine.sample(requests(), SAMPLING).usage.generated_tokens


def by_generate(engine: TransformersEngine) -> int:
    texts = [engine.render(request.prompt) for request in requests()]
    engine.tokenizer.padding_side = "left"
    batch = engine.tokenizer(texts, return_tensors="pt", padding=True)
    prompt = batch["input_ids"].shape[1]
    with torch.inference_mode():
        out = engine.model.generate(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            do_sample=True,
            temperature=0.7,
            top_p=0.9,
            top_k=0,
            max_new_tokens=SAMPLING.max_tokens,
            num_return_sequences=SAMPLES,
        )
    return int((out[:, prompt:] != engine.tokenizer.pad_token_id).sum())


def verifications() -> list[Prompt]:
    shots = TASK.shots(4, seed=0)
    problems = TASK.problems("test", 64, seed=1)
    return [
        verification_prompt("multiple_choice", TASK, p, f" {TASK.gold_response(p)}", shots)
        for p in problems
    ]


def compare_sharing(folder: Path, rounds: int) -> None:
    """Scoring two options after each verification prompt, and drawing one verification of 64 tokens: ratios of seconds, round by round."""
    prompts = verifications()
    shared, whole = (
        TransformersEngine(str(folder), share_prompts=share) for share in (True, False)
    )
    ways: dict[str, Callable[[Engine], Usage]] = {
        "two options scored": lambda engine: engine.score(prompts, (CORRECT, INCORRECT)).usage,
        "one verification drawn": lambda engine: (
            engine.sample([Request(p, (1,)) for p in prompts], Sampling(0.7, 0.9, 64)).usage
        ),
    }
    for name, way in ways.items():
        ratios = []
        for number in range(rounds + 1):
            seconds = []
            for engine in (shared, whole):
                started = time.perf_counter()
                way(engine)
                seconds.append(time.perf_counter() - started)
            ratios += [seconds[1] / seconds[0]] if number else []
        tokens = [way(engine).prompt_tokens / len(prompts) for engine in (shared, whole)]
        spread = f"{statistics.median(ratios):.2f}x [{min(ratios):.2f}, {max(ratios):.2f}]"
        print(
            f"examples run once: {spread} faster, {tokens[0]:.0f} instead of {tokens[1]:.0f} tokens a prompt   {name}"
        )


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else LADDER / "250k"
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    torch.set_num_threads(1)
    threadpoolctl.threadpool_limits(1)
    theirs = TransformersEngine(str(folder), batch_rows=256)
    ours = LlamaEngine(folder)
    ways: dict[str, Callable[[], int]] = {
        "embedded (NumPy)": lambda: by_engine(ours),
        "transformers engine (own loop, prompt prefilled once)": lambda: by_engine(theirs),
        "transformers generate (prompt prefilled for every copy)": lambda: by_generate(theirs),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            started = time.perf_counter()
            tokens = way()
            if number:  # the first round warms up
                rates[name].append(tokens / (time.perf_counter() - started))
    first = rates["embedded (NumPy)"]
    print(
        f"{folder.name}: {PROBLEMS} problems x {SAMPLES} samples, {rounds} rounds, one thread; medians, and ratios round by round"
    )
    for name, own in rates.items():
        ratios = sorted(a / b for a, b in zip(first, own, strict=True))
        spread = f"{statistics.median(ratios):.2f}x [{ratios[0]:.2f}, {ratios[-1]:.2f}]"
        print(f"{statistics.median(own):>9,.0f} tok/s   embedded is {spread}   {name}")
    compare_sharing(folder, rounds)


if __name__ == "__main__":
    main()
