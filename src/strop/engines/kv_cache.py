"""A transformers model with its key-value cache: prompts are run once and copied to their samples.

The prefix that all prompts of a call share is run once for all of them. Prompts are padded on the
left, and the shared prefix is shifted to where each prompt has it. So the layout is that of a plain
batch, and the result is the same up to the rounding of matrix products.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from strop.engines.rendering import Ids
from strop.errors import ModelError

SHARED_FROM = 32
"""Fewest tokens of a shared prefix; running a shorter one separately is not worth a pass."""
_ROTATIONS_THAT_CHANGE = frozenset({"dynamic", "longrope"})
"""Rotary embeddings that depend on the length of the text, so that a prefix cannot be shared."""


@dataclass(frozen=True, slots=True)
class Prefilled:
    """Prompts (P) after one forward pass.

    Their cache, next-token logits, left-padded attention mask (P, T), and lengths.
    """

    cache: Any
    logits_PV: Any
    mask_PT: Any
    lengths_P: Any

    def rows(self, prompts_R: Any, last_use: bool) -> Prefilled:
        """Return a copy with one row per index in ``prompts_R``; indices may repeat.

        ``last_use`` lets the rows take over the cache instead of copying it.
        """
        cache = self.cache if last_use else copy.deepcopy(self.cache)
        cache.reorder_cache(prompts_R)
        return Prefilled(
            cache, self.logits_PV[prompts_R], self.mask_PT[prompts_R], self.lengths_P[prompts_R]
        )


@dataclass(frozen=True, slots=True)
class SharedPrefix:
    """The first ``length`` tokens of several prompts, with their cache of one row.

    Length 0: nothing is shared.
    """

    length: int = 0
    cache: Any = None

    def shifted(self, shift_P: Any) -> Any:
        """Return the shared prefix cache, shifted right by ``shift_P`` positions per prompt.

        It is cut at its length, so that the rows of all prompts are equally long. Positions before
        the prefix are masked; they hold copies of its first token.
        """
        if not self.length:
            return None
        # Shallow copies: the tensors are replaced, so the cache of one row stays as it is.
        shifted = copy.copy(self.cache)
        shifted.layers = [copy.copy(layer) for layer in self.cache.layers]
        index_L = shift_P.new_tensor(range(self.length))
        source_PL = (index_L - shift_P[:, None]).clamp(min=0)
        for layer in shifted.layers:
            # (1, heads, L, D) indexed by (P, L): (heads, P, L, D), then prompts first.
            layer.keys = layer.keys[0][:, source_PL].transpose(0, 1)
            layer.values = layer.values[0][:, source_PL].transpose(0, 1)
        return shifted


class CachedModel:
    """A causal language model of transformers on its device.

    ``share``: run the prefix that a call's prompts share once.
    """

    def __init__(self, name: str, model: Any, device: Any, share: bool) -> None:
        import torch
        from transformers.cache_utils import DynamicLayer

        self._torch = torch
        self._plain_layer = DynamicLayer
        self._name = name
        self.model = model
        self._device = device
        self._arguments = set(inspect.signature(model.forward).parameters)
        rotations = _rotations(model.config.get_text_config())
        self._shares = share and not _ROTATIONS_THAT_CHANGE & rotations

    def forward(
        self, ids: Any, mask: Any, positions: Any, cache: Any, keep: int = 0
    ) -> tuple[Any, Any]:
        """Return logits (R, T, V) and the cache after the tokens ``ids`` (R, T).

        ``keep`` above 0: only the logits of the last ``keep`` positions, if the model can do so.
        """
        optional = {"position_ids": positions}
        if keep:
            optional["logits_to_keep"] = keep
        accepted = {name: value for name, value in optional.items() if name in self._arguments}
        output = self.model(
            input_ids=ids, attention_mask=mask, past_key_values=cache, use_cache=True, **accepted
        )
        if not hasattr(getattr(output, "past_key_values", None), "reorder_cache"):
            raise ModelError(
                f"{self._name}: expected a model with a key-value cache, "
                f"got {type(self.model).__name__}; use another model"
            )
        return output.logits, output.past_key_values

    def share_prefix(self, prompts: Sequence[Ids]) -> SharedPrefix:
        """Run the prefix that different prompts share.

        It is empty if it is short, or if the cache is of a type that cannot be shifted.
        """
        if not self._shares or len(prompts) < 2:
            return SharedPrefix()
        length = _shared_length(prompts)
        if length < SHARED_FROM:
            return SharedPrefix()
        prefilled = self.prefill([prompts[0][:length]], SharedPrefix())
        # Seen on a first prefix, and remembered for the calls that follow.
        # Layers of other types, such as those with a sliding window, drop positions.
        self._shares = all(type(layer) is self._plain_layer for layer in prefilled.cache.layers)
        return SharedPrefix(length, prefilled.cache) if self._shares else SharedPrefix()

    def prefill(self, prompts: Sequence[Ids], shared: SharedPrefix) -> Prefilled:
        """Run different prompts, or the part of each that follows the shared prefix.

        They are padded on the left, so that all end at the same position.
        """
        torch = self._torch
        longest = max(map(len, prompts))
        lengths_P = torch.tensor([len(ids) for ids in prompts], device=self._device)
        shift_P = longest - lengths_P
        positions_PT = torch.arange(longest, device=self._device) - shift_P[:, None]
        mask_PT = (positions_PT >= 0).long()
        # The shared prefix has no input here: the cache holds it.
        padded = [((0,) * (longest - len(ids)) + ids)[shared.length :] for ids in prompts]
        ids_PT = torch.tensor(padded, device=self._device)
        new_positions_PT = positions_PT[:, shared.length :].clamp(min=0)
        logits, cache = self.forward(
            ids_PT, mask_PT, new_positions_PT, shared.shifted(shift_P), keep=1
        )
        return Prefilled(cache, logits[:, -1], mask_PT, lengths_P)


def _shared_length(prompts: Sequence[Ids]) -> int:
    """Return how many first tokens all prompts share.

    At least one token of each prompt is left, since its logits give the next token.
    """
    # All prompts share what the first and the last in lexicographic order share.
    first = min(prompts)
    last = max(prompts)
    most = min(map(len, prompts)) - 1
    length = 0
    while length < most and first[length] == last[length]:
        length += 1
    return length


def _rotations(config: Any) -> set[str]:
    """Return the types of rotary embedding in a config, which may name one per type of layer."""
    parameters = getattr(config, "rope_parameters", None) or {}
    groups = [parameters]
    groups += [value for value in parameters.values() if isinstance(value, dict)]
    return {str(group["rope_type"]) for group in groups if "rope_type" in group}
