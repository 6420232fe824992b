"""A Llama in NumPy: weights, prefill, and one decoding step.

The rows of a batch stand as (P prompts) x (w samples). Attention over the prompt is one matrix
product per (prompt, key head) for all samples of the prompt; attention over the tokens that a row
has written is one product per row. If every prompt has one row, its keys and values are moved in
front of those that the row writes (``Written.after``). Norm weights are folded into the projection
that follows.

Axes: R = P x w rows, G key/value heads, M query heads per key head, D head size, L prompt tokens,
T written tokens, H hidden size.
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
    """Keys and values of the prompts, one array of each per layer.

    Keys, scaled and transposed, are (P, G, D, L); values (P, G, L, D); ``mask`` is (P, 1, 1, L).
    """

    keys: list[Floats]
    values: list[Floats]
    mask: Floats

    @classmethod
    def joined(cls, blocks: list[Prefix]) -> Prefix:
        """Join the prefixes of several blocks of prompts that are padded to one length."""
        keys = []
        values = []
        for layer in range(len(blocks[0].keys)):
            keys.append(np.concatenate([block.keys[layer] for block in blocks]))
            values.append(np.concatenate([block.values[layer] for block in blocks]))
        return cls(keys, values, np.concatenate([block.mask for block in blocks]))

    def take(self, prompts: NDArray[np.intp]) -> Prefix:
        """Return the prefix of these prompts, in this order."""
        keys = [layer_keys[prompts] for layer_keys in self.keys]
        values = [layer_values[prompts] for layer_values in self.values]
        return Prefix(keys, values, self.mask[prompts])


@dataclass(slots=True)
class Written:
    """Keys and values of the tokens that the rows have written, filled up to the current step.

    Each is (R, G, T, D) per layer. If the rows' prompts stand in front, in the first L positions,
    ``mask`` (R, 1, 1, L) belongs to these; else it is None.
    """

    keys: list[Floats]
    values: list[Floats]
    mask: Floats | None = None

    @property
    def start(self) -> int:
        """The index of the first written token."""
        return 0 if self.mask is None else self.mask.shape[-1]

    def after(self, prefix: Prefix) -> None:
        """Move the prompts of a prefix, one per row, in front of the written tokens."""
        self.mask = prefix.mask
        for store, keys in zip(self.keys, prefix.keys, strict=True):
            store[:, :, : self.start] = keys.swapaxes(-1, -2)
        for store, values in zip(self.values, prefix.values, strict=True):
            store[:, :, : self.start] = values

    def keep(self, rows: NDArray[np.intp], steps: int) -> None:
        """Drop all rows but these, and move the kept ones to the front."""
        end = self.start + steps
        for store in (*self.keys, *self.values):
            store[: len(rows), :, :end] = store[rows, :, :end]
        if self.mask is not None:
            self.mask = self.mask[rows]


class LlamaModel:
    """A Llama checkpoint in Hugging Face format (config.json, model.safetensors), in float32."""

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
        self.end_tokens = _end_tokens(config)
        self.parameters = sum(int(tensor.size) for tensor in weights.values())
        # Sorted: the order in the file must not matter.
        all_bytes = b"".join(weights[name].tobytes() for name in sorted(weights))
        self.digest = blake2b(all_bytes, digest_size=8).hexdigest()

        self.embedding = weights["model.embed_tokens.weight"]
        head = weights.get("lm_head.weight", self.embedding)  # no head of its own: tied
        self.head = np.ascontiguousarray((head * weights["model.norm.weight"]).T)
        self.layers = [_read_layer(weights, number) for number in range(self.layers_count)]

        # Newer configs keep the rotary settings in a group of their own.
        theta = (config.get("rope_parameters") or config).get("rope_theta", 10_000.0)
        frequencies = theta ** (-np.arange(0, self.head_size, 2, dtype=np.float64) / self.head_size)
        angles = np.arange(self.max_positions)[:, None] * frequencies
        # A head's first half pairs with its second half (x, y) -> (x cos - y sin, y cos + x sin).
        # With the first half of the sines negative, `_project` needs one multiply-add.
        self.cosines = np.concatenate([np.cos(angles)] * 2, axis=1).astype(np.float32)
        self.sines = np.concatenate([-np.sin(angles), np.sin(angles)], axis=1).astype(np.float32)

    def logits(self, x: Floats) -> Floats:
        """Map hidden states (..., H) to logits (..., V)."""
        result: Floats = self._normed(x) @ self.head
        return result

    def _normed(self, x: Floats) -> Floats:
        """Return x over its root mean square. The norm's weights are in the next projection."""
        mean_square = np.einsum("...i,...i->...", x, x) / np.float32(self.hidden)
        scale = 1 / np.sqrt(mean_square + np.float32(self.epsilon))
        normed: Floats = x * scale[..., None]
        return normed

    def _project(
        self, x: Floats, weight: Floats, positions: NDArray[np.int64]
    ) -> tuple[Floats, Floats, Floats]:
        """Return queries (..., G*M, D), keys and values (..., G, D).

        Queries and keys are rotated to their positions; queries carry the 1/sqrt(D) scale.
        """
        mixed = self._normed(x) @ weight
        heads = mixed.reshape(*x.shape[:-1], self.heads + 2 * self.key_heads, self.head_size)
        # Queries and keys are rotated, values are not.
        turned = heads[..., : self.heads + self.key_heads, :]
        values = heads[..., self.heads + self.key_heads :, :]
        half = self.head_size // 2
        swapped = np.concatenate([turned[..., half:], turned[..., :half]], axis=-1)
        cosines = self.cosines[positions][..., None, :]
        sines = self.sines[positions][..., None, :]
        turned = turned * cosines + swapped * sines
        queries = turned[..., : self.heads, :] * np.float32(self.head_size**-0.5)
        return queries, turned[..., self.heads :, :], values

    def _finish(self, x: Floats, attended: Floats, layer: Layer) -> Floats:
        """Apply the output projection and the feed-forward block, with residual connections."""
        x = x + attended @ layer.output
        both = self._normed(x) @ layer.gate_up
        width = both.shape[-1] // 2
        gate = both[..., :width]
        up = both[..., width:]
        # gate / (1 + exp(-gate)) is SiLU.
        result: Floats = x + (gate / (1 + np.exp(-gate)) * up) @ layer.down
        return result

    def prefill(
        self, ids_PL: NDArray[np.int64], lengths_P: NDArray[np.int64]
    ) -> tuple[Floats, Prefix]:
        """Return hidden states (P, L, H) of right-padded prompts, and their prefix.

        States at and beyond a prompt's length mean nothing.
        """
        prompts, length = ids_PL.shape
        x = self.embedding[ids_PL]
        # Every token sees itself and those before it; padding stands behind all real tokens.
        causal = np.triu(np.full((length, length), _MASKED, np.float32), 1)
        keys, values = [], []
        for layer in self.layers:
            q, k, v = self._project(x, layer.query_key_value, np.arange(length))
            # (P, L, G*M, D) -> (P, G, M, L, D): the M query heads of a key head share its keys.
            q = q.reshape(prompts, length, self.key_heads, -1, self.head_size)
            q = q.transpose(0, 2, 3, 1, 4)
            k_T = np.ascontiguousarray(k.transpose(0, 2, 3, 1))
            v = np.ascontiguousarray(v.transpose(0, 2, 1, 3))
            weights = _softmax(q @ k_T[:, :, None] + causal)
            attended = (weights @ v[:, :, None]).transpose(0, 3, 1, 2, 4)
            x = self._finish(x, attended.reshape(prompts, length, -1), layer)
            keys.append(k_T)
            values.append(v)
        is_token_PL = np.arange(length) < lengths_P[:, None]
        # Later steps attend to the prefix through this mask, which hides the padding.
        mask_PL = np.where(is_token_PL, np.float32(0), _MASKED)
        return x, Prefix(keys, values, mask_PL[:, None, None])

    def new_written(self, rows: int, steps: int) -> Written:
        """Return room for the keys and values that ``rows`` rows write in ``steps`` steps."""
        shape = (rows, self.key_heads, steps, self.head_size)
        keys = [np.empty(shape, np.float32) for _ in self.layers]
        values = [np.empty(shape, np.float32) for _ in self.layers]
        return Written(keys, values)

    def step(
        self,
        tokens_R: NDArray[np.int64],
        positions_R: NDArray[np.int64],
        prefix: Prefix | None,
        written: Written,
        step: int,
    ) -> Floats:
        """Feed the token that each row wrote at ``step``; return the next token's logits (R, V).

        ``prefix`` is None if the prompts stand in ``written``.
        """
        x = self.embedding[tokens_R]
        index = written.start + step
        for number, layer in enumerate(self.layers):
            q, k, v = self._project(x, layer.query_key_value, positions_R)
            written.keys[number][: len(x), :, index] = k
            written.values[number][: len(x), :, index] = v
            if prefix is None:
                attended = self._attend_written(q, written, number, index + 1)
            else:
                attended = self._attend_both(q, prefix, written, number, index + 1)
            x = self._finish(x, attended, layer)
        return self.logits(x)

    def _attend_written(self, q: Floats, written: Written, number: int, length: int) -> Floats:
        """Attend from each row to its own prompt and written tokens, which stand together.

        Returns (R, heads x D).
        """
        assert written.mask is not None
        rows = len(q)
        q = q.reshape(rows, self.key_heads, -1, self.head_size)
        weights: Floats = q @ written.keys[number][:rows, :, :length].swapaxes(-1, -2)
        weights[..., : written.start] += written.mask
        weights = _softmax(weights)
        result: Floats = (weights @ written.values[number][:rows, :, :length]).reshape(rows, -1)
        return result

    def _attend_both(
        self, q: Floats, prefix: Prefix, written: Written, number: int, steps: int
    ) -> Floats:
        """Attend to prompt and written tokens together, without joining them in memory.

        One softmax over both: each part is exponentiated against the common peak, and the sum is
        divided by the common total. Returns (R, heads x D).
        """
        rows, prompts = len(q), len(prefix.mask)
        width, groups = rows // prompts, self.key_heads
        per_group = self.heads // groups

        def by_prompt(t: Floats) -> Floats:  # (R, G, M, x) -> (P, G, w*M, x)
            split = t.reshape(prompts, width, groups, per_group, -1).transpose(0, 2, 1, 3, 4)
            return np.ascontiguousarray(split).reshape(prompts, groups, width * per_group, -1)

        def by_row(t: Floats) -> Floats:  # and back
            split = t.reshape(prompts, groups, width, per_group, -1).transpose(0, 2, 1, 3, 4)
            return split.reshape(rows, groups, per_group, -1)

        q = q.reshape(rows, groups, per_group, self.head_size)
        # Compacted rows stand in front of the store; the others are no longer used.
        row_keys = written.keys[number][:rows, :, :steps]
        row_values = written.values[number][:rows, :, :steps]
        on_prompt = by_row(by_prompt(q) @ prefix.keys[number] + prefix.mask)
        on_written = q @ row_keys.swapaxes(-1, -2)
        peak = np.maximum(
            on_prompt.max(axis=-1, keepdims=True), on_written.max(axis=-1, keepdims=True)
        )
        on_prompt = np.exp(on_prompt - peak)
        on_written = np.exp(on_written - peak)
        total = on_prompt.sum(axis=-1, keepdims=True) + on_written.sum(axis=-1, keepdims=True)
        mixed = by_row(by_prompt(on_prompt) @ prefix.values[number]) + on_written @ row_values
        result: Floats = (mixed / total).reshape(rows, -1)
        return result


def _softmax(scores: Floats) -> Floats:
    """Return the softmax over the last axis, computed in place."""
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=-1, keepdims=True)
    return scores


def _read_layer(weights: dict[str, Floats], number: int) -> Layer:
    prefix = f"model.layers.{number}."

    # norm(x) * g @ w.T = norm(x) @ (w * g).T, which saves a multiplication per token.
    def folded(names: tuple[str, ...], norm: str) -> Floats:
        stacked = np.concatenate([weights[f"{prefix}{name}.weight"] for name in names])
        return np.ascontiguousarray((stacked * weights[f"{prefix}{norm}.weight"]).T)

    return Layer(
        folded(("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"), "input_layernorm"),
        np.ascontiguousarray(weights[f"{prefix}self_attn.o_proj.weight"].T),
        folded(("mlp.gate_proj", "mlp.up_proj"), "post_attention_layernorm"),
        np.ascontiguousarray(weights[f"{prefix}mlp.down_proj.weight"].T),
    )


def _end_tokens(config: dict[str, Any]) -> tuple[int, ...]:
    """Return the tokens that end a response; a config names none, one or several."""
    end = config.get("eos_token_id")
    if end is None:
        return ()
    return tuple(end) if isinstance(end, list) else (end,)


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, Floats]]:
    """Return config and float32 weights. Raise ModelError for a model that is no plain Llama."""
    try:
        config = json.loads((folder / "config.json").read_text())
        weights = load_file(folder / "model.safetensors")
    except FileNotFoundError as error:
        missing = Path(error.filename or "").name
        raise ModelError(
            f"model folder {folder} has no {missing}; expected config.json and model.safetensors"
        ) from None
    # safetensors and json raise many kinds for a broken file; all mean the same to a user.
    except Exception as error:
        raise ModelError(f"model folder {folder} cannot be read ({error}); copy it again") from None
    has_biases = config.get("attention_bias") or config.get("mlp_bias")
    if config.get("model_type") != "llama" or has_biases:
        raise ModelError(
            f"model folder {folder} is of type {config.get('model_type')!r}; "
            "this engine runs plain Llama models without biases"
        )
    rope_type = (config.get("rope_parameters") or {}).get("rope_type", "default")
    if rope_type != "default" or config.get("rope_scaling"):
        raise ModelError(
            f"model folder {folder} scales its rotary embedding; "
            "this engine does not: use the transformers engine"
        )
    return config, {name: tensor.astype(np.float32) for name, tensor in weights.items()}
