"""XPO ("The Sharpening Mechanism", Alg. 1): RLHF-Sharpening, online, with an exploration bonus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from strop.distill.base import Draw, Reward, Trainer
from strop.distill.rows import Comparison, Row, Weighted
from strop.distill.settings import at_least
from strop.errors import UsageError
from strop.progress import Watcher


@dataclass(frozen=True, kw_only=True)
class Xpo(Trainer):
    """One step of XPO: ``alpha`` log pi(y'|x) plus the squared error of reward-based DPO.

    The loss is over all pairs so far: ``first`` of a row was drawn from the policy, ``second`` from
    the base model. ``explore`` runs the rounds. With ``alpha`` 0 the optimum is
    base * exp(r / beta), normalised; a fixed ``alpha`` above 0 biases it: the analysis lets alpha
    fall as 1 / sqrt(rounds).
    """

    name: ClassVar[str] = "xpo"
    row: ClassVar[type[Row]] = Comparison
    needs_base: ClassVar[bool] = True
    online: ClassVar[bool] = True

    beta: float = at_least(0, default=1.0)
    alpha: float = at_least(0, default=0.001)

    def numbers(self, rows: Sequence[Comparison]) -> list[float]:
        return [row.difference for row in rows]

    def loop(self, parts: Any) -> Any:
        from strop.distill.hf_trainers import comparison_loop
        from strop.distill.losses import exploratory

        return comparison_loop(parts, partial(exploratory, beta=self.beta, alpha=self.alpha))

    def fit_online(
        self,
        base: Path,
        out: Path,
        *,
        rounds: int,
        draw: Draw,
        reward: Reward,
        watcher: Watcher | None = None,
    ) -> Path:
        """Run the rounds of ``explore`` and return the folder with the largest objective."""
        iterates = explore(
            self, base, out, rounds=rounds, draw=draw, reward=reward, watcher=watcher
        )
        return max(iterates, key=lambda iterate: iterate.objective).folder


@dataclass(frozen=True)
class Iterate:
    """A policy and its objective J_beta, estimated from its validation responses.

    J_beta is the mean of r(y|x) - beta log[pi(y|x) / base(y|x)].
    """

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
    """Run Algorithm 1: in each round draw y from the policy and y' from the base model, and fit.

    Each fit is on the pairs of all rounds so far. Returns the base model and the policy of each
    round, in order; the algorithm's result is the one with the largest objective. A killed
    exploration resumes when it is called again, if ``draw`` and ``reward`` return the same again.
    """
    if rounds < 1:
        raise UsageError(f"xpo: rounds is {rounds}; expected at least 1")
    rows: list[Comparison] = []
    # The base model is a candidate too: training may make it worse.
    iterates = [Iterate(base, objective(trainer, base, base, draw(base, "validation"), reward))]
    for number in range(1, rounds + 1):
        policy = iterates[-1].folder
        from_policy = draw(policy, f"policy {number}")
        from_base = draw(base, f"base {number}")
        # The rows of earlier rounds stay: the algorithm fits all pairs so far.
        rows += _pairs(from_policy, from_base, reward)
        fitted = trainer.fit(
            policy,
            rows,
            out / f"round-{number}",
            base=base,
            data=f"XPO, round {number}",
            watcher=watcher,
        )
        value = objective(trainer, fitted, base, draw(fitted, "validation"), reward)
        iterates.append(Iterate(fitted, value))
    return iterates


def objective(
    trainer: Xpo, policy: Path, base: Path, responses: Sequence[Weighted], reward: Reward
) -> float:
    """Estimate J_beta of a policy from its own responses."""
    from strop.distill.scoring import score_rows

    ratio_B = score_rows(policy, responses)[:, 0] - score_rows(base, responses)[:, 0]
    return float(np.mean(np.array(reward(responses)) - trainer.beta * ratio_B))


def _pairs(
    from_policy: Sequence[Weighted], from_base: Sequence[Weighted], reward: Reward
) -> list[Comparison]:
    """Pair the policy's and the base model's response to each problem."""
    prompts_of_policy = [(row.problem, row.prompt) for row in from_policy]
    prompts_of_base = [(row.problem, row.prompt) for row in from_base]
    if prompts_of_policy != prompts_of_base:
        raise UsageError(
            "xpo: draw gave other problems for the policy than for the base model; "
            "expected the same, in the same order"
        )
    differences = np.array(reward(from_policy)) - np.array(reward(from_base))
    rows = []
    for first, second, gap in zip(from_policy, from_base, differences, strict=True):
        tokens = (first.token_ids, second.token_ids)
        comparison = Comparison(
            first.problem, first.prompt, *tokens, float(gap), prompt_ids=first.prompt_ids
        )
        rows.append(comparison)
    return rows
