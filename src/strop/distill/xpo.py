"""XPO ("The Sharpening Mechanism", Alg. 1): RLHF-Sharpening, online, with a bonus for exploration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from strop.distill.base import Comparison, Row, Trainer, Watcher, Weighted
from strop.errors import UsageError

Draw = Callable[[Path, str], Sequence[Weighted]]
"""Responses of a model, one for each problem: of the model in the folder, for the stage "policy t", "base t" or "validation"."""

Reward = Callable[[Sequence[Weighted]], Sequence[float]]
"""The self-reward of each response: of the base model, never of the one in training."""


@dataclass(frozen=True, kw_only=True)
class Xpo(Trainer):
    """One step of XPO: ``alpha`` log pi(y'|x) plus the squared error of reward-based DPO, on all pairs so far.

    ``first`` of a row was drawn from the policy, ``second`` from the base model. ``explore`` makes the rounds. With ``alpha`` 0 the
    optimum is base * exp(r / beta), normalised; a fixed ``alpha`` above 0 biases it: the analysis lets alpha fall as 1 / sqrt(rounds).
    """

    name: ClassVar[str] = "xpo"
    row: ClassVar[type[Row]] = Comparison
    needs_base: ClassVar[bool] = True

    beta: float = 1.0
    alpha: float = 0.001

    def numbers(self, rows: Sequence[Comparison]) -> list[float]:
        return [row.difference for row in rows]

    def loop(self, parts: Any) -> Any:
        from strop.distill.hf_trainers import comparison_loop
        from strop.distill.losses import exploratory

        return comparison_loop(parts, partial(exploratory, beta=self.beta, alpha=self.alpha))


@dataclass(frozen=True)
class Iterate:
    """A policy of the run, and J_beta, the mean of r(y|x) - beta log[pi(y|x) / base(y|x)] over its validation responses."""

    folder: Path
    objective: float


def explore(
    trainer: Xpo,
    base: Path,
    out: Path,
    *,
    rounds: int,
    draw: Draw,
    reward: Reward,
    watcher: Watcher | None = None,
) -> list[Iterate]:
    """Algorithm 1: in each round draw y from the policy and y' from the base model, add the pairs to those so far, and fit.

    Returns the base model and the policy of each round, in order; the algorithm's result is the one with the largest objective. A killed
    exploration goes on when it is called again, as far as ``draw`` and ``reward`` give the same again.
    """
    if rounds < 1:
        raise UsageError(f"xpo: rounds is {rounds}; expected at least 1")
    rows: list[Comparison] = []
    iterates = [Iterate(base, objective(trainer, base, base, draw(base, "validation"), reward))]
    for number in range(1, rounds + 1):
        policy = iterates[-1].folder
        rows += _pairs(draw(policy, f"policy {number}"), draw(base, f"base {number}"), reward)
        fitted = trainer.fit(
            policy,
            rows,
            out / f"round-{number}",
            base=base,
            data=f"XPO, round {number}",
            watcher=watcher,
        )
        iterates.append(
            Iterate(fitted, objective(trainer, fitted, base, draw(fitted, "validation"), reward))
        )
    return iterates


def objective(
    trainer: Xpo, policy: Path, base: Path, responses: Sequence[Weighted], reward: Reward
) -> float:
    """J_beta of a policy, estimated from its own responses."""
    from strop.distill.scoring import score_rows

    ratio_B = score_rows(policy, responses)[:, 0] - score_rows(base, responses)[:, 0]
    return float(np.mean(np.array(reward(responses)) - trainer.beta * ratio_B))


def _pairs(
    explored: Sequence[Weighted], plain: Sequence[Weighted], reward: Reward
) -> list[Comparison]:
    if [(row.problem, row.prompt) for row in explored] != [
        (row.problem, row.prompt) for row in plain
    ]:
        raise UsageError(
            "xpo: draw gave other problems for the policy than for the base model; expected the same, in the same order"
        )
    differences = np.array(reward(explored)) - np.array(reward(plain))
    return [
        Comparison(one.problem, one.prompt, one.token_ids, other.token_ids, float(difference))
        for one, other, difference in zip(explored, plain, differences, strict=True)
    ]
