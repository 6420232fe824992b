"""The settings of a course: method, filter, what is trained on, and what is mixed in.

A course is a plain value that improve.json records; ``rounds`` runs it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from strop.distill import Comparison, Trainer, Weighted
from strop.engines import is_embedded
from strop.errors import UsageError
from strop.improvement.methods import METHODS, Method
from strop.improvement.replay import Replay
from strop.improvement.training_rows import Keeping
from strop.tasks import Task
from strop.verify import Verifier, find_verifier, find_verifiers
from strop.weigh import Product, check_weights, parse_product, parse_weight

MOST_ROWS = 8
"""Rows of a forward pass in training, for models that are not embedded."""


@dataclass(frozen=True)
class Course:
    """Settings of all rounds.

    ``train_problems``: problems of the train split; ``problems``: held-out problems of the test
    split. ``samples``: responses to each problem; ``train_samples``: responses to each training
    problem, if they differ. ``filter_by``: what selects the training rows, by default the method's
    verifier: a verifier, one with its weight (``cot-binary@tilt:0.5``), or an ensemble
    (``mc@quantile:0.7&cot-binary@threshold:0.5``); "oracle", which reads the references, and
    "chance", random scores, are the controls. ``verify_with``: a fixed model that filters all
    rounds, instead of the current model. ``pairs``: the largest number of pairs of a problem, or
    the rounds of an online trainer (xpo). ``keeping`` and ``replay``: which kept responses are
    trained on, and what is mixed in. ``train_temperature``: temperature of the training samples
    alone. ``settings``: hyper-parameters of the trainer. ``shots``: examples in each prompt, and
    ``max_tokens``: most tokens of a response; None: the task's.
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
    shots: int | None = None
    max_tokens: int | None = None

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UsageError(f"there is no method {self.method!r}; there are {', '.join(METHODS)}")
        for name in ("rounds", "train_problems", "problems", "samples", "train_samples", "pairs"):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise UsageError(f"--{name.replace('_', '-')} {number}: expected 1 or more")
        self._check_method()
        self._check_replay()
        self._check_filter()
        _ = self.trainer  # checks the hyper-parameters

    def _check_method(self) -> None:
        """Raise UsageError for settings that do not go with the method's trainer."""
        method = self.chosen_method
        trainer = method.trainer
        other_filter = self.filter_by not in (None, method.verifier)
        if trainer.online and (other_filter or self.verify_with):
            raise UsageError(
                f"--method {self.method}: its reward is the base model's log-probability; "
                "leave --filter-by and --verify-with out"
            )
        drawn = self.train_samples or self.samples
        if trainer.row is not Weighted and not trainer.online and drawn < 2:
            raise UsageError(
                f"--samples {drawn}: --method {self.method} compares two responses to a problem; "
                "ask for 2 or more"
            )
        if trainer.row is Comparison and len(self.filter.factors) > 1:
            raise UsageError(
                f"--filter-by {self.filter_by}: --method {self.method} learns from one verifier's "
                "scores; name one"
            )
        if self.train_temperature is not None and method.sharpening:
            raise UsageError(
                f"--train-temperature: --method {self.method} is defined at temperature 1; "
                "leave it out"
            )

    def _check_replay(self) -> None:
        if self.chosen_method.trainer.row is not Weighted and (
            self.replay or self.keeping != Keeping()
        ):
            others = [name for name, method in METHODS.items() if method.trainer.row is Weighted]
            raise UsageError(
                f"--method {self.method} fits pairs: --replay, --cap, --distinct and --balance are "
                f"for {' and '.join(others)}"
            )
        share = sum(replay.share for replay in self.replay)
        if share >= 1:
            raise UsageError(f"--replay: the shares add up to {share:g}; expected less than 1")

    def _check_filter(self) -> None:
        verifiers = _verifier_classes(self.filter)
        if self.verify_with and not all(verifier.asks_model for verifier in verifiers):
            raise UsageError(
                f"--verify-with {self.verify_with}: {self.filter.spec} has a verifier that asks no "
                "model; leave one of them out"
            )
        check_weights([self.filter.spec], min(self.samples, self.train_samples or self.samples))

    @property
    def chosen_method(self) -> Method:
        """The method itself."""
        return METHODS[self.method]

    @cached_property
    def filter(self) -> Product:
        """The weights of the responses that are trained on."""
        return _product(self.filter_by or self.chosen_method.verifier)

    @cached_property
    def judge(self) -> Product:
        """The verifier whose gap is reported each round: the filter, or the method's verifier.

        The gap of a control would say nothing about the model.
        """
        return _product(self.chosen_method.verifier) if self.has_control_filter else self.filter

    @property
    def has_control_filter(self) -> bool:
        """Whether a control filters: a verifier that reads the references, or knows nothing."""
        return any(verifier.control for verifier in _verifier_classes(self.filter))

    @property
    def trainer(self) -> Trainer:
        """The method's trainer, with a learning rate that suits the model, and ``settings``."""
        fits_squares = self.chosen_method.trainer.row is Comparison
        learning_rate = 3e-4 if is_embedded(self.model) else 1e-5
        if fits_squares:
            # Squared errors: the rate that suits log-likelihoods makes the model worse.
            learning_rate = 1e-4 if is_embedded(self.model) else 1e-6
        settings: dict[str, Any] = {
            "learning_rate": learning_rate,
            "batch_size": 64,
            "seed": self.seed,
            "epochs": 4.0 if fits_squares else 1.0,
        }
        settings |= self.settings
        if not is_embedded(self.model):
            settings.setdefault("gradient_accumulation", _parts(int(settings["batch_size"])))
        try:
            return self.chosen_method.trainer(**settings)
        except TypeError as error:
            raise UsageError(
                f"--method {self.method}: its trainer has no such setting ({error})"
            ) from None

    def drawing(self, training: bool = False) -> dict[str, Any]:
        """Return how responses are drawn, for measuring or for training.

        Both are the same but for ``train_samples`` and ``train_temperature``.
        """
        drawing: dict[str, Any] = {"temperature": 0.7, "top_p": 0.9}
        if self.chosen_method.sharpening:
            drawing = {"temperature": 1.0, "top_p": 1.0}
        drawing["samples"] = self.samples
        drawing["seed"] = self.seed
        if self.shots is not None:
            drawing["shots"] = self.shots
        if self.max_tokens is not None:
            drawing["max_tokens"] = self.max_tokens
        if training and self.train_temperature is not None:
            drawing["temperature"] = self.train_temperature
        if training and self.train_samples:
            drawing["samples"] = self.train_samples
        return drawing

    def as_record(self) -> dict[str, Any]:
        """Return the settings as JSON. More rounds continue the same course: they are left out."""
        record = asdict(self)
        del record["rounds"]
        for name in ("shots", "max_tokens"):
            if record[name] is None:  # courses of before have no such entry
                del record[name]
        record["task"] = self.task.label
        record["trainer"] = self.trainer.settings()
        # Through JSON, so that it equals what improve.json stores: tuples become lists.
        document: dict[str, Any] = json.loads(json.dumps(record))
        return document


def _parts(batch_size: int) -> int:
    """Return how many equal parts a batch is cut into, so that a real model fits into memory.

    A step of 64 rows of 100 tokens takes 22 GB with 135 million parameters.
    """
    rows = max(rows for rows in range(1, MOST_ROWS + 1) if batch_size % rows == 0)
    return batch_size // rows


def _verifier_classes(product: Product) -> list[type[Verifier]]:
    return [type(find_verifier(name)) for name in product.verifiers]


def _product(spec: str) -> Product:
    """Return ``cot-binary``, ``cot-binary@tilt:0.5`` or an ensemble as weights.

    UsageError for an unknown verifier, or one that is named twice.
    """
    if "@" not in spec:
        return Product(((spec, parse_weight(find_verifier(spec).default_weight)),))
    product = parse_product(spec)
    find_verifiers(product.verifiers)
    if len(set(product.verifiers)) < len(product.verifiers):
        raise UsageError(f"--filter-by {spec}: a verifier is named twice; name each once")
    return product
