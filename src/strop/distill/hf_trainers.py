"""The loops that take the steps: TRL's for SFT and RPO, transformers' for the losses of our own, each with what strop changes in it.

Nothing is tokenised, shuffled or sent here: datasets hold token ids in the order of the plan; the libraries' telemetry and cards are off.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig, PeftConfig, PeftModel, get_peft_model
from torch import Tensor
from transformers import (
    PreTrainedModel,
    PreTrainedTokenizerBase,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)
from transformers import Trainer as HuggingFaceTrainer
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from strop.distill.base import Trainer
from strop.distill.losses import (
    IGNORED,
    padded,
    response_divergence,
    response_logprobs,
    weighted_likelihood,
)

PairLoss = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Parts:
    """What a loop is made of. ``rows``: one entry for every row of every step, in order (``Example`` as a dict).

    ``reference``: the base model, where the loss reads it in every step.
    """

    trainer: Trainer
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    rows: Dataset
    arguments: dict[str, Any]
    callbacks: list[TrainerCallback]
    reference: PreTrainedModel | None = None

    @property
    def adapter(self) -> PeftConfig | None:
        """LoRA on every linear projection but the head; None trains every weight."""
        rank = self.trainer.lora_rank
        if rank == 0:
            return None
        return LoraConfig(
            r=rank,
            lora_alpha=self.trainer.lora_scale * rank,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        )

    @property
    def common(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "train_dataset": self.rows,
            "processing_class": self.tokenizer,
            "callbacks": self.callbacks,
        }


def example(prompt: list[int], responses: list[list[int]]) -> dict[str, Any]:
    """A row as the datasets hold it: ``number`` is its weight or its difference of rewards, ``base`` the base model's log-probabilities."""
    return {"prompt": prompt, "responses": responses, "number": 0.0, "base": []}


def sequences(examples: Sequence[dict[str, Any]], pad: int) -> dict[str, Tensor]:
    """Prompts with their responses, padded: first responses of all rows, then second ones. Labels of all else are IGNORED."""
    pairs = [
        (row["prompt"], row["responses"][place])
        for place in range(len(examples[0]["responses"]))
        for row in examples
    ]
    return {
        "input_ids": padded([prompt + response for prompt, response in pairs], pad),
        "attention_mask": padded(
            [[1] * (len(prompt) + len(response)) for prompt, response in pairs], 0
        ),
        "labels": padded(
            [[IGNORED] * len(prompt) + response for prompt, response in pairs], IGNORED
        ),
    }


def batches(
    tokenizer: PreTrainedTokenizerBase,
) -> Callable[[list[dict[str, Any]]], dict[str, Tensor]]:
    """A collator: ``sequences``, and the rows' numbers and base log-probabilities."""

    def collate(examples: list[dict[str, Any]]) -> dict[str, Tensor]:
        return sequences(examples, pad_token(tokenizer)) | {
            "number": Tensor([row["number"] for row in examples]),
            "base": Tensor([row["base"] for row in examples]).T,
        }

    return collate


def logprobs(model: Any, inputs: dict[str, Tensor]) -> Tensor:
    """log pi(y|x) (B)."""
    return response_logprobs(*response_logits(model, inputs))


def response_logits(model: Any, inputs: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Logits from the first response on only, with the labels there: prompts are long, and vocabularies large."""
    labels_BT = inputs["labels"]
    start = int((labels_BT != IGNORED).any(dim=0).nonzero()[0])
    plain = getattr(model, "module", model)
    plain = plain.get_base_model() if isinstance(plain, PeftModel) else plain
    some = "logits_to_keep" in inspect.signature(plain.forward).parameters
    kept = {"logits_to_keep": labels_BT.shape[1] - start + 1} if some else {}
    logits_BTV = model(
        input_ids=inputs["input_ids"],
        attention_mask=inputs["attention_mask"],
        use_cache=False,
        **kept,
    ).logits
    return logits_BTV, labels_BT[:, labels_BT.shape[1] - logits_BTV.shape[1] :]


def pad_token(tokenizer: PreTrainedTokenizerBase) -> int:
    """Padding is masked, so any token will do where the tokenizer names none."""
    return int(tokenizer.pad_token_id) if tokenizer.pad_token_id is not None else 0


class WeightedSftTrainer(SFTTrainer):  # type: ignore[misc]  # mypy does not analyse it
    """TRL's SFTTrainer with a weight for each response."""

    loss_is_scaled_for_ga = False

    def __init__(self, *, reference: PreTrainedModel | None, base_kl: float, **others: Any) -> None:
        super().__init__(**others)
        self.reference, self.base_kl = reference and reference.to(self.args.device).eval(), base_kl

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """TRL's log-probabilities of the response's tokens, summed and weighted; the weights carry the divisor."""
        assert not return_outputs, "nothing is evaluated while training"
        number, _ = inputs.pop("number"), inputs.pop("base")
        if self.reference is not None:
            logits_BTV, labels_BT = response_logits(model, inputs)
            with torch.no_grad():
                base_BTV, _ = response_logits(self.reference, inputs)
            divergence_B = response_divergence(base_BTV, logits_BTV, labels_BT)
            return weighted_likelihood(
                response_logprobs(logits_BTV, labels_BT) - self.base_kl * divergence_B, number
            )
        logprob_BT = model(**inputs, use_cache=False, fused_lm_head=True).log_probs
        return weighted_likelihood(logprob_BT.sum(dim=-1), number)

    def _send_telemetry(self) -> None:
        """Nothing is sent."""

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """strop writes its own."""


class PreferenceTrainer(DPOTrainer):  # type: ignore[misc]  # mypy does not analyse it
    """TRL's DPOTrainer on tokens as they were sampled, with the base model's log-probabilities already there."""

    def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
        """The rows are tokens: nothing is tokenised, and no end token added."""
        return dataset

    def _precompute_ref_logps(self, dataset: Any, *_: Any, **__: Any) -> Any:
        """They stand in the rows."""
        return dataset

    def _send_telemetry(self) -> None:
        """Nothing is sent."""

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """strop writes its own."""


class ComparisonTrainer(HuggingFaceTrainer):  # type: ignore[misc]  # mypy does not analyse it
    """transformers' Trainer on pairs of responses, with a loss of their log-probabilities."""

    loss_is_scaled_for_ga = False

    def __init__(self, *, pair_loss: PairLoss, **others: Any) -> None:
        super().__init__(**others)
        self.pair_loss = pair_loss

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        assert not return_outputs, "nothing is evaluated while training"
        first_B, second_B = logprobs(model, inputs).chunk(2)
        base_first_B, base_second_B = inputs["base"]
        return self.pair_loss(first_B, second_B, base_first_B, base_second_B, inputs["number"])


def sft_loop(parts: Parts, base_kl: float) -> Any:
    """SFT. The rows' numbers are their weights, divided by the mean length (``Sft.numbers``)."""
    options = SFTConfig(
        **parts.arguments,
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
        shuffle_dataset=False,
    )
    common = parts.common | {"reference": parts.reference, "base_kl": base_kl}
    return WeightedSftTrainer(
        args=options, data_collator=batches(parts.tokenizer), peft_config=parts.adapter, **common
    )


def preference_loop(parts: Parts, beta: float, alpha: float) -> Any:
    """RPO: DPO's loss, and ``alpha`` times the likelihood of the kept responses."""
    kinds, shares = (["sigmoid", "sft"], [1.0, alpha]) if alpha else (["sigmoid"], [1.0])
    options = DPOConfig(
        **parts.arguments,
        beta=beta,
        loss_type=kinds,
        loss_weights=shares,
        max_length=None,
        precompute_ref_log_probs=True,
        disable_dropout=False,
    )
    collate = batches(parts.tokenizer)

    def in_their_words(examples: list[dict[str, Any]]) -> dict[str, Tensor]:
        batch = collate(examples)
        completion = (batch["labels"] != IGNORED).long()
        inputs = {
            "input_ids": batch["input_ids"],
            "attention_mask": batch["attention_mask"],
            "completion_mask": completion,
        }
        return inputs | dict(
            zip(("ref_chosen_logps", "ref_rejected_logps"), batch["base"], strict=True)
        )

    return PreferenceTrainer(
        args=options, data_collator=in_their_words, peft_config=parts.adapter, **parts.common
    )


def comparison_loop(parts: Parts, loss: PairLoss) -> Any:
    """Reward-based DPO and XPO."""
    common = dict(parts.common)
    if parts.adapter is not None:
        set_seed(parts.arguments["seed"])  # an adapter begins at random
        common["model"] = get_peft_model(parts.model, parts.adapter)
        if parts.trainer.gradient_checkpointing:
            common[
                "model"
            ].enable_input_require_grads()  # else nothing before the first adapter has a gradient to pass on
    options = TrainingArguments(**parts.arguments)
    return ComparisonTrainer(
        pair_loss=loss, args=options, data_collator=batches(parts.tokenizer), **common
    )
