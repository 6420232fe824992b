"""The contract of every trainer: the loss at a known optimum, and a fit that engines can load."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")

from strop.distill import TRAINERS, Preference, Trainer
from strop.distill.losses import exploratory, reward_difference, weighted_likelihood
from strop.engines import load_engine
from strop.engines.base import Request
from strop.errors import RunMismatchError, UsageError
from strop.records import Sampling, Usage
from tests.distill.preference import preference
from tests.small_fit import MODEL, drawn, fit_small, rows_for

torch.set_num_threads(1)
every_trainer = pytest.mark.parametrize("name", TRAINERS)
BASE_PY = torch.tensor([[0.5, 0.3, 0.15, 0.05], [0.25, 0.25, 0.3, 0.2]], dtype=torch.float64)
BETA = 0.5


class Table(torch.nn.Module):
    """The smallest language model: logits of four responses to each of two problems."""

    def __init__(self, probability_PY: torch.Tensor) -> None:
        super().__init__()
        self.logits_PY = torch.nn.Parameter(probability_PY.log())

    def forward(self) -> torch.Tensor:
        return self.logits_PY.log_softmax(dim=-1)

    def distance(self, probability_PY: torch.Tensor) -> float:
        """The largest total variation over problems."""
        return float((self().detach().exp() - probability_PY).abs().sum(dim=-1).max() / 2)


@dataclass(frozen=True)
class Case:
    """A tabular problem with its known optimum; ``loss`` takes log pi (P, Y)."""

    begin_PY: torch.Tensor
    optimum_PY: torch.Tensor
    loss: Callable[[torch.Tensor], torch.Tensor]


def sft_case() -> Case:
    weight_PY = torch.tensor([[4.0, 1.0, 2.0, 1.0], [1.0, 1.0, 0.5, 0.25]], dtype=torch.float64)
    return Case(
        BASE_PY,
        weight_PY / weight_PY.sum(-1, keepdim=True),
        lambda pi: weighted_likelihood(pi.ravel(), weight_PY.ravel()),
    )


def rpo_case() -> Case:
    """Two responses; the first is kept in three pairs of four.

    With this base, DPO and the likelihood have the same optimum.
    """
    share = torch.tensor([0.75, 0.25], dtype=torch.float64)
    base = torch.softmax(share.log() * (1 - 1 / BETA), dim=0)
    kept, rejected = torch.tensor([0, 0, 0, 1]), torch.tensor([1, 1, 1, 0])

    def loss(pi_PY: torch.Tensor) -> torch.Tensor:
        pi, log_base = pi_PY[0], base.log()
        return preference(
            pi[kept],
            pi[rejected],
            log_base[kept],
            log_base[rejected],
            beta=BETA,
            alpha=1.0,
            tokens=4,
        )

    return Case(base[None], share[None], loss)


def comparison_case(loss: Callable[..., torch.Tensor]) -> Case:
    """Every pair of responses once; the reward is log base, the optimum base^(1 + 1/beta)."""
    base = BASE_PY.log()
    one, other = (
        index.ravel() for index in torch.meshgrid(torch.arange(4), torch.arange(4), indexing="ij")
    )
    first, second = base[:, one].ravel(), base[:, other].ravel()
    return Case(
        BASE_PY,
        torch.softmax(base * (1 + 1 / BETA), dim=-1),
        lambda pi: loss(pi[:, one].ravel(), pi[:, other].ravel(), first, second, first - second),
    )


CASES = {
    "sft": sft_case,
    "rpo": rpo_case,
    "reward-dpo": lambda: comparison_case(lambda *pairs: reward_difference(*pairs, beta=BETA)),
    "xpo": lambda: comparison_case(lambda *pairs: exploratory(*pairs, beta=BETA, alpha=0.0)),
}


def test_every_trainer_has_a_case() -> None:
    missing = TRAINERS.keys() - CASES.keys()
    assert not missing, f"add a tabular problem of {', '.join(sorted(missing))} to CASES"


@every_trainer
def test_no_gradient_at_the_known_optimum_and_some_elsewhere(name: str) -> None:
    case = CASES[name]()
    for begin_PY, still in ((case.optimum_PY, True), (case.begin_PY, False)):
        table = Table(begin_PY)
        case.loss(table()).backward()
        assert table.logits_PY.grad is not None
        assert (float(table.logits_PY.grad.abs().max()) < 1e-12) == still


@every_trainer
def test_one_step_moves_toward_it_and_many_reach_it(name: str) -> None:
    case = CASES[name]()
    table = Table(case.begin_PY)
    before = table.distance(case.optimum_PY)
    descent = torch.optim.SGD(table.parameters(), lr=0.1)
    case.loss(table()).backward()
    descent.step()
    assert table.distance(case.optimum_PY) < before
    quick = torch.optim.Adam(table.parameters(), lr=0.03)
    for _ in range(1500):
        quick.zero_grad()
        case.loss(table()).backward()
        quick.step()
    assert table.distance(case.optimum_PY) < 0.01


@every_trainer
def test_settings_are_json_and_come_back(name: str) -> None:
    trainer = replace(TRAINERS[name](), learning_rate=2e-4, lora_rank=3, steps=7)
    assert TRAINERS[name](**json.loads(json.dumps(trainer.settings()))) == trainer


class Heard:
    """A watcher that stores what is reported."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, int, int]] = []
        self.usages: list[Usage] = []

    def begin(self, stage: str, total: int, done: int, responses: int = 0) -> None:
        self.stages.append((stage, total, done))

    def advance(self, usage: Usage) -> None:
        self.usages.append(usage)


@pytest.fixture(scope="module", params=[0, 4], ids=["full", "lora"])
def rank(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture(scope="module", params=TRAINERS)
def fitted(
    request: pytest.FixtureRequest, rank: int, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Trainer, Path, Heard]:
    trainer: Trainer = TRAINERS[request.param](
        learning_rate=3e-3, batch_size=11, epochs=12, lora_rank=rank
    )
    heard = Heard()
    out = tmp_path_factory.mktemp("fits") / "out"
    return (
        trainer,
        trainer.fit(
            MODEL, rows_for(trainer.name), out, data="two responses a problem", watcher=heard
        ),
        heard,
    )


def test_the_loss_falls_and_every_step_is_reported(fitted: tuple[Trainer, Path, Heard]) -> None:
    trainer, folder, heard = fitted
    record = json.loads((folder / "training.json").read_text())
    losses = [step["loss"] for step in record["steps"]]
    count = 12 * len(rows_for(trainer.name)) // 11
    assert len(losses) == count and np.mean(losses[-3:]) < 0.9 * np.mean(losses[:3])
    assert heard.stages == [("train", count, 0)] and len(heard.usages) == count
    tokens = 12 * sum(len(one.token_ids) + len(other.token_ids) for _, _, one, other, _ in drawn())
    assert (
        record["response_tokens"] == tokens == sum(usage.generated_tokens for usage in heard.usages)
    )
    base_pass = 2 * record["tokens"] / 12 if trainer.needs_base else 0
    assert record["flops"] == pytest.approx(
        record["parameters"] * (6 * record["tokens"] + base_pass)
    )
    rates = [step["learning_rate"] for step in record["steps"]]
    assert rates[0] == trainer.learning_rate and rates == sorted(rates, reverse=True)


def test_the_folder_is_an_ordinary_one(fitted: tuple[Trainer, Path, Heard]) -> None:
    """Both engines load it and answer alike; it has the model's own tokenizer and no other file."""
    trainer, folder, _ = fitted
    expected = {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    extra = {"adapter"} if trainer.lora_rank else set()
    assert {path.name for path in folder.iterdir()} == expected | {
        "README.md",
        "training.json",
    } | extra
    assert (folder / "tokenizer.json").read_bytes() == (MODEL / "tokenizer.json").read_bytes()
    assert json.loads((folder / "config.json").read_text()) == json.loads(
        (MODEL / "config.json").read_text()
    )
    asked = [Request(prompt, (0,)) for *_, prompt in drawn()]
    texts = {
        name: [
            row[0].text for row in load_engine(name).sample(asked, Sampling(0.0, 1.0, 48)).samples
        ]
        for name in (f"llama:{folder}", f"{folder}?device=cpu", "ladder/25k")
    }
    ours, theirs, before = texts.values()
    assert ours == theirs != before
    card = (folder / "README.md").read_text()
    assert (
        "in-sample" in card
        and "two responses a problem" in card
        and f"| learning_rate | {trainer.learning_rate} |" in card
    )


def test_a_finished_fit_is_not_repeated_and_no_other_is_written_over_it(
    fitted: tuple[Trainer, Path, Heard],
) -> None:
    trainer, folder, _ = fitted
    rows, stamp = rows_for(trainer.name), (folder / "model.safetensors").stat().st_mtime_ns
    assert (
        trainer.fit(MODEL, rows, folder) == folder
        and (folder / "model.safetensors").stat().st_mtime_ns == stamp
    )
    with pytest.raises(RunMismatchError, match="other settings"):
        replace(trainer, seed=9).fit(MODEL, rows, folder)
    with pytest.raises(RunMismatchError, match="other rows"):
        trainer.fit(MODEL, rows[1:], folder)


@every_trainer
def test_nothing_is_printed_and_the_same_fit_gives_the_same_weights(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    one, other = (
        fit_small(tmp_path / folder, name, rank=2, steps=3) for folder in ("one", "other")
    )
    assert (one / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()
    assert capfd.readouterr() == ("", "")


@every_trainer
def test_rows_of_another_type_are_one_clear_line(name: str, tmp_path: Path) -> None:
    foreign = rows_for("sft" if TRAINERS[name].row is Preference else "rpo")
    with pytest.raises(
        UsageError, match=f"{name} got a row of type {type(foreign[0]).__name__}; expected"
    ):
        TRAINERS[name]().fit(MODEL, foreign, tmp_path / "out")
    assert not (tmp_path / "out").exists()
