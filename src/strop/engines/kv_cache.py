"""A model of transformers and its key-value cache: what prompts begin with in common is run once, each prompt once, its rows are copies.

Prompts are padded on the left, and a shared beginning is moved to where each prompt has it. So the layout is that of a plain batch, and
the result the same up to the rounding of matrix products.
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
"""Tokens that prompts must have in common for their beginning to be worth a pass of its own."""
_ROTATIONS_THAT_CHANGE = frozenset({"dynamic", "longrope"})


@dataclass(frozen=True, slots=True)
class Prefilled:
    """Prompts (P) run once: their cache, next-token logits, left-padded attention mask (P, T), and lengths."""

    cache: Any
    logits_PV: Any
    mask_PT: Any
    lengths_P: Any

    def rows(self, places_R: Any, last_use: bool) -> Prefilled:
        """A copy of the prompts at ``places_R`` (repeats allowed); ``last_use`` lets the cache be taken over instead of kept."""
        cache = self.cache if last_use else copy.deepcopy(self.cache)
        cache.reorder_cache(places_R)
        return Prefilled(
            cache, self.logits_PV[places_R], self.mask_PT[places_R], self.lengths_P[places_R]
        )


@dataclass(frozen=True, slots=True)
class Beginning:
    """The first ``length`` tokens of several prompts, and their cache of one row; length 0: nothing is shared."""

    length: int = 0
    cache: Any = None

    def moved(self, shift_P: Any) -> Any:
        """A cache of P rows: the beginning ``shift_P`` places further right, and cut at its length; what stands in front is masked."""
        if not self.length:
            return None
        moved = copy.copy(self.cache)
        moved.layers = [copy.copy(layer) for layer in self.cache.layers]
        for layer in moved.layers:
            places_PL = (shift_P.new_tensor(range(self.length)) - shift_P[:, None]).clamp(min=0)
            layer.keys, layer.values = (
                kept[0][:, places_PL].transpose(0, 1) for kept in (layer.keys, layer.values)
            )
        return moved


class CachedModel:
    """A causal language model of transformers on its device. ``share``: run the common beginning of a call's prompts once."""

    def __init__(self, name: str, model: Any, device: Any, share: bool) -> None:
        import torch
        from transformers.cache_utils import DynamicLayer

        self._torch, self._plain_layer = torch, DynamicLayer
        self._name, self.model, self._device = name, model, device
        self._arguments = set(inspect.signature(model.forward).parameters)
        self._shares = share and not _ROTATIONS_THAT_CHANGE & _rotations(
            model.config.get_text_config()
        )

    def forward(
        self, ids: Any, mask: Any, positions: Any, cache: Any, keep: int = 0
    ) -> tuple[Any, Any]:
        """Logits (R, T, V), or of the last ``keep`` places, and the cache after the tokens ``ids`` (R, T)."""
        optional = {"position_ids": positions} | ({"logits_to_keep": keep} if keep else {})
        known = {name: value for name, value in optional.items() if name in self._arguments}
        output = self.model(
            input_ids=ids, attention_mask=mask, past_key_values=cache, use_cache=True, **known
        )
        if not hasattr(getattr(output, "past_key_values", None), "reorder_cache"):
            raise ModelError(
                f"{self._name}: expected a model with a key-value cache, got {type(self.model).__name__}; use another model"
            )
        return output.logits, output.past_key_values

    def common_beginning(self, prompts: Sequence[Ids]) -> Beginning:
        """What different prompts begin with in common, run once. Empty where that is short, or the cache is of a kind that cannot be moved.

        At least one token of each prompt is left, since the next token's logits come from it.
        """
        if not self._shares or len(prompts) < 2:
            return Beginning()
        first, last = min(prompts), max(prompts)
        differing = (place for place, (a, b) in enumerate(zip(first, last, strict=False)) if a != b)
        length = min(next(differing, len(first)), min(map(len, prompts)) - 1)
        if length < SHARED_FROM:
            return Beginning()
        prefilled = self.prefill([first[:length]], Beginning())
        self._shares = all(type(layer) is self._plain_layer for layer in prefilled.cache.layers)
        return Beginning(length, prefilled.cache) if self._shares else Beginning()

    def prefill(self, prompts: Sequence[Ids], shared: Beginning) -> Prefilled:
        """Run different prompts, or what they add to the beginning they share, padded on the left so that all end at the same place."""
        torch, longest = self._torch, max(map(len, prompts))
        lengths_P = torch.tensor([len(ids) for ids in prompts], device=self._device)
        positions_PT = torch.arange(longest, device=self._device) - (longest - lengths_P[:, None])
        mask_PT = (positions_PT >= 0).long()
        ids_PT = torch.tensor(
            [((0,) * (longest - len(ids)) + ids)[shared.length :] for ids in prompts],
            device=self._device,
        )
        new_positions = positions_PT[:, shared.length :].clamp(min=0)
        logits, cache = self.forward(
            ids_PT, mask_PT, new_positions, shared.moved(longest - lengths_P), keep=1
        )
        return Prefilled(cache, logits[:, -1], mask_PT, lengths_P)


def _rotations(config: Any) -> set[str]:
    """The kinds of rotary embedding in a config. Some depend on the length of the text: then a cached beginning is another."""
    told = getattr(config, "rope_parameters", None) or {}
    several = [told, *(value for value in told.values() if isinstance(value, dict))]
    return {str(one["rope_type"]) for one in several if "rope_type" in one}
