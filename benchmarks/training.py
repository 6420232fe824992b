"""Optimisers side by side on the ladder's recipe: tokens per second, and the loss after the same number of tokens.

    python benchmarks/training.py [NAME] [TOKENS]

One thread; the optimisers take turns batch by batch on models that start alike, so that noise of the machine falls on all of them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from strop.ladder.muon import Muon
from strop.ladder.recipes import RECIPES
from strop.ladder.train import Training, tokens_in

Optimizer = torch.optim.Optimizer


def adam(parameters: list[torch.nn.Parameter], rate: float) -> Optimizer:
    return torch.optim.AdamW(parameters, lr=rate, betas=(0.9, 0.98), weight_decay=0.05)


def library_muon(parameters: list[torch.nn.Parameter], rate: float) -> Optimizer:
    return torch.optim.Muon(parameters, lr=rate, weight_decay=0.05, adjust_lr_fn="match_rms_adamw")


def our_muon(parameters: list[torch.nn.Parameter], rate: float) -> Optimizer:
    return Muon(parameters, lr=rate)


@dataclass
class Runner:
    """One optimiser for the matrices between the layers; AdamW has the rest."""

    name: str
    make: Callable[[list[torch.nn.Parameter], float], Optimizer]
    training: Training

    def __post_init__(self) -> None:
        inner, outer = (
            [p for group in old.param_groups for p in group["params"]]
            for old in self.training.optimizers
        )
        recipe = self.training.recipe
        self.training.optimizers = [
            self.make(inner, recipe.muon_rate),
            adam(outer, recipe.adam_rate),
        ]


def main() -> None:
    name, tokens = (sys.argv[1:] + ["125k", "1000000"][len(sys.argv) - 1 :])[:2]
    torch.set_num_threads(1)
    recipe = replace(RECIPES[name], tokens=int(tokens))
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
        f"{recipe.name}, {tokens_in(batch)} tokens a batch, {recipe.tokens:,} tokens, one thread, in turns"
    )
    rates = [runner.training.seen / runner.training.seconds for runner in runners]
    for runner, rate in zip(runners, rates, strict=True):
        loss = float(np.mean(runner.training.losses[-100:]))
        print(
            f"{runner.name:<30} {rate:>8,.0f} tokens/s ({rate / rates[0]:.2f} of AdamW)   loss {loss:.3f}"
        )


if __name__ == "__main__":
    started = time.monotonic()
    main()
    print(f"{time.monotonic() - started:.0f} s")
