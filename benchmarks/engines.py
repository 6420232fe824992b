"""Speed of the embedded engine against transformers, on the same model and prompts, as ratios.

Run it with  python benchmarks/engines.py [MODEL-FOLDER] [ROUNDS]. Each engine has one thread, and
the rounds alternate, so that a noisy machine slows all alike. `generate` is transformers' own with
num_return_sequences, which prefills every copy of a prompt. Then 64 verification prompts with four
examples: their shared prefix run once, against every prompt run whole.
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
    drawn = []
    for problem in TASK.problems("test", PROBLEMS, seed=0):
        seeds = tuple(derive(problem.id, k) for k in range(SAMPLES))
        drawn.append(Request(solution_prompt(TASK, problem, []), seeds))
    return drawn


def by_engine(engine: Engine) -> int:
    """Draw with an engine; return the number of generated tokens."""
    return engine.sample(requests(), SAMPLING).usage.generated_tokens


def by_generate(engine: TransformersEngine) -> int:
    """Draw with transformers' generate; return the number of generated tokens."""
    texts = [engine.render(request.prompt) for request in requests()]
    engine.tokenizer.padding_side = "left"
    batch = engine.tokenizer(texts, return_tensors="pt", padding=True)
    prompt_width = batch["input_ids"].shape[1]
    with torch.inference_mode():
        ids = engine.model.generate(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            do_sample=True,
            temperature=0.7,
            top_p=0.9,
            top_k=0,
            max_new_tokens=SAMPLING.max_tokens,
            num_return_sequences=SAMPLES,
        )
    return int((ids[:, prompt_width:] != engine.tokenizer.pad_token_id).sum())


def verifications() -> list[Prompt]:
    shots = TASK.shots(4, seed=0)
    prompts = []
    for problem in TASK.problems("test", 64, seed=1):
        response = f" {TASK.gold_response(problem)}"
        prompts.append(verification_prompt("multiple_choice", TASK, problem, response, shots))
    return prompts


def median_and_range(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.2f}x [{min(ratios):.2f}, {max(ratios):.2f}]"


def compare_sharing(folder: Path, rounds: int) -> None:
    """Time a shared prefix against whole prompts, for scoring and for drawing, round by round.

    Two options are scored after each verification prompt; one verification of 64 tokens is drawn.
    """
    prompts = verifications()
    shared = TransformersEngine(str(folder), share_prompts=True)
    whole = TransformersEngine(str(folder), share_prompts=False)

    def score(engine: Engine) -> Usage:
        return engine.score(prompts, (CORRECT, INCORRECT)).usage

    def draw(engine: Engine) -> Usage:
        drawing = [Request(prompt, (1,)) for prompt in prompts]
        return engine.sample(drawing, Sampling(0.7, 0.9, 64)).usage

    for name, work in (("two options scored", score), ("one verification drawn", draw)):
        ratios = []
        for number in range(rounds + 1):
            seconds = []
            for engine in (shared, whole):
                started = time.perf_counter()
                work(engine)
                seconds.append(time.perf_counter() - started)
            if number:  # the first round warms up
                ratios.append(seconds[1] / seconds[0])
        tokens = [work(engine).prompt_tokens / len(prompts) for engine in (shared, whole)]
        print(
            f"examples run once: {median_and_range(ratios)} faster, "
            f"{tokens[0]:.0f} instead of {tokens[1]:.0f} tokens a prompt   {name}"
        )


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else LADDER / "250k"
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    torch.set_num_threads(1)
    threadpoolctl.threadpool_limits(1)
    numpy_engine = LlamaEngine(folder)
    torch_engine = TransformersEngine(str(folder), batch_rows=256)
    ways: dict[str, Callable[[], int]] = {
        "embedded (NumPy)": lambda: by_engine(numpy_engine),
        "transformers engine (own loop, prompt prefilled once)": lambda: by_engine(torch_engine),
        "transformers generate (prompt prefilled for every copy)": lambda: by_generate(
            torch_engine
        ),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, draw in ways.items():
            started = time.perf_counter()
            tokens = draw()
            if number:  # the first round warms up
                rates[name].append(tokens / (time.perf_counter() - started))
    print(
        f"{folder.name}: {PROBLEMS} problems x {SAMPLES} samples, {rounds} rounds, one thread; "
        "medians, and ratios round by round"
    )
    embedded_rates = rates["embedded (NumPy)"]
    for name, way_rates in rates.items():
        ratios = [a / b for a, b in zip(embedded_rates, way_rates, strict=True)]
        median = statistics.median(way_rates)
        print(f"{median:>9,.0f} tok/s   embedded is {median_and_range(ratios)}   {name}")
    compare_sharing(folder, rounds)


if __name__ == "__main__":
    main()
