"""Optimisers on the ladder's recipe, side by side: tokens per second, and loss after equal tokens.

    python benchmarks/training.py [NAME] [TOKENS]

One thread. The optimisers take turns batch by batch, on models that start with the same weights, so
that the machine's noise affects all of them alike.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from strop.ladder.model import tokens_in
from strop.ladder.muon import Muon
from strop.ladder.recipes import RECIPES
from strop.ladder.train import Training

Optimizer = torch.optim.Optimizer


def adam(parameters: list[torch.nn.Parameter], rate: float) -> Optimizer:
    return torch.optim.AdamW(parameters, lr=rate, betas=(0.9, 0.98), weight_decay=0.05)


def library_muon(parameters: list[torch.nn.Parameter], rate: float) -> Optimizer:
    return torch.optim.Muon(parameters, lr=rate, weight_decay=0.05, adjust_lr_fn="match_rms_adamw")


def our_muon(parameters: list[torch.nn.Parameter], rate: float) -> Optimizer:
    return Muon(parameters, lr=rate)


@dataclass
class Runner:
    """A training with one optimiser for the matrices inside layers; AdamW has the rest."""

    name: str
    make: Callable[[list[torch.nn.Parameter], float], Optimizer]
    training: Training

    def __post_init__(self) -> None:
        # Training.begin has divided the parameters; only the optimisers are replaced.
        inner, outer = map(parameters_of, self.training.optimizers)
        recipe = self.training.recipe
        self.training.optimizers = [
            self.make(inner, recipe.muon_rate),
            adam(outer, recipe.adam_rate),
        ]


def parameters_of(optimizer: Optimizer) -> list[torch.nn.Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else "125k"
    tokens = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
    torch.set_num_threads(1)
    recipe = replace(RECIPES[name], tokens=tokens)
    slow = replace(recipe, muon_rate=2.7e-3)  # AdamW's own best rate at 125k
    runners = [
        Runner("AdamW", adam, Training.begin(slow)),
        Runner("Muon, torch.optim (bfloat16)", library_muon, Training.begin(recipe)),
        Runner("Muon, strop (float32)", our_muon, Training.begin(recipe)),
    ]
    for batch in Training.begin(recipe).rows():
        if runners[0].training.seen >= recipe.tokens:
            break
        for runner in runners:
            started = time.monotonic()
            runner.training.step(batch)
            runner.training.seconds += time.monotonic() - started
    print(
        f"{recipe.name}, {tokens_in(batch)} tokens a batch, {recipe.tokens:,} tokens, "
        "one thread, in turns"
    )
    rates = [runner.training.seen / runner.training.seconds for runner in runners]
    for runner, rate in zip(runners, rates, strict=True):
        loss = float(np.mean(runner.training.losses[-100:]))
        print(
            f"{runner.name:<30} {rate:>8,.0f} tokens/s ({rate / rates[0]:.2f} of AdamW)   "
            f"loss {loss:.3f}"
        )


if __name__ == "__main__":
    started = time.monotonic()
    main()
    print(f"{time.monotonic() - started:.0f} s")
