"""A Llama in NumPy: weights, prefill, and one decoding step with attention shared over a prompt's samples.

Rows of a batch stand as (P prompts) x (w samples). Attention over the prompt is one matrix product per (prompt, key head) for all its
samples; attention over what a row has written itself is one per row. Where every prompt has one row, its keys and values are moved
in front of the row's own (``Written.after``). Norm weights are folded into the projection that follows.

Axes: R = P x w rows, G key/value heads, M query heads per key head, D head size, L prompt tokens, T written tokens, H hidden size.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from strop.errors import ModelError

Floats = NDArray[np.floating[Any]]
_MASKED = np.float32(-1e30)


@dataclass(frozen=True, slots=True)
class Layer:
    """Projections of one layer, transposed for ``x @ w``."""

    query_key_value: Floats
    output: Floats
    gate_up: Floats
    down: Floats


@dataclass(slots=True)
class Prefix:
    """Keys (scaled, transposed) and values of the prompts, one pair per layer: (P, G, D, L) and (P, G, L, D); ``mask`` (P, 1, 1, L)."""

    keys: list[Floats]
    values: list[Floats]
    mask: Floats

    @classmethod
    def joined(cls, blocks: list[Prefix]) -> Prefix:
        """The prefixes of several blocks of prompts, all padded to one length, as one."""
        keys = [
            np.concatenate(layer) for layer in zip(*(block.keys for block in blocks), strict=True)
        ]
        values = [
            np.concatenate(layer) for layer in zip(*(block.values for block in blocks), strict=True)
        ]
        return cls(keys, values, np.concatenate([block.mask for block in blocks]))

    def take(self, prompts: NDArray[np.intp]) -> Prefix:
        """The prefix of these prompts, in this order."""
        return Prefix(
            [keys[prompts] for keys in self.keys],
            [values[prompts] for values in self.values],
            self.mask[prompts],
        )


@dataclass(slots=True)
class Written:
    """Keys and values of what the rows have written: (R, G, T, D) per layer, filled up to the current step.

    ``mask`` (R, 1, 1, L) is there where the rows' prompts stand in front of it, in the first L places.
    """

    keys: list[Floats]
    values: list[Floats]
    mask: Floats | None = None

    @property
    def start(self) -> int:
        """The place of the first written token."""
        return 0 if self.mask is None else self.mask.shape[-1]

    def after(self, prefix: Prefix) -> None:
        """Move the prompts of a prefix, one per row, in front."""
        self.mask = prefix.mask
        for store, keys in zip(self.keys, prefix.keys, strict=True):
            store[:, :, : self.start] = keys.swapaxes(-1, -2)
        for store, values in zip(self.values, prefix.values, strict=True):
            store[:, :, : self.start] = values

    def keep(self, rows: NDArray[np.intp], steps: int) -> None:
        """Drop all rows but these, moving the kept ones to the front."""
        for store in (*self.keys, *self.values):
            store[: len(rows), :, : self.start + steps] = store[rows, :, : self.start + steps]
        self.mask = None if self.mask is None else self.mask[rows]


class LlamaModel:
    """A Llama checkpoint in Hugging Face format (config.json, model.safetensors), float32."""

    def __init__(self, folder: Path) -> None:
        config, weights = _read(folder)
        self.layers_count: int = config["num_hidden_layers"]
        self.hidden: int = config["hidden_size"]
        self.heads: int = config["num_attention_heads"]
        self.key_heads: int = config.get("num_key_value_heads") or self.heads
        self.head_size: int = config.get("head_dim") or self.hidden // self.heads
        self.vocabulary: int = config["vocab_size"]
        self.max_positions: int = config["max_position_embeddings"]
        self.epsilon: float = config["rms_norm_eps"]
        end = config.get("eos_token_id")
        self.end_tokens: tuple[int, ...] = (
            tuple(end) if isinstance(end, list) else () if end is None else (end,)
        )
        self.parameters = sum(int(tensor.size) for tensor in weights.values())
        self.digest = blake2b(
            b"".join(weights[name].tobytes() for name in sorted(weights)), digest_size=8
        ).hexdigest()
        self.embedding = weights["model.embed_tokens.weight"]
        self.head = np.ascontiguousarray(
            (weights.get("lm_head.weight", self.embedding) * weights["model.norm.weight"]).T
        )
        self.layers = [
            self._layer(weights, f"model.layers.{number}.") for number in range(self.layers_count)
        ]
        theta = (config.get("rope_parameters") or config).get("rope_theta", 10_000.0)
        frequencies = theta ** (-np.arange(0, self.head_size, 2, dtype=np.float64) / self.head_size)
        angles = np.arange(self.max_positions)[:, None] * frequencies
        self.cosines = np.concatenate([np.cos(angles)] * 2, axis=1).astype(np.float32)
        self.sines = np.concatenate([-np.sin(angles), np.sin(angles)], axis=1).astype(np.float32)

    @staticmethod
    def _layer(weights: dict[str, Floats], prefix: str) -> Layer:
        def folded(names: tuple[str, ...], norm: str) -> Floats:
            stacked = np.concatenate([weights[f"{prefix}{name}.weight"] for name in names])
            return np.ascontiguousarray((stacked * weights[f"{prefix}{norm}.weight"]).T)

        return Layer(
            folded(("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"), "input_layernorm"),
            np.ascontiguousarray(weights[f"{prefix}self_attn.o_proj.weight"].T),
            folded(("mlp.gate_proj", "mlp.up_proj"), "post_attention_layernorm"),
            np.ascontiguousarray(weights[f"{prefix}mlp.down_proj.weight"].T),
        )

    def logits(self, x: Floats) -> Floats:
        """(..., H) to (..., V)."""
        result: Floats = self._normed(x) @ self.head
        return result

    def _normed(self, x: Floats) -> Floats:
        mean_square = np.einsum("...i,...i->...", x, x) / np.float32(self.hidden) + np.float32(
            self.epsilon
        )
        normed: Floats = x * (1 / np.sqrt(mean_square))[..., None]
        return normed

    def _project(
        self, x: Floats, weight: Floats, positions: NDArray[np.int64]
    ) -> tuple[Floats, Floats, Floats]:
        """Queries (..., G*M, D), keys and values (..., G, D), rotated to their positions; queries carry the 1/sqrt(D) scale."""
        mixed = self._normed(x) @ weight
        shape = (*x.shape[:-1], self.heads + 2 * self.key_heads, self.head_size)
        heads = mixed.reshape(shape)
        turned, half = heads[..., : self.heads + self.key_heads, :], self.head_size // 2
        swapped = np.concatenate([turned[..., half:], turned[..., :half]], axis=-1)
        turned = (
            turned * self.cosines[positions][..., None, :]
            + swapped * self.sines[positions][..., None, :]
        )
        queries = turned[..., : self.heads, :] * np.float32(self.head_size**-0.5)
        return queries, turned[..., self.heads :, :], heads[..., self.heads + self.key_heads :, :]

    def _finish(self, x: Floats, attended: Floats, layer: Layer) -> Floats:
        """Output projection and feed-forward block, with their residual connections."""
        x = x + attended @ layer.output
        both = self._normed(x) @ layer.gate_up
        width = both.shape[-1] // 2
        gate, up = both[..., :width], both[..., width:]
        result: Floats = x + (gate / (1 + np.exp(-gate)) * up) @ layer.down
        return result

    def prefill(
        self, ids_PL: NDArray[np.int64], lengths_P: NDArray[np.int64]
    ) -> tuple[Floats, Prefix]:
        """Hidden states (P, L, H) of right-padded prompts, and their prefix. States at and beyond a prompt's length mean nothing."""
        prompts, length = ids_PL.shape
        x = self.embedding[ids_PL]
        causal = np.triu(np.full((length, length), _MASKED, np.float32), 1)
        keys, values = [], []
        for layer in self.layers:
            q, k, v = self._project(x, layer.query_key_value, np.arange(length))
            q = q.reshape(prompts, length, self.key_heads, -1, self.head_size).transpose(
                0, 2, 3, 1, 4
            )
            k_T = np.ascontiguousarray(k.transpose(0, 2, 3, 1))
            v = np.ascontiguousarray(v.transpose(0, 2, 1, 3))
            weights = q @ k_T[:, :, None] + causal
            weights -= weights.max(axis=-1, keepdims=True)
            np.exp(weights, out=weights)
            weights /= weights.sum(axis=-1, keepdims=True)
            attended = (
                (weights @ v[:, :, None]).transpose(0, 3, 1, 2, 4).reshape(prompts, length, -1)
            )
            x = self._finish(x, attended, layer)
            keys.append(k_T)
            values.append(v)
        mask = np.where(np.arange(length) < lengths_P[:, None], np.float32(0), _MASKED)[
            :, None, None
        ]
        return x, Prefix(keys, values, mask)

    def new_written(self, rows: int, steps: int) -> Written:
        """Room for what ``rows`` rows write in ``steps`` steps."""
        shape = (rows, self.key_heads, steps, self.head_size)
        return Written(
            [np.empty(shape, np.float32) for _ in self.layers],
            [np.empty(shape, np.float32) for _ in self.layers],
        )

    def step(
        self,
        tokens_R: NDArray[np.int64],
        positions_R: NDArray[np.int64],
        prefix: Prefix | None,
        written: Written,
        step: int,
    ) -> Floats:
        """Feed the token that each row wrote at ``step``; returns the next token's logits (R, V). No prefix: it stands in ``written``."""
        x, place = self.embedding[tokens_R], written.start + step
        for number, layer in enumerate(self.layers):
            q, k, v = self._project(x, layer.query_key_value, positions_R)
            written.keys[number][: len(x), :, place] = k
            written.values[number][: len(x), :, place] = v
            if prefix is None:
                attended = self._attend_written(q, written, number, place + 1)
            else:
                attended = self._attend_both(q, prefix, written, number, place + 1)
            x = self._finish(x, attended, layer)
        return self.logits(x)

    def _attend_written(self, q: Floats, written: Written, number: int, places: int) -> Floats:
        """Softmax attention of each row over its own prompt and written tokens, which stand together. Returns (R, heads x D)."""
        assert written.mask is not None
        rows = len(q)
        q = q.reshape(rows, self.key_heads, -1, self.head_size)
        weights = q @ written.keys[number][:rows, :, :places].swapaxes(-1, -2)
        weights[..., : written.start] += written.mask
        weights -= weights.max(axis=-1, keepdims=True)
        np.exp(weights, out=weights)
        weights /= weights.sum(axis=-1, keepdims=True)
        result: Floats = (weights @ written.values[number][:rows, :, :places]).reshape(rows, -1)
        return result

    def _attend_both(
        self, q: Floats, prefix: Prefix, written: Written, number: int, steps: int
    ) -> Floats:
        """Softmax attention over prompt and written tokens together, without joining them in memory. Returns (R, heads x D)."""
        rows, prompts = len(q), len(prefix.mask)
        width, groups, size = rows // prompts, self.key_heads, self.head_size
        per_group = self.heads // groups

        def by_prompt(t: Floats) -> Floats:  # (R, G, M, x) -> (P, G, w*M, x)
            split = t.reshape(prompts, width, groups, per_group, -1).transpose(0, 2, 1, 3, 4)
            return np.ascontiguousarray(split).reshape(prompts, groups, width * per_group, -1)

        def by_row(t: Floats) -> Floats:  # and back
            split = t.reshape(prompts, groups, width, per_group, -1).transpose(0, 2, 1, 3, 4)
            return split.reshape(rows, groups, per_group, -1)

        q = q.reshape(rows, groups, per_group, size)
        own_keys, own_values = (
            written.keys[number][:rows, :, :steps],
            written.values[number][:rows, :, :steps],
        )
        shared = by_row(by_prompt(q) @ prefix.keys[number] + prefix.mask)
        own = q @ own_keys.swapaxes(-1, -2)
        peak = np.maximum(shared.max(axis=-1, keepdims=True), own.max(axis=-1, keepdims=True))
        shared = np.exp(shared - peak)
        own = np.exp(own - peak)
        total = shared.sum(axis=-1, keepdims=True) + own.sum(axis=-1, keepdims=True)
        mixed = by_row(by_prompt(shared) @ prefix.values[number]) + own @ own_values
        result: Floats = (mixed / total).reshape(rows, -1)
        return result


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, Floats]]:
    try:
        config = json.loads((folder / "config.json").read_text())
        weights = load_file(folder / "model.safetensors")
    except FileNotFoundError as error:
        raise ModelError(
            f"model folder {folder} has no {Path(error.filename or '').name}; expected config.json and model.safetensors"
        ) from None
    except Exception as error:  # safetensors and json raise many kinds for a broken file; all mean the same to a user
        raise ModelError(f"model folder {folder} cannot be read ({error}); copy it again") from None
    if (
        config.get("model_type") != "llama"
        or config.get("attention_bias")
        or config.get("mlp_bias")
    ):
        raise ModelError(
            f"model folder {folder} is of type {config.get('model_type')!r}; this engine runs plain Llama models without biases"
        )
    if (config.get("rope_parameters") or {}).get("rope_type", "default") != "default" or config.get(
        "rope_scaling"
    ):
        raise ModelError(
            f"model folder {folder} scales its rotary embedding; this engine does not: use the transformers engine"
        )
    return config, {name: tensor.astype(np.float32) for name, tensor in weights.items()}
