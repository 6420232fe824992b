"""What is asked of rounds of self-improvement: the method, what filters, what of it is trained on, and what is mixed in.

Everything here is a plain value that stands in improve.json; ``rounds`` runs it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from strop.distill import TRAINERS, Comparison, Trainer, Weighted
from strop.engines import is_embedded
from strop.errors import UsageError
from strop.improvement.replay import Replay
from strop.improvement.training_rows import Keeping
from strop.tasks import Task
from strop.verify import LogProbability, Verifier, find_verifier, find_verifiers
from strop.weigh import Product, check_weights, parse_product, parse_weight


@dataclass(frozen=True)
class Method:
    """``trainer`` is fit on what ``verifier`` says of the samples; sharpening draws at temperature 1, top-p 1."""

    trainer: str
    verifier: str
    sharpening: bool
    description: str


METHODS = {
    "rft": Method("sft", "cot-binary", False, "fine-tune on the responses that the verifier keeps"),
    "rpo": Method(
        "rpo",
        "cot-binary",
        False,
        "prefer kept responses over rejected ones, with a likelihood term",
    ),
    "sft-sharpen": Method(
        "sft", LogProbability.name, True, "fine-tune on each problem's likeliest response"
    ),
    "reward-dpo": Method(
        "reward-dpo",
        LogProbability.name,
        True,
        "regress the differences of self-rewards on the log-ratios to the base",
    ),
    "xpo": Method(
        "xpo", LogProbability.name, True, "the same online, with a bonus for exploration"
    ),
}


@dataclass(frozen=True)
class Course:
    """What is asked of all rounds: ``train_problems`` of the train split, ``problems`` held-out ones of the test split, ``samples`` each
    (``train_samples`` of each training problem, where that is given).

    ``filter_by``: what trains, by default the method's verifier: a verifier, one with its weight (``cot-binary@tilt:0.5``), or an ensemble
    (``mc@quantile:0.7&cot-binary@threshold:0.5``); "oracle" and "chance" are the controls that know what is right, and nothing.
    ``verify_with``: a fixed model that filters all rounds, in place of the model as it is. ``pairs``: at most so many pairs of a problem
    (rpo, reward-dpo), or rounds of xpo. ``keeping`` and ``replay``: which kept responses are trained on, and what is mixed in.
    ``train_temperature``: of the training samples alone. ``settings``: hyper-parameters of the trainer.
    """

    model: str
    task: Task
    method: str = "rft"
    rounds: int = 1
    filter_by: str | None = None
    verify_with: str | None = None
    train_problems: int = 400
    problems: int = 200
    samples: int = 32
    train_samples: int | None = None
    pairs: int = 4
    keeping: Keeping = field(default_factory=Keeping)
    replay: tuple[Replay, ...] = ()
    train_temperature: float | None = None
    seed: int = 0
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UsageError(f"there is no method {self.method!r}; there are {', '.join(METHODS)}")
        for name in ("rounds", "train_problems", "problems", "samples", "train_samples", "pairs"):
            if (number := getattr(self, name)) is not None and number < 1:
                raise UsageError(f"--{name.replace('_', '-')} {number}: expected 1 or more")
        if self.method == "xpo" and (
            self.filter_by not in (None, LogProbability.name) or self.verify_with
        ):
            raise UsageError(
                "--method xpo: its reward is the base model's log-probability; leave --filter-by and --verify-with out"
            )
        if (
            self.method in ("rpo", "reward-dpo")
            and (drawn := self.train_samples or self.samples) < 2
        ):
            raise UsageError(
                f"--samples {drawn}: --method {self.method} compares two responses to a problem; ask for 2 or more"
            )
        if self.method == "reward-dpo" and len(self.filter.factors) > 1:
            raise UsageError(
                f"--filter-by {self.filter_by}: --method reward-dpo learns from one verifier's scores; name one"
            )
        if self.train_temperature is not None and METHODS[self.method].sharpening:
            raise UsageError(
                f"--train-temperature: --method {self.method} is defined at temperature 1; leave it out"
            )
        if TRAINERS[METHODS[self.method].trainer].row is not Weighted and (
            self.replay or self.keeping != Keeping()
        ):
            raise UsageError(
                f"--method {self.method} fits pairs: replay and what is kept of a problem are for rft and sft-sharpen"
            )
        if sum(one.share for one in self.replay) >= 1:
            raise UsageError(
                f"--replay: the shares add up to {sum(one.share for one in self.replay):g}; expected less than 1"
            )
        if self.verify_with and not all(kind.asks_model for kind in self._kinds(self.filter)):
            raise UsageError(
                f"--verify-with {self.verify_with}: {self.filter.spec} has a verifier that asks no model; leave one of them out"
            )
        check_weights([self.filter.spec], min(self.samples, self.train_samples or self.samples))
        _ = self.trainer

    @staticmethod
    def _kinds(product: Product) -> list[type[Verifier]]:
        return [type(find_verifier(name)) for name in product.verifiers]

    @cached_property
    def filter(self) -> Product:
        """What weighs the responses that are trained on."""
        return _product(self.filter_by or METHODS[self.method].verifier)

    @cached_property
    def judge(self) -> Product:
        """Whose gap is told of every model: the filter, or the method's verifier where a control filters."""
        is_control = any(kind.control for kind in self._kinds(self.filter))
        return _product(METHODS[self.method].verifier) if is_control else self.filter

    @property
    def trainer(self) -> Trainer:
        """With a step size that suits the embedded models, unless ``settings`` say otherwise."""
        kind = TRAINERS[METHODS[self.method].trainer]
        regression = (
            kind.row is Comparison
        )  # squared errors: the step that suits log-likelihoods spoils the model
        usual = {
            "learning_rate": (1e-4 if regression else 3e-4)
            if is_embedded(self.model)
            else (1e-6 if regression else 1e-5),
            "batch_size": 64,
            "seed": self.seed,
        }
        try:
            return kind(**usual | {"epochs": 4.0 if regression else 1.0} | self.settings)
        except TypeError as error:
            raise UsageError(
                f"--method {self.method}: its trainer has no such setting ({error})"
            ) from None

    def drawing(self, training: bool = False) -> dict[str, Any]:
        """How responses are drawn: the same for measuring as for training, but for ``train_samples`` and ``train_temperature``."""
        drawn = (
            {"temperature": 1.0, "top_p": 1.0}
            if METHODS[self.method].sharpening
            else {"temperature": 0.7, "top_p": 0.9}
        )
        if training and self.train_temperature is not None:
            drawn["temperature"] = self.train_temperature
        samples = self.train_samples if training and self.train_samples else self.samples
        return drawn | {"samples": samples, "seed": self.seed}

    def as_record(self) -> dict[str, Any]:
        own = {
            name: value for name, value in asdict(self).items() if name not in ("task", "rounds")
        }
        document: dict[str, Any] = json.loads(
            json.dumps(own | {"task": self.task.label, "trainer": self.trainer.settings()})
        )
        return document


def _product(spec: str) -> Product:
    """``cot-binary``, ``cot-binary@tilt:0.5``, or an ensemble. UsageError for a verifier that there is not."""
    if "@" not in spec:
        return Product(((spec, parse_weight(find_verifier(spec).default_weight)),))
    product = parse_product(spec)
    find_verifiers(product.verifiers)
    if len(set(product.verifiers)) < len(product.verifiers):
        raise UsageError(f"--filter-by {spec}: a verifier stands there twice; name each once")
    return product
