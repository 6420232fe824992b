"""Any causal language model in Hugging Face format: a local folder or a hub id, on CPU or GPU.

Each distinct prompt is prefilled once and its key-value cache copied to its samples, what a call's prompts begin with in common but once
for all (``cached_model.py``); then one loop of our own, with no ``generate()`` and so no hidden top-k. Prompts are batched by length, as
many as fit into memory (``memory.py``). A token is drawn with a number that belongs to the sample's seed and the step, so a sample does
not depend on its batch, up to the rounding of matrix products between batch shapes. Nothing is ever unpickled, and no code of a model
is run.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from strop.engines.adapter import find_base, lay_over, read_config
from strop.engines.base import Engine, Generation, Request, Scored, cut_at_stop
from strop.engines.batch_size import Footprint, attention_heads, head_size, is_shortage, memory_left
from strop.engines.checkpoint import DTYPES, end_tokens, find_device, fingerprint, load
from strop.engines.kv_cache import Beginning, CachedModel, Prefilled
from strop.engines.nucleus import ATTEMPTS, uniforms
from strop.engines.rendering import Ids, Texts
from strop.errors import MissingExtraError, ModelError, UsageError
from strop.records import Finish, Prompt, Sample, Sampling, Usage

OPTIONS: dict[str, type] = {
    "device": str,
    "dtype": str,
    "batch_rows": int,
    "adapter": str,
    "chat": bool,
    "share_prompts": bool,
}
MOST_ROWS = {"cuda": 1024}
MOST_ROWS_ELSEWHERE = 256
COMPACT_EVERY = 8
COMPACT_BELOW = 0.75
_ANCHOR = "a"

Part = TypeVar("Part")
Job = tuple[Ids, list[Part]]
"""A distinct prompt, and what is wanted of it: seeds to draw with, or endings to score."""
Result = TypeVar("Result")


@dataclass(slots=True)
class _Row:
    """One sample while it is drawn. ``finish`` "length" stands until a token ends it."""

    seed: int
    token_ids: list[int] = field(default_factory=list)
    logprob: float = 0.0
    finish: Finish = "length"


class TransformersEngine(Engine):
    """A model of transformers. ``device`` defaults to cuda where there is one; ``dtype`` to float32 on the CPU, else bfloat16.

    ``batch_rows``: most samples decoded at once, however many fit into memory; halved, with a warning, whenever memory does not suffice.
    ``adapter``: the folder of a LoRA adapter, merged into the weights.
    ``chat`` False: plain text, though the tokenizer has a chat template. ``share_prompts`` False: no common beginning is run apart.
    ``label``: what the user called the model, with its settings.
    """

    def __init__(
        self,
        name: str,
        *,
        revision: str | None = None,
        device: str | None = None,
        dtype: str | None = None,
        batch_rows: int | None = None,
        adapter: str | None = None,
        chat: bool | None = None,
        share_prompts: bool = True,
        label: str | None = None,
    ) -> None:
        try:
            import torch
            import transformers
        except ImportError as error:
            raise MissingExtraError("the transformers engine", "hf", str(error)) from None
        if batch_rows is not None and batch_rows < 1:
            raise UsageError(f"batch_rows is {batch_rows}; expected at least 1")
        self._torch, self._version = torch, transformers.__version__
        self._name, self._revision = label or name, revision
        self._device = find_device(torch, device)
        self.batch_rows = batch_rows or MOST_ROWS.get(self._device.type, MOST_ROWS_ELSEWHERE)
        self._dtype = dtype or ("float32" if self._device.type == "cpu" else "bfloat16")
        if self._dtype not in DTYPES:
            raise UsageError(f"dtype '{dtype}' is not known; expected one of {', '.join(DTYPES)}")
        self._place, self._adapter = find_base(name, adapter)
        if self._adapter:
            read_config(self._adapter)
        model, self.tokenizer = load(
            self._place, revision, getattr(torch, self._dtype), self._adapter
        )
        if self._adapter:
            model = lay_over(model, self._adapter)
        self.model = self._placed(model).eval()
        self._cached = CachedModel(self._name, self.model, self._device, share_prompts)
        self._config = self.model.config.get_text_config()
        self._footprint = Footprint.of(self._config, getattr(torch, self._dtype).itemsize)
        self._parameters = int(self.model.num_parameters())
        self._end_tokens = end_tokens(self.model, self.tokenizer)
        self._texts = Texts.of(self._name, self.tokenizer, chat)
        self._anchor: list[int] = list(
            self.tokenizer(_ANCHOR, add_special_tokens=False)["input_ids"]
        )
        self._anchor_width = len(self._plain_decode(self._anchor))
        self._pieces: dict[int, str] = {}

    def _placed(self, model: Any) -> Any:
        """The model on its device. ModelError where it is too large for it."""
        try:
            return model.to(self._device)
        except RuntimeError as error:
            if not is_shortage(self._torch, error):
                raise
        raise ModelError(
            f"{self._name}: {self._device} has too little memory for its weights in {self._dtype}; use dtype=bfloat16, a smaller model, "
            "or several GPUs (vllm:NAME?tensor_parallel_size=8)"
        )

    @property
    def name(self) -> str:
        return self._name

    @property
    def parameters(self) -> int:
        return self._parameters

    @property
    def attention_width(self) -> int:
        return (
            int(self._config.num_hidden_layers)
            * attention_heads(self._config)
            * head_size(self._config)
        )

    def describe(self) -> dict[str, str | int | float]:
        revision = getattr(self.model.config, "_commit_hash", None) or self._revision
        facts = {
            "dtype": self._dtype,
            "device": str(self._device),
            "transformers": self._version,
            "torch": str(self._torch.__version__),
        }
        laid = {"base": self._place, "adapter": str(self._adapter)} if self._adapter else {}
        return super().describe() | facts | laid | ({"revision": revision} if revision else {})

    @property
    def fingerprint(self) -> str:
        base = fingerprint(self._place, getattr(self.model.config, "_commit_hash", None))
        return f"{base}+{fingerprint(str(self._adapter), None)}" if self._adapter else base

    @property
    def context(self) -> int | None:
        room = getattr(self._config, "max_position_embeddings", None)
        return None if room is None else int(room)

    def render(self, prompt: Prompt) -> str:
        return self._texts.render(prompt)

    def count_tokens(self, prompt: Prompt) -> int:
        return len(self._texts.encode(self.render(prompt)))

    def sample(self, requests: Sequence[Request], sampling: Sampling) -> Generation:
        """Draw the responses. UsageError where a prompt and ``max_tokens`` do not fit the model."""
        started = time.perf_counter()
        prompts = [
            self._texts.prompt_ids(self, self.render(request.prompt), sampling.max_tokens)
            for request in requests
        ]
        seeds: dict[Ids, list[int]] = {}
        for ids, request in zip(prompts, requests, strict=True):
            if request.seeds:
                seeds.setdefault(ids, []).extend(request.seeds)

        def draw(jobs: list[Job[int]], rows: int, shared: Beginning) -> list[list[Sample]]:
            return self._draw_group(jobs, rows, shared, sampling)

        drawn, shared = self._in_groups(list(seeds.items()), sampling.max_tokens, 1, draw)
        written = [
            (len(ids), [sample.tokens or 0 for sample in row])
            for ids, row in zip(seeds, drawn, strict=True)
        ]
        asked = sum(length * len(lengths) for length, lengths in written)
        usage = self._usage(written, shared, asked, started)
        generated = sum(sum(lengths) for _, lengths in written)
        left = dict(zip(seeds, map(iter, drawn), strict=True))
        samples = [
            [next(left[ids]) for _ in request.seeds]
            for ids, request in zip(prompts, requests, strict=True)
        ]
        return Generation(samples, replace(usage, generated_tokens=generated))

    def score(self, prompts: Sequence[Prompt], continuations: Sequence[str]) -> Scored:
        """Log-probabilities (P, C). A continuation is tokenised after its prompt where the prompt's own tokens stay as they are."""
        started = time.perf_counter()
        texts = [self.render(prompt) for prompt in prompts]
        distinct = list(dict.fromkeys(texts)) if continuations else []
        jobs = [self._texts.scoring_job(self, text, continuations) for text in distinct]
        longest = max((len(ending) for _, endings in jobs for ending in endings), default=0)
        scored, shared = self._in_groups(jobs, longest, longest, self._score_group)
        rows = dict(zip(distinct, scored, strict=True))
        logprobs_PC = np.array([rows[text] for text in texts if rows], dtype=np.float64).reshape(
            len(prompts), len(continuations)
        )
        asked = sum(
            len(ids) * len(endings) * texts.count(text)
            for text, (ids, endings) in zip(distinct, jobs, strict=True)
        )
        read = [(len(ids), [len(ending) for ending in endings]) for ids, endings in jobs]
        return Scored(logprobs_PC, self._usage(read, shared, asked, started))

    def _usage(
        self, jobs: Sequence[tuple[int, list[int]]], shared: int, asked: int, started: float
    ) -> Usage:
        """``jobs``: each distinct prompt's length, and those of its responses or endings; the first ``shared`` tokens were run once.

        ``asked``: tokens of the prompts, each as often as it was asked for.
        """
        prompted = shared + sum(length - shared for length, _ in jobs)
        flops = self.forward_flops(0, shared) + sum(
            self.forward_flops(shared, length) for length, _ in jobs
        )
        flops += sum(
            self.response_flops(length, count) for length, tokens in jobs for count in tokens
        )
        return Usage(prompted, asked - prompted, 0, flops, time.perf_counter() - started)

    # Text and tokens

    def _plain_decode(self, ids: list[int]) -> str:
        return str(
            self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        )

    def _text(self, ids: Sequence[int]) -> str:
        """The text that the tokens add after others: decoders of the SentencePiece kind drop a space at the very start only."""
        return self._plain_decode([*self._anchor, *ids])[self._anchor_width :]

    def _may_end_a_stop(self, token: int, stop: Sequence[str]) -> bool:
        """False where the token cannot complete a stop string, since no stop string's last character stands in it."""
        if token not in self._pieces:
            self._pieces[token] = self._text([token])
        piece = self._pieces[token]
        return "\ufffd" in piece or any(string[-1] in piece for string in stop)

    # The model

    def _in_groups(
        self,
        jobs: Sequence[Job[Part]],
        new_tokens: int,
        places: int,
        work: Callable[[list[Job[Part]], int, Beginning], list[list[Result]]],
    ) -> tuple[list[list[Result]], int]:
        """Work through the jobs, longest prompts first, in groups that fit into memory; a smaller group again where one did not fit.

        Returns the results in the jobs' own order, and the length of the beginning that all prompts share.
        """
        order = sorted(range(len(jobs)), key=lambda place: len(jobs[place][0]), reverse=True)
        results: dict[int, list[Result]] = {}
        shared: Beginning | None = None
        while len(results) < len(jobs):
            places_left = order[len(results) :]
            most, count = self._group_size(
                [jobs[place] for place in places_left], new_tokens, places
            )
            group = [jobs[place] for place in places_left[:count]]
            try:
                with self._torch.inference_mode():
                    shared = shared or self._cached.common_beginning([ids for ids, _ in jobs])
                    results |= zip(places_left, work(group, most, shared), strict=False)
                continue
            except RuntimeError as error:
                if not is_shortage(self._torch, error):
                    raise
                tried = min(most, sum(len(wanted) for _, wanted in group))
                if tried == 1:
                    raise ModelError(
                        f"{self._name}: {self._device} has too little memory for one row; use fewer shots or a smaller model"
                    ) from None
            if self._device.type == "cuda":
                self._torch.cuda.empty_cache()  # outside the handler, whose traceback still holds the tensors
            self.batch_rows = tried // 2
            warnings.warn(
                f"{self._name}: {self._device} ran out of memory; going on with {self.batch_rows} rows at once",
                stacklevel=3,
            )
        return [results[place] for place in range(len(jobs))], shared.length if shared else 0

    def _group_size(
        self, jobs: Sequence[Job[Part]], new_tokens: int, places: int
    ) -> tuple[int, int]:
        """How many rows may be worked on at once, and how many of the first jobs make a group: one at least, even if it has more rows."""
        memory, longest = memory_left(self._torch, self._device), len(jobs[0][0])

        def most(prompts: int) -> int:
            return min(
                self.batch_rows,
                self._footprint.rows_that_fit(memory, prompts, longest, new_tokens, places),
            )

        count, rows = 1, len(jobs[0][1])
        for _, wanted in jobs[1:]:
            rows += len(wanted)
            if rows > most(count + 1):
                break
            count += 1
        return most(count), count

    def _draw_group(
        self, jobs: list[Job[int]], most: int, shared: Beginning, sampling: Sampling
    ) -> list[list[Sample]]:
        """Samples of each prompt and its seeds; more than ``most`` of them (one prompt, then) share one prefill."""
        prefilled = self._cached.prefill([ids for ids, _ in jobs], shared)
        rows = [[_Row(seed % 2**64) for seed in seeds] for _, seeds in jobs]
        pairs = [(place, row) for place, group in enumerate(rows) for row in group]
        for start in range(0, len(pairs), most):
            places, chunk = zip(*pairs[start : start + most], strict=True)
            at = self._torch.tensor(places, device=self._device)
            self._decode(prefilled.rows(at, start + most >= len(pairs)), list(chunk), sampling)
        return [[self._finished(row, sampling) for row in group] for group in rows]

    def _decode(self, state: Prefilled, rows: list[_Row], sampling: Sampling) -> None:
        """Draw token after token for all rows together, each until its end."""
        torch = self._torch
        cache, logits_RV, lengths_R = state.cache, state.logits_PV, state.lengths_P
        mask_RT = torch.cat(
            [state.mask_PT, state.mask_PT.new_ones(len(rows), sampling.max_tokens)], dim=1
        )
        prompt_width, open_rows = state.mask_PT.shape[1], [True] * len(rows)
        for step in range(sampling.max_tokens):
            tokens_R = draw_tokens(logits_RV, self._numbers(rows, step), sampling)
            logprobs_R = _logprobs(logits_RV, tokens_R).tolist()
            for place, (token, logprob) in enumerate(
                zip(tokens_R.tolist(), logprobs_R, strict=True)
            ):
                open_rows[place] = open_rows[place] and self._goes_on(
                    rows[place], token, logprob, sampling.stop
                )
            if not any(open_rows) or step == sampling.max_tokens - 1:
                return
            if step % COMPACT_EVERY == COMPACT_EVERY - 1 and sum(open_rows) < COMPACT_BELOW * len(
                rows
            ):
                kept = torch.tensor(
                    [place for place, is_open in enumerate(open_rows) if is_open],
                    device=self._device,
                )
                rows, open_rows = [rows[place] for place in kept.tolist()], [True] * len(kept)
                cache.reorder_cache(kept)
                tokens_R, mask_RT, lengths_R = tokens_R[kept], mask_RT[kept], lengths_R[kept]
            mask = mask_RT[:, : prompt_width + step + 1]
            logits, cache = self._cached.forward(
                tokens_R[:, None], mask, lengths_R[:, None] + step, cache
            )
            logits_RV = logits[:, -1]

    def _numbers(self, rows: list[_Row], step: int) -> Callable[[int], Any]:
        """Each row's own numbers at a step, attempt by attempt: those that the embedded engine draws with."""
        seeds_R = np.array([row.seed for row in rows], np.uint64)
        return lambda attempt: self._torch.from_numpy(
            uniforms(seeds_R, step * (ATTEMPTS + 1) + attempt)
        ).to(self._device)

    def _goes_on(self, row: _Row, token: int, logprob: float, stop: Sequence[str]) -> bool:
        """Add the token to its row, and say whether the row is still open."""
        row.token_ids.append(token)
        row.logprob += logprob
        if token in self._end_tokens:
            row.finish = "end"
        elif self._may_end_a_stop(token, stop) and cut_at_stop(self._text(row.token_ids), stop)[1]:
            row.finish = "stop"
        return row.finish == "length"

    def _finished(self, row: _Row, sampling: Sampling) -> Sample:
        ids = row.token_ids[:-1] if row.finish == "end" else row.token_ids
        return Sample(
            cut_at_stop(self._text(ids), sampling.stop)[0],
            tuple(row.token_ids),
            row.logprob,
            row.finish,
        )

    def _score_group(self, jobs: list[Job[Ids]], most: int, shared: Beginning) -> list[list[float]]:
        """Log-probability of every ending after its prompt: the first token from the prefill, the others from one more pass."""
        prefilled = self._cached.prefill([ids for ids, _ in jobs], shared)
        pairs = [(place, ending) for place, (_, endings) in enumerate(jobs) for ending in endings]
        scores: list[float] = []
        for start in range(0, len(pairs), most):
            places, endings = zip(*pairs[start : start + most], strict=True)
            at = self._torch.tensor(places, device=self._device)
            scores += self._score_rows(prefilled.rows(at, start + most >= len(pairs)), endings)
        left = iter(scores)
        return [[next(left) for _ in endings] for _, endings in jobs]

    def _score_rows(self, state: Prefilled, endings: Sequence[Ids]) -> list[float]:
        torch, longest = self._torch, max(map(len, endings))
        if longest == 0:
            return [0.0] * len(endings)
        ids_RT = torch.tensor(
            [ending + (0,) * (longest - len(ending)) for ending in endings], device=self._device
        )
        places_T = torch.arange(longest, device=self._device)
        real_RT = (
            places_T
            < torch.tensor([len(ending) for ending in endings], device=self._device)[:, None]
        )
        logits_RTV = state.logits_PV[:, None]
        if longest > 1:
            mask = torch.cat([state.mask_PT, real_RT[:, :-1].long()], dim=1)
            rest, _ = self._cached.forward(
                ids_RT[:, :-1], mask, state.lengths_P[:, None] + places_T[:-1], state.cache
            )
            logits_RTV = torch.cat([logits_RTV, rest], dim=1)
        summed: list[float] = (_logprobs(logits_RTV, ids_RT).double() * real_RT).sum(-1).tolist()
        return summed


def draw_tokens(logits_RV: Any, numbers: Callable[[int], Any], sampling: Sampling) -> Any:
    """One token per row from the nucleus: those with strictly more probable ones holding less than ``top_p`` (so ties stay in together).

    ``numbers(attempt)`` gives a number in [0, 1) per row. Drawn from the full distribution and accepted if it lies in the nucleus: the law
    of cutting first, without sorting. Rows refused ATTEMPTS times are sorted and cut. There is no top-k.
    """
    import torch

    if sampling.temperature == 0:
        return logits_RV.argmax(dim=-1)
    wide = torch.float32 if logits_RV.device.type == "mps" else torch.float64
    p_RV = torch.softmax(logits_RV.to(wide) / sampling.temperature, dim=-1)
    cumulative_RV = p_RV.cumsum(dim=-1)
    tokens_R = torch.empty(len(p_RV), dtype=torch.long, device=p_RV.device)
    open_R = torch.arange(len(p_RV), device=p_RV.device)
    for attempt in range(ATTEMPTS):
        drawn_R = _invert(cumulative_RV, numbers(attempt)[open_R].to(wide))
        tokens_R[open_R] = drawn_R
        if sampling.top_p >= 1:
            return tokens_R
        refused_R = (
            torch.where(p_RV > p_RV.gather(1, drawn_R[:, None]), p_RV, 0).sum(dim=-1)
            >= sampling.top_p
        )
        if not refused_R.any():
            return tokens_R
        open_R, p_RV, cumulative_RV = open_R[refused_R], p_RV[refused_R], cumulative_RV[refused_R]
    p_RV, order_RV = p_RV.sort(dim=-1, descending=True, stable=True)
    border_R1 = (p_RV.cumsum(dim=-1)[:, :-1] < sampling.top_p).sum(dim=-1, keepdim=True)
    cut_RV = torch.where(p_RV >= p_RV.gather(1, border_R1), p_RV, 0).cumsum(dim=-1)
    tokens_R[open_R] = order_RV.gather(
        1, _invert(cut_RV, numbers(ATTEMPTS)[open_R].to(wide))[:, None]
    )[:, 0]
    return tokens_R


def _invert(cumulative_RV: Any, numbers_R: Any) -> Any:
    """The first token whose cumulative mass exceeds the number's share of the total."""
    import torch

    total_R1 = cumulative_RV[:, -1:].contiguous()
    tokens_R1 = torch.searchsorted(cumulative_RV, numbers_R[:, None] * total_R1, right=True)
    return torch.minimum(tokens_R1, torch.searchsorted(cumulative_RV, total_R1))[:, 0]


def _logprobs(logits: Any, tokens: Any) -> Any:
    """Temperature-1 log-probabilities (nats, float32) of the tokens (...) under logits (..., V)."""
    return logits.float().log_softmax(dim=-1).gather(-1, tokens[..., None])[..., 0]
