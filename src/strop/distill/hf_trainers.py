"""The training loops: TRL's for SFT and preferences, transformers' for strop's own losses.

Nothing is tokenized, shuffled or sent here: the data sets hold token ids in the order of the plan,
and the libraries' telemetry and model cards are off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig, PeftConfig, get_peft_model
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

from strop.distill.examples import Example, collator
from strop.distill.logprobs import logprobs, response_logits
from strop.distill.losses import (
    IGNORED,
    response_divergence,
    response_logprobs,
    weighted_likelihood,
)
from strop.distill.settings import TrainerSettings

PairLoss = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]
"""A loss of five arrays (B): log pi of first and second responses, log base of both, numbers."""


@dataclass(frozen=True)
class Parts:
    """Everything that a loop is made of.

    ``rows``: one entry for every row of every step, in order (``examples.Example``).
    ``reference``: the base model, if the loss reads it in every step.
    """

    trainer: TrainerSettings
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
        """The arguments that every Hugging Face trainer takes."""
        return {
            "model": self.model,
            "train_dataset": self.rows,
            "processing_class": self.tokenizer,
            "callbacks": self.callbacks,
        }


class _SendsNothing:
    """Switches off what TRL's trainers send or write besides the training."""

    def _send_telemetry(self) -> None:
        """Send nothing."""

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """Write nothing: strop writes its own card."""


class WeightedSftTrainer(_SendsNothing, SFTTrainer):  # type: ignore[misc]  # mypy does not analyse it
    """TRL's SFTTrainer with a weight for each response."""

    # The losses are means over a batch, so transformers must divide by the accumulation steps.
    loss_is_scaled_for_ga = False

    def __init__(self, *, reference: PreTrainedModel | None, base_kl: float, **others: Any) -> None:
        super().__init__(**others)
        self.reference = reference and reference.to(self.args.device).eval()
        self.base_kl = base_kl

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """Return the weighted sum of log-probabilities; the weights include the divisor."""
        assert not return_outputs, "nothing is evaluated while training"
        weight_B = inputs.pop("number")
        inputs.pop("base")
        if self.reference is None:
            # TRL's fused head gives log-probabilities without the logits of the whole vocabulary.
            logprob_BT = model(**inputs, use_cache=False, fused_lm_head=True).log_probs
            return weighted_likelihood(logprob_BT.sum(dim=-1), weight_B)
        logits_BTV, labels_BT = response_logits(model, inputs)
        with torch.no_grad():
            base_BTV, _ = response_logits(self.reference, inputs)
        divergence_B = response_divergence(base_BTV, logits_BTV, labels_BT)
        logprob_B = response_logprobs(logits_BTV, labels_BT)
        return weighted_likelihood(logprob_B - self.base_kl * divergence_B, weight_B)


class PreferenceTrainer(_SendsNothing, DPOTrainer):  # type: ignore[misc]  # mypy does not analyse it
    """TRL's DPOTrainer on sampled tokens, with the base model's log-probabilities in the rows."""

    def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
        """Return the rows as they are: they are tokens already, end tokens included."""
        return dataset

    def _precompute_ref_logps(self, dataset: Any, *_: Any, **__: Any) -> Any:
        """Return the rows as they are: the log-probabilities are in them."""
        return dataset


class ComparisonTrainer(HuggingFaceTrainer):  # type: ignore[misc]  # mypy does not analyse it
    """transformers' Trainer on pairs of responses, with a loss of their log-probabilities."""

    loss_is_scaled_for_ga = False  # as in WeightedSftTrainer

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
        # A batch has all first responses, then all second ones.
        first_B, second_B = logprobs(model, inputs).chunk(2)
        base_first_B, base_second_B = inputs["base"]
        return self.pair_loss(first_B, second_B, base_first_B, base_second_B, inputs["number"])


def sft_loop(parts: Parts, base_kl: float) -> Any:
    """Return the loop of SFT. The rows' numbers are weights over the mean length."""
    options = SFTConfig(
        **parts.arguments,
        max_length=None,
        # The rows are tokens already.
        dataset_kwargs={"skip_prepare_dataset": True},
        shuffle_dataset=False,
    )
    return WeightedSftTrainer(
        args=options,
        data_collator=collator(parts.tokenizer),
        peft_config=parts.adapter,
        reference=parts.reference,
        base_kl=base_kl,
        **parts.common,
    )


def preference_loop(parts: Parts, beta: float, losses: Mapping[str, float]) -> Any:
    """Return the loop of a preference loss, such as RPO's.

    ``losses``: the weight of each of TRL's ``loss_type``, such as {"sigmoid": 1.0} for DPO.
    """
    options = DPOConfig(
        **parts.arguments,
        # ``precompute``: the rows hold the base model's log-probabilities, so TRL loads no
        # reference model. ``max_length``: rows that are too long were left out; nothing is cut.
        beta=beta,
        loss_type=list(losses),
        loss_weights=list(losses.values()),
        max_length=None,
        precompute_ref_log_probs=True,
        disable_dropout=False,
    )
    return PreferenceTrainer(
        args=options,
        data_collator=_dpo_collator(parts.tokenizer),
        peft_config=parts.adapter,
        **parts.common,
    )


def _dpo_collator(
    tokenizer: PreTrainedTokenizerBase,
) -> Callable[[list[Example]], dict[str, Tensor]]:
    """Return a function that makes a batch under the names that DPOTrainer reads."""
    collate = collator(tokenizer)

    def collate_for_dpo(examples: list[Example]) -> dict[str, Tensor]:
        batch = collate(examples)
        base_kept_B, base_rejected_B = batch["base"]
        return {
            "input_ids": batch["input_ids"],
            "attention_mask": batch["attention_mask"],
            "completion_mask": (batch["labels"] != IGNORED).long(),
            "ref_chosen_logps": base_kept_B,
            "ref_rejected_logps": base_rejected_B,
        }

    return collate_for_dpo


def comparison_loop(parts: Parts, loss: PairLoss) -> Any:
    """Return the loop of a loss on pairs, such as reward-based DPO's and XPO's."""
    common = parts.common
    if parts.adapter is not None:
        set_seed(parts.arguments["seed"])  # an adapter starts from random weights
        model = get_peft_model(parts.model, parts.adapter)
        if parts.trainer.gradient_checkpointing:
            # The layers before the first adapter are frozen: without this, checkpointed blocks
            # have no input with a gradient, and nothing is trained.
            model.enable_input_require_grads()
        common["model"] = model
    return ComparisonTrainer(
        pair_loss=loss,
        args=TrainingArguments(**parts.arguments),
        data_collator=collator(parts.tokenizer),
        **common,
    )
