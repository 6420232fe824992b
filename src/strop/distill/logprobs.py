"""Log-probabilities of responses in a forward pass.

Axes: B rows of a batch, T tokens, V vocabulary.
"""

from __future__ import annotations

import inspect
from typing import Any

from peft import PeftModel
from torch import Tensor

from strop.distill.losses import IGNORED, response_logprobs


def logprobs(model: Any, inputs: dict[str, Tensor]) -> Tensor:
    """Return log pi(y|x) (B)."""
    return response_logprobs(*response_logits(model, inputs))


def response_logits(model: Any, inputs: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Return the logits from the first response token on, and the labels there.

    Prompts are long and vocabularies large, so the logits of prompts are not computed if the model
    can leave them out.
    """
    labels_BT = inputs["labels"]
    start = int((labels_BT != IGNORED).any(dim=0).nonzero()[0])
    # Wrappers hide the signature: DistributedDataParallel (``module``), and PEFT.
    plain = getattr(model, "module", model)
    if isinstance(plain, PeftModel):
        plain = plain.get_base_model()
    options = {}
    if "logits_to_keep" in inspect.signature(plain.forward).parameters:
        # One more position: the logits before the first response token predict it.
        options["logits_to_keep"] = labels_BT.shape[1] - start + 1
    logits_BTV = model(
        input_ids=inputs["input_ids"],
        attention_mask=inputs["attention_mask"],
        use_cache=False,
        **options,
    ).logits
    skipped = labels_BT.shape[1] - logits_BTV.shape[1]
    return logits_BTV, labels_BT[:, skipped:]
