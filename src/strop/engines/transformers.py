"""Any causal language model in Hugging Face format: a local folder or a hub id, on CPU or GPU.

Each distinct prompt is prefilled once and its key-value cache copied to its samples; then one loop of our own, with no ``generate()``
and so no hidden top-k. A token is drawn with a number that belongs to the sample's seed and the step, so a sample does not depend on
its batch, up to the rounding of matrix products between batch shapes. Nothing is ever unpickled, and no code of a model is run.
"""

from __future__ import annotations

import copy
import inspect
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from strop.engines.base import Engine, Generation, Request, Scored, check_room, cut_at_stop, plain_text
from strop.engines.checkpoint import DTYPES, end_tokens, find_device, fingerprint, load
from strop.engines.draws import uniforms
from strop.errors import MissingExtraError, ModelError, UsageError
from strop.records import Finish, Prompt, Sample, Sampling, Usage

OPTIONS: dict[str, type] = {"device": str, "dtype": str, "batch_rows": int}
COMPACT_EVERY = 8
COMPACT_BELOW = 0.75
_ANCHOR = "a"

Ids = tuple[int, ...]
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(slots=True)
class _Row:
    """One sample while it is drawn. ``finish`` "length" stands until a token ends it."""

    seed: int
    token_ids: list[int] = field(default_factory=list)
    logprob: float = 0.0
    finish: Finish = "length"


@dataclass(frozen=True, slots=True)
class _Prefilled:
    """Prompts (P) run once: their cache, next-token logits, left-padded attention mask (P, T), and lengths."""

    cache: Any
    logits_PV: Any
    mask_PT: Any
    lengths_P: Any

    def rows(self, places_R: Any, last_use: bool) -> _Prefilled:
        """A copy of the prompts at ``places_R`` (repeats allowed); ``last_use`` lets the cache be taken over instead of kept."""
        cache = self.cache if last_use else copy.deepcopy(self.cache)
        cache.reorder_cache(places_R)
        return _Prefilled(cache, self.logits_PV[places_R], self.mask_PT[places_R], self.lengths_P[places_R])


class TransformersEngine(Engine):
    """A model of transformers. ``device`` defaults to cuda where there is one; ``dtype`` to float32 on the CPU, else bfloat16.

    ``batch_rows``: samples decoded at once; halved, with a warning, whenever the GPU's memory does not suffice. ``label``: what the user
    called the model, with its settings.
    """

    def __init__(
        self,
        name: str,
        *,
        revision: str | None = None,
        device: str | None = None,
        dtype: str | None = None,
        batch_rows: int = 64,
        label: str | None = None,
    ) -> None:
        try:
            import torch
            import transformers
        except ImportError:
            raise MissingExtraError("the transformers engine", "hf") from None
        if batch_rows < 1:
            raise UsageError(f"batch_rows is {batch_rows}; expected at least 1")
        self._torch, self._version = torch, transformers.__version__
        self._place, self._name, self._revision, self.batch_rows = name, label or name, revision, batch_rows
        self._device = find_device(torch, device)
        self._dtype = dtype or ("float32" if self._device.type == "cpu" else "bfloat16")
        if self._dtype not in DTYPES:
            raise UsageError(f"dtype '{dtype}' is not known; expected one of {', '.join(DTYPES)}")
        model, self.tokenizer = load(name, revision, getattr(torch, self._dtype))
        self.model = model.to(self._device).eval()
        self._parameters = int(self.model.num_parameters())
        self._forward_names = set(inspect.signature(self.model.forward).parameters)
        self._end_tokens = end_tokens(self.model, self.tokenizer)
        self._anchor: list[int] = list(self.tokenizer(_ANCHOR, add_special_tokens=False)["input_ids"])
        self._anchor_width = len(self._plain_decode(self._anchor))

    @property
    def name(self) -> str:
        return self._name

    @property
    def parameters(self) -> int:
        return self._parameters

    def describe(self) -> dict[str, str | int | float]:
        revision = getattr(self.model.config, "_commit_hash", None) or self._revision
        facts = {"dtype": self._dtype, "device": str(self._device), "transformers": self._version, "torch": str(self._torch.__version__)}
        return super().describe() | facts | ({"revision": revision} if revision else {})

    @property
    def fingerprint(self) -> str:
        return fingerprint(self._place, getattr(self.model.config, "_commit_hash", None))

    @property
    def context(self) -> int | None:
        room = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        return None if room is None else int(room)

    def render(self, prompt: Prompt) -> str:
        if not self._is_chat:
            return plain_text(prompt)
        turns = [{"role": turn.role, "content": turn.content.strip()} for turn in prompt]
        return str(self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))

    def count_tokens(self, prompt: Prompt) -> int:
        return len(self._encode(self.render(prompt)))

    def sample(self, requests: Sequence[Request], sampling: Sampling) -> Generation:
        """Draw the responses. UsageError where a prompt and ``max_tokens`` do not fit the model."""
        started = time.perf_counter()
        prompts = [self._prompt_ids(self.render(request.prompt), sampling.max_tokens) for request in requests]
        seeds: dict[Ids, list[int]] = {}
        for ids, request in zip(prompts, requests, strict=True):
            if request.seeds:
                seeds.setdefault(ids, []).extend(request.seeds)
        drawn = self._in_groups(list(seeds.items()), lambda job: len(job[1]), lambda jobs: self._draw_group(jobs, sampling))
        left = dict(zip(seeds, map(iter, drawn), strict=True))
        samples = [[next(left[ids]) for _ in request.seeds] for ids, request in zip(prompts, requests, strict=True)]
        generated = sum(sample.tokens or 0 for row in samples for sample in row)
        counts = [(len(ids), len(group)) for ids, group in seeds.items()]
        return Generation(samples, self._usage(counts, generated, generated, started))

    def score(self, prompts: Sequence[Prompt], continuations: Sequence[str]) -> Scored:
        """Log-probabilities (P, C). A continuation is tokenised after its prompt where the prompt's own tokens stay as they are."""
        started = time.perf_counter()
        texts = [self.render(prompt) for prompt in prompts]
        distinct = list(dict.fromkeys(texts)) if continuations else []
        jobs = [self._scoring_job(text, continuations) for text in distinct]
        rows = dict(zip(distinct, self._in_groups(jobs, lambda job: len(job[1]), self._score_group), strict=True))
        logprobs_PC = np.array([rows[text] for text in texts if rows], dtype=np.float64).reshape(len(prompts), len(continuations))
        counts = [(len(ids), texts.count(text) * len(continuations)) for text, (ids, _) in zip(distinct, jobs, strict=True)]
        read = sum(len(ending) for _, endings in jobs for ending in endings)
        return Scored(logprobs_PC, self._usage(counts, 0, read, started))

    def _usage(self, counts: Sequence[tuple[int, int]], generated: int, read: int, started: float) -> Usage:
        """``counts``: each prefilled prompt's length and rows. ``read``: tokens after the prompts. FLOPs at 2 per parameter and token."""
        prompted = sum(length for length, _ in counts)
        cached = sum(length * (rows - 1) for length, rows in counts)
        flops = 2.0 * self._parameters * (prompted + read)
        return Usage(prompted, cached, generated, flops, time.perf_counter() - started)

    # Text and tokens

    @property
    def _is_chat(self) -> bool:
        return bool(getattr(self.tokenizer, "chat_template", None))

    def _encode(self, text: str) -> Ids:
        """A chat template has written the special tokens itself."""
        return tuple(self.tokenizer(text, add_special_tokens=not self._is_chat)["input_ids"])

    def _prompt_ids(self, text: str, new_tokens: int) -> Ids:
        """The prompt's tokens, checked to be some and to leave room for ``new_tokens``."""
        ids = self._encode(text)
        if not ids:
            raise UsageError(f"{self._name}: the prompt has no tokens; expected at least one, so write something into it")
        check_room(self, len(ids), new_tokens)
        return ids

    def _scoring_job(self, text: str, continuations: Sequence[str]) -> tuple[Ids, list[Ids]]:
        """The prompt's tokens, and those of each continuation after it."""
        ids, endings = self._encode(text), []
        for continuation in continuations:
            whole = self._encode(text + continuation)
            alone = tuple(self.tokenizer(continuation, add_special_tokens=False)["input_ids"])
            endings.append(whole[len(ids) :] if whole[: len(ids)] == ids else alone)
        return self._prompt_ids(text, max(map(len, endings))), endings

    def _plain_decode(self, ids: list[int]) -> str:
        return str(self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def _text(self, ids: Sequence[int]) -> str:
        """The text that the tokens add after others: decoders of the SentencePiece kind drop a space at the very start only."""
        return self._plain_decode([*self._anchor, *ids])[self._anchor_width :]

    # The model

    def _in_groups(self, items: Sequence[Item], rows_of: Callable[[Item], int], work: Callable[[list[Item]], list[Result]]) -> list[Result]:
        """Work through the items in order, in groups of at most ``batch_rows`` rows or of one item; halve it where memory runs out."""
        results: list[Result] = []
        while len(results) < len(items):
            group = [items[len(results)]]
            rows = rows_of(group[0])
            for item in items[len(results) + 1 :]:
                rows += rows_of(item)
                if rows > self.batch_rows:
                    break
                group.append(item)
            try:
                with self._torch.inference_mode():
                    results += work(group)
                continue
            except self._torch.cuda.OutOfMemoryError:
                if self.batch_rows == 1:
                    raise ModelError(
                        f"{self._name}: {self._device} has too little memory for one row; use fewer shots or a smaller model"
                    ) from None
            self._torch.cuda.empty_cache()  # outside the handler, whose traceback still holds the tensors
            self.batch_rows //= 2
            warnings.warn(f"{self._name}: {self._device} ran out of memory; going on with {self.batch_rows} rows at once", stacklevel=3)
        return results

    def _forward(self, ids: Any, mask: Any, positions: Any, cache: Any, keep: int = 0) -> tuple[Any, Any]:
        """Logits (R, T, V), or of the last ``keep`` places, and the cache after the tokens ``ids`` (R, T)."""
        optional = {"position_ids": positions} | ({"logits_to_keep": keep} if keep else {})
        known = {name: value for name, value in optional.items() if name in self._forward_names}
        output = self.model(input_ids=ids, attention_mask=mask, past_key_values=cache, use_cache=True, **known)
        if not hasattr(getattr(output, "past_key_values", None), "reorder_cache"):
            raise ModelError(f"{self._name}: expected a model with a key-value cache, got {type(self.model).__name__}; use another model")
        return output.logits, output.past_key_values

    def _prefill(self, prompts: Sequence[Ids]) -> _Prefilled:
        """Run the distinct prompts, padded on the left so that all end at the same place."""
        torch, longest = self._torch, max(map(len, prompts))
        ids_PT = torch.tensor([(0,) * (longest - len(ids)) + ids for ids in prompts], device=self._device)
        lengths_P = torch.tensor([len(ids) for ids in prompts], device=self._device)
        mask_PT = (torch.arange(longest, device=self._device) >= longest - lengths_P[:, None]).long()
        logits, cache = self._forward(ids_PT, mask_PT, (mask_PT.cumsum(-1) - 1).clamp(min=0), None, keep=1)
        return _Prefilled(cache, logits[:, -1], mask_PT, lengths_P)

    def _draw_group(self, jobs: list[tuple[Ids, list[int]]], sampling: Sampling) -> list[list[Sample]]:
        """Samples of each prompt and its seeds; more than ``batch_rows`` of them (one prompt, then) share one prefill."""
        prefilled = self._prefill([ids for ids, _ in jobs])
        rows = [[_Row(seed % 2**64) for seed in seeds] for _, seeds in jobs]
        pairs = [(place, row) for place, group in enumerate(rows) for row in group]
        for start in range(0, len(pairs), self.batch_rows):
            places, chunk = zip(*pairs[start : start + self.batch_rows], strict=True)
            at = self._torch.tensor(places, device=self._device)
            self._decode(prefilled.rows(at, start + self.batch_rows >= len(pairs)), list(chunk), sampling)
        return [[self._finished(row, sampling) for row in group] for group in rows]

    def _decode(self, state: _Prefilled, rows: list[_Row], sampling: Sampling) -> None:
        """Draw token after token for all rows together, each until its end."""
        torch = self._torch
        cache, logits_RV, lengths_R = state.cache, state.logits_PV, state.lengths_P
        mask_RT = torch.cat([state.mask_PT, state.mask_PT.new_ones(len(rows), sampling.max_tokens)], dim=1)
        prompt_width, open_rows = state.mask_PT.shape[1], [True] * len(rows)
        for step in range(sampling.max_tokens):
            numbers_R = torch.from_numpy(uniforms(np.array([row.seed for row in rows], np.uint64), step)).to(self._device)
            tokens_R = draw_tokens(logits_RV, numbers_R, sampling)
            logprobs_R = _logprobs(logits_RV, tokens_R).tolist()
            for place, (token, logprob) in enumerate(zip(tokens_R.tolist(), logprobs_R, strict=True)):
                open_rows[place] = open_rows[place] and self._goes_on(rows[place], token, logprob, sampling.stop)
            if not any(open_rows) or step == sampling.max_tokens - 1:
                return
            if step % COMPACT_EVERY == COMPACT_EVERY - 1 and sum(open_rows) < COMPACT_BELOW * len(rows):
                kept = torch.tensor([place for place, is_open in enumerate(open_rows) if is_open], device=self._device)
                rows, open_rows = [rows[place] for place in kept.tolist()], [True] * len(kept)
                cache.reorder_cache(kept)
                tokens_R, mask_RT, lengths_R = tokens_R[kept], mask_RT[kept], lengths_R[kept]
            mask = mask_RT[:, : prompt_width + step + 1]
            logits, cache = self._forward(tokens_R[:, None], mask, lengths_R[:, None] + step, cache)
            logits_RV = logits[:, -1]

    def _goes_on(self, row: _Row, token: int, logprob: float, stop: Sequence[str]) -> bool:
        """Add the token to its row, and say whether the row is still open."""
        row.token_ids.append(token)
        row.logprob += logprob
        if token in self._end_tokens:
            row.finish = "end"
        elif stop and cut_at_stop(self._text(row.token_ids), stop)[1]:
            row.finish = "stop"
        return row.finish == "length"

    def _finished(self, row: _Row, sampling: Sampling) -> Sample:
        ids = row.token_ids[:-1] if row.finish == "end" else row.token_ids
        return Sample(cut_at_stop(self._text(ids), sampling.stop)[0], tuple(row.token_ids), row.logprob, row.finish)

    def _score_group(self, jobs: list[tuple[Ids, list[Ids]]]) -> list[list[float]]:
        """Log-probability of every ending after its prompt: the first token from the prefill, the others from one more pass."""
        prefilled = self._prefill([ids for ids, _ in jobs])
        pairs = [(place, ending) for place, (_, endings) in enumerate(jobs) for ending in endings]
        scores: list[float] = []
        for start in range(0, len(pairs), self.batch_rows):
            places, endings = zip(*pairs[start : start + self.batch_rows], strict=True)
            at = self._torch.tensor(places, device=self._device)
            scores += self._score_rows(prefilled.rows(at, start + self.batch_rows >= len(pairs)), endings)
        left = iter(scores)
        return [[next(left) for _ in endings] for _, endings in jobs]

    def _score_rows(self, state: _Prefilled, endings: Sequence[Ids]) -> list[float]:
        torch, longest = self._torch, max(map(len, endings))
        if longest == 0:
            return [0.0] * len(endings)
        ids_RT = torch.tensor([ending + (0,) * (longest - len(ending)) for ending in endings], device=self._device)
        places_T = torch.arange(longest, device=self._device)
        real_RT = places_T < torch.tensor([len(ending) for ending in endings], device=self._device)[:, None]
        logits_RTV = state.logits_PV[:, None]
        if longest > 1:
            mask = torch.cat([state.mask_PT, real_RT[:, :-1].long()], dim=1)
            rest, _ = self._forward(ids_RT[:, :-1], mask, state.lengths_P[:, None] + places_T[:-1], state.cache)
            logits_RTV = torch.cat([logits_RTV, rest], dim=1)
        summed: list[float] = (_logprobs(logits_RTV, ids_RT).double() * real_RT).sum(-1).tolist()
        return summed


def draw_tokens(logits_RV: Any, numbers_R: Any, sampling: Sampling) -> Any:
    """One token per row from numbers in [0, 1), by the inverse of the cumulative distribution cut to its top-p and renormalised.

    Top-p keeps the tokens with strictly more probable ones holding less than ``top_p`` (so ties stay in together). There is no top-k.
    """
    import torch

    if sampling.temperature == 0:
        return logits_RV.argmax(dim=-1)
    wide = torch.float32 if logits_RV.device.type == "mps" else torch.float64
    p_RV = torch.softmax(logits_RV.to(wide) / sampling.temperature, dim=-1)
    if sampling.top_p >= 1:
        return _invert(p_RV.cumsum(dim=-1), numbers_R.to(wide))
    p_RV, order_RV = p_RV.sort(dim=-1, descending=True, stable=True)
    cumulative_RV = p_RV.cumsum(dim=-1)
    border_R1 = (cumulative_RV[:, :-1] < sampling.top_p).sum(dim=-1, keepdim=True)
    cut_RV = torch.where(p_RV >= p_RV.gather(1, border_R1), p_RV, 0).cumsum(dim=-1)
    return order_RV.gather(1, _invert(cut_RV, numbers_R.to(wide))[:, None])[:, 0]


def _invert(cumulative_RV: Any, numbers_R: Any) -> Any:
    """The first token whose cumulative mass exceeds the number's share of the total."""
    import torch

    total_R1 = cumulative_RV[:, -1:].contiguous()
    tokens_R1 = torch.searchsorted(cumulative_RV, numbers_R[:, None] * total_R1, right=True)
    return torch.minimum(tokens_R1, torch.searchsorted(cumulative_RV, total_R1))[:, 0]


def _logprobs(logits: Any, tokens: Any) -> Any:
    """Temperature-1 log-probabilities (nats, float32) of the tokens (...) under logits (..., V)."""
    return logits.float().log_softmax(dim=-1).gather(-1, tokens[..., None])[..., 0]
