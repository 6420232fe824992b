"""XPO: rounds on a table of probabilities, where the optimum is known, and rounds of real fits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from strop.distill import Weighted, Xpo, explore
from strop.distill.losses import exploratory
from strop.distill.scoring import score_rows
from strop.engines import load_engine
from strop.engines.base import Request
from strop.errors import UsageError
from strop.records import Sampling
from strop.seeds import derive
from tests.small_fit import MODEL, drawn

torch.set_num_threads(1)
BASE = torch.tensor([0.35, 0.25, 0.2, 0.12, 0.08], dtype=torch.float64)
BETA, ROUNDS, PAIRS, SEEDS = 0.5, 6, 300, 3


def minimise(logits: torch.Tensor, first: torch.Tensor, second: torch.Tensor, alpha: float) -> None:
    """Find the argmin of Algorithm 1 on all pairs so far; the reward is log base."""
    reward = BASE.log()
    descent = torch.optim.LBFGS(
        [logits],
        max_iter=500,
        tolerance_grad=1e-12,
        tolerance_change=1e-15,
        line_search_fn="strong_wolfe",
    )

    def loss() -> torch.Tensor:
        descent.zero_grad()
        pi = logits.log_softmax(dim=0)
        pairs = (
            pi[first],
            pi[second],
            reward[first],
            reward[second],
            reward[first] - reward[second],
        )
        value = exploratory(*pairs, beta=BETA, alpha=alpha)
        value.backward()
        return value

    descent.step(loss)


def distance(alpha: float, seed: int) -> float:
    """Return the total variation between base^(1 + 1/beta) and the policy after all rounds."""
    random = torch.Generator().manual_seed(seed)
    target = torch.softmax(BASE.log() * (1 + 1 / BETA), dim=0)
    logits = BASE.log().clone().requires_grad_()
    first, second = torch.empty(0, dtype=torch.long), torch.empty(0, dtype=torch.long)
    for _ in range(ROUNDS):
        policy = logits.detach().softmax(dim=0)
        first = torch.cat(
            [first, torch.multinomial(policy, PAIRS, replacement=True, generator=random)]
        )
        second = torch.cat(
            [second, torch.multinomial(BASE, PAIRS, replacement=True, generator=random)]
        )
        minimise(logits, first, second, alpha)
    return float((logits.detach().softmax(dim=0) - target).abs().sum() / 2)


def test_without_its_bonus_xpo_reaches_the_optimum_and_with_it_stops_short() -> None:
    """The larger a fixed alpha, the farther the policy ends from base^(1 + 1/beta)."""
    distances = {
        alpha: [distance(alpha, seed) for seed in range(SEEDS)] for alpha in (0.0, 0.01, 0.1, 0.5)
    }
    print({alpha: [round(value, 4) for value in values] for alpha, values in distances.items()})
    assert max(distances[0.0]) < 1e-4
    assert max(distances[0.0]) < min(distances[0.01]) and max(distances[0.01]) < min(distances[0.1])
    assert max(distances[0.1]) < min(distances[0.5]) < 0.2


def draw(folder: Path, stage: str) -> list[Weighted]:
    """One response of each problem."""
    engine = load_engine(f"llama:{folder}")
    asked = [Request(prompt, (derive(stage, problem),)) for problem, *_, prompt in drawn()]
    samples = engine.sample(asked, Sampling(1.0, 1.0, 48)).samples
    return [
        Weighted(problem, prompt, row[0].token_ids)
        for (problem, prompt, *_), row in zip(drawn(), samples, strict=True)
    ]


def log_probability(responses: Sequence[Weighted]) -> list[float]:
    return [float(value) for value in score_rows(MODEL, responses)[:, 0]]


def test_rounds_add_pairs_compare_with_the_base_and_go_on_after_a_kill(tmp_path: Path) -> None:
    trainer = Xpo(beta=2.0, alpha=0.0, learning_rate=1e-3, batch_size=8, steps=8)
    iterates = explore(trainer, MODEL, tmp_path, rounds=2, draw=draw, reward=log_probability)
    assert [iterate.folder for iterate in iterates] == [
        MODEL,
        tmp_path / "round-1",
        tmp_path / "round-2",
    ]
    base_value = sum(log_probability(draw(MODEL, "validation"))) / len(drawn())
    assert iterates[0].objective == pytest.approx(base_value, abs=1e-4), (
        "of the base model, J is its mean reward"
    )
    assert max(iterate.objective for iterate in iterates[1:]) > iterates[0].objective
    before = (tmp_path / "round-1" / "model.safetensors").stat().st_mtime_ns
    assert (
        explore(trainer, MODEL, tmp_path, rounds=2, draw=draw, reward=log_probability) == iterates
    )
    assert (tmp_path / "round-1" / "model.safetensors").stat().st_mtime_ns == before


def test_draws_that_do_not_pair_are_one_clear_line(tmp_path: Path) -> None:
    def fewer(folder: Path, stage: str) -> list[Weighted]:
        return draw(folder, stage)[: 3 if stage.startswith("base") else 4]

    with pytest.raises(
        UsageError, match="gave other problems for the policy than for the base model"
    ):
        explore(Xpo(), MODEL, tmp_path, rounds=1, draw=fewer, reward=log_probability)
    with pytest.raises(UsageError, match="rounds is 0; expected at least 1"):
        explore(Xpo(), MODEL, tmp_path, rounds=0, draw=draw, reward=log_probability)
