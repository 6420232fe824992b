"""Any causal language model of transformers: a folder, a hub id or a GGUF file, on CPU or GPU.

Each distinct prompt is prefilled once and its key-value cache is copied to its samples; the prefix
that a call's prompts share is run once (``kv_cache.py``). Then one loop draws tokens, without
``generate()`` and so without a hidden top-k. Prompts are batched by length, as many as fit into
memory (``batch_size.py``). The random number of a token belongs to the sample's seed and the step,
so a sample does not depend on its batch, up to the rounding of matrix products between batch
shapes. Nothing is ever unpickled, and no code of a model is run.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from strop.engines.adapter import find_base, merge_adapter, read_config
from strop.engines.base import Engine, Generation, Request, Scored, cut_at_stop
from strop.engines.batch_size import Footprint, attention_width, is_shortage, memory_left, pace
from strop.engines.checkpoint import DTYPES, end_tokens, find_device, fingerprint
from strop.engines.gguf import load_weights
from strop.engines.hub import commit_of
from strop.engines.kv_cache import CachedModel, Prefilled, SharedPrefix
from strop.engines.nucleus import ATTEMPTS, uniforms
from strop.engines.nucleus_torch import draw_tokens, token_logprobs
from strop.engines.rendering import Ids, Renderer
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
"""Every COMPACT_EVERY steps, finished rows leave the batch if it shrinks below this share of its
size: copying the cache of the others costs time too."""
_ANCHOR = "a"

Part = TypeVar("Part")
Job = tuple[Ids, list[Part]]
"""A distinct prompt with its parts: seeds to draw with, or endings to score."""
Result = TypeVar("Result")


@dataclass(slots=True)
class _Row:
    """One sample while it is drawn. ``finish`` stays "length" until a token ends the sample."""

    seed: int
    token_ids: list[int] = field(default_factory=list)
    logprob: float = 0.0
    finish: Finish = "length"


class TransformersEngine(Engine):
    """A model of transformers.

    ``device``: by default cuda if available, else the CPU.
    ``dtype``: by default float32 on the CPU, else bfloat16.
    ``batch_rows``: most samples decoded at once, even if more fit into memory; halved, with a
    warning, whenever memory runs out.
    ``adapter``: the folder of a LoRA adapter, which is merged into the weights.
    ``chat``: False ignores the tokenizer's chat template.
    ``share_prompts``: False runs every prompt whole, without a shared prefix.
    ``label``: the name that the user gave, with its settings.
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
        self._torch = torch
        self._version = transformers.__version__
        self._name = label or name
        self._revision = revision
        self._device = find_device(torch, device)
        self.batch_rows = batch_rows or MOST_ROWS.get(self._device.type, MOST_ROWS_ELSEWHERE)
        self.shares_prefix = share_prompts
        self.least_rows, self.flops_per_second = pace(self._device)
        self._dtype = dtype or ("float32" if self._device.type == "cpu" else "bfloat16")
        if self._dtype not in DTYPES:
            raise UsageError(f"dtype '{dtype}' is not known; expected one of {', '.join(DTYPES)}")
        torch_dtype = getattr(torch, self._dtype)

        self._source, self._adapter = find_base(name, adapter)
        if self._adapter:
            read_config(self._adapter)  # a wrong adapter is refused before the model is loaded
        model, self.tokenizer = load_weights(self._source, revision, torch_dtype, self._adapter)
        self._commit = commit_of(self._source, revision)
        if self._adapter:
            model = merge_adapter(model, self._adapter)
        self.model = self._move_to_device(model).eval()
        self._cached = CachedModel(self._name, self.model, self._device, share_prompts)
        self._config = self.model.config.get_text_config()
        self._footprint = Footprint.of(self._config, torch_dtype.itemsize)
        self._parameters = int(self.model.num_parameters())
        self._end_tokens = end_tokens(self.model, self.tokenizer)
        family = str(self._config.model_type)
        self._renderer = Renderer.for_model(self._name, self.tokenizer, chat, family)

        anchor = self.tokenizer(_ANCHOR, add_special_tokens=False)
        self._anchor: list[int] = list(anchor["input_ids"])
        self._anchor_width = len(self._plain_decode(self._anchor))
        self._pieces: dict[int, str] = {}

    def _move_to_device(self, model: Any) -> Any:
        """Return the model on its device. Raise ModelError if it is too large for it."""
        try:
            return model.to(self._device)
        except RuntimeError as error:
            if not is_shortage(self._torch, error):
                raise
        raise ModelError(
            f"{self._name}: {self._device} has too little memory for its weights in {self._dtype}; "
            "use dtype=bfloat16, a smaller model, or several GPUs "
            "(vllm:NAME?tensor_parallel_size=8)"
        )

    @property
    def name(self) -> str:
        return self._name

    @property
    def parameters(self) -> int:
        return self._parameters

    @property
    def attention_width(self) -> int:
        return attention_width(self._config)

    def describe(self) -> dict[str, str | int | float]:
        facts = super().describe()
        facts["dtype"] = self._dtype
        facts["device"] = str(self._device)
        facts["transformers"] = self._version
        facts["torch"] = str(self._torch.__version__)
        if self._adapter:
            facts["base"] = self._source
            facts["adapter"] = str(self._adapter)
        if self._commit or self._revision:
            facts["revision"] = self._commit or str(self._revision)
        return facts

    @property
    def fingerprint(self) -> str:
        base = fingerprint(self._source, self._commit)
        return f"{base}+{fingerprint(str(self._adapter), None)}" if self._adapter else base

    @property
    def context(self) -> int | None:
        positions = getattr(self._config, "max_position_embeddings", None)
        return None if positions is None else int(positions)

    def render(self, prompt: Prompt) -> str:
        return self._renderer.render(prompt)

    def count_tokens(self, prompt: Prompt) -> int:
        return self._renderer.count_tokens(prompt)

    def prompt_tokens(self, prompt: Prompt) -> Ids:
        return self._renderer.tokens(prompt)

    def sample(self, requests: Sequence[Request], sampling: Sampling) -> Generation:
        """Draw the responses. Raise UsageError if a prompt and ``max_tokens`` do not fit."""
        started = time.perf_counter()
        prompts = [
            self._renderer.prompt_ids(self, request.prompt, sampling.max_tokens)
            for request in requests
        ]
        # Requests with the same prompt share its prefill.
        seeds: dict[Ids, list[int]] = {}
        for ids, request in zip(prompts, requests, strict=True):
            if request.seeds:
                seeds.setdefault(ids, []).extend(request.seeds)

        def draw(jobs: list[Job[int]], rows: int, shared: SharedPrefix) -> list[list[Sample]]:
            return self._draw_group(jobs, rows, shared, sampling)

        drawn, shared = self._in_groups(list(seeds.items()), sampling.max_tokens, 1, draw)

        lengths = []
        for ids, row in zip(seeds, drawn, strict=True):
            lengths.append((len(ids), [sample.tokens or 0 for sample in row]))
        requested = sum(length * len(written) for length, written in lengths)
        usage = self._usage(lengths, shared, requested, started)
        generated = sum(sum(written) for _, written in lengths)

        # Requests with the same prompt take their samples in turn, in the order of their seeds.
        remaining = dict(zip(seeds, map(iter, drawn), strict=True))
        samples = []
        for ids, request in zip(prompts, requests, strict=True):
            samples.append([next(remaining[ids]) for _ in request.seeds])
        return Generation(samples, replace(usage, generated_tokens=generated))

    def score(self, prompts: Sequence[Prompt], continuations: Sequence[str]) -> Scored:
        """Return log-probabilities (P, C); see ``Renderer.scoring_job`` for the tokens."""
        started = time.perf_counter()
        distinct = list(dict.fromkeys(prompts)) if continuations else []
        jobs = [self._renderer.scoring_job(self, prompt, continuations) for prompt in distinct]
        longest = max((len(ending) for _, endings in jobs for ending in endings), default=0)
        scored, shared = self._in_groups(jobs, longest, longest, self._score_group)

        row_of = dict(zip(distinct, scored, strict=True))
        logprobs_PC = np.zeros((len(prompts), len(continuations)))
        if continuations:
            for p, prompt in enumerate(prompts):
                logprobs_PC[p] = row_of[prompt]

        requested = 0
        lengths = []
        for prompt, (ids, endings) in zip(distinct, jobs, strict=True):
            requested += len(ids) * len(endings) * prompts.count(prompt)
            lengths.append((len(ids), [len(ending) for ending in endings]))
        return Scored(logprobs_PC, self._usage(lengths, shared, requested, started))

    def _usage(
        self, jobs: Sequence[tuple[int, list[int]]], shared: int, requested: int, started: float
    ) -> Usage:
        """Count what a call cost.

        ``jobs``: the length of each distinct prompt, and those of its responses or endings.
        ``shared``: tokens of the prefix that was run once.
        ``requested``: tokens of the prompts, each counted as often as it was requested.
        """
        prompt_tokens = shared + sum(length - shared for length, _ in jobs)
        flops = self.forward_flops(0, shared)
        flops += sum(self.forward_flops(shared, length) for length, _ in jobs)
        flops += sum(
            self.response_flops(length, count) for length, tokens in jobs for count in tokens
        )
        seconds = time.perf_counter() - started
        return Usage(prompt_tokens, requested - prompt_tokens, 0, flops, seconds)

    # --- text and tokens ---

    def _plain_decode(self, ids: list[int]) -> str:
        return str(
            self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        )

    def _text(self, ids: Sequence[int]) -> str:
        """Return the text that the tokens add to a text before them.

        Decoders of the SentencePiece type drop a space at the very start. So the tokens are decoded
        after an anchor, which is then cut off.
        """
        return self._plain_decode([*self._anchor, *ids])[self._anchor_width :]

    def _may_end_a_stop(self, token: int, stop: Sequence[str]) -> bool:
        """Return False if the token cannot complete a stop string.

        It can if it contains the last character of one. This saves decoding the whole response
        after every token.
        """
        if token not in self._pieces:
            self._pieces[token] = self._text([token])
        piece = self._pieces[token]
        # The replacement character stands for a part of a character.
        return "\ufffd" in piece or any(string[-1] in piece for string in stop)

    # --- groups that fit into memory ---

    def _in_groups(
        self,
        jobs: Sequence[Job[Part]],
        new_tokens: int,
        positions: int,
        work: Callable[[list[Job[Part]], int, SharedPrefix], list[list[Result]]],
    ) -> tuple[list[list[Result]], int]:
        """Work through the jobs, longest prompts first, in groups that fit into memory.

        A group that does not fit is tried again with fewer rows. Returns the results in the order
        of the jobs, and the length of the prefix that all prompts share.
        """
        order = sorted(range(len(jobs)), key=lambda index: len(jobs[index][0]), reverse=True)
        results: dict[int, list[Result]] = {}
        shared: SharedPrefix | None = None
        while len(results) < len(jobs):
            remaining = order[len(results) :]
            most, count = self._group_size(
                [jobs[index] for index in remaining], new_tokens, positions
            )
            group = [jobs[index] for index in remaining[:count]]
            try:
                with self._torch.inference_mode():
                    if shared is None:
                        shared = self._cached.share_prefix([ids for ids, _ in jobs])
                    worked = work(group, most, shared)
            except RuntimeError as error:
                if not is_shortage(self._torch, error):
                    raise
                tried = min(most, sum(len(parts) for _, parts in group))
                if tried == 1:
                    raise ModelError(
                        f"{self._name}: {self._device} has too little memory for one row; "
                        "use fewer shots or a smaller model"
                    ) from None
            else:
                results.update(zip(remaining[:count], worked, strict=True))
                continue
            # Outside the handler, since the error's traceback holds the tensors.
            if self._device.type == "cuda":
                self._torch.cuda.empty_cache()
            self.batch_rows = tried // 2
            going_on = f"going on with {self.batch_rows} rows at once"
            message = f"{self._name}: {self._device} ran out of memory; {going_on}"
            warnings.warn_explicit(message, UserWarning, "strop", 0)
        return [results[index] for index in range(len(jobs))], shared.length if shared else 0

    def _group_size(
        self, jobs: Sequence[Job[Part]], new_tokens: int, positions: int
    ) -> tuple[int, int]:
        """Return how many rows may be worked on at once, and how many first jobs make a group.

        A group has at least one job, even if this job has more rows.
        """
        memory = memory_left(self._torch, self._device)
        longest = len(jobs[0][0])

        def most_rows(prompts: int) -> int:
            fitting = self._footprint.rows_that_fit(memory, prompts, longest, new_tokens, positions)
            return min(self.batch_rows, fitting)

        count = 1
        rows = len(jobs[0][1])
        for _, parts in jobs[1:]:
            rows += len(parts)
            if rows > most_rows(count + 1):
                break
            count += 1
        return most_rows(count), count

    # --- drawing ---

    def _draw_group(
        self, jobs: list[Job[int]], most: int, shared: SharedPrefix, sampling: Sampling
    ) -> list[list[Sample]]:
        """Draw a sample for each seed of each prompt, at most ``most`` rows at once."""
        prefilled = self._cached.prefill([ids for ids, _ in jobs], shared)
        seeds, prompt_of = _flatten(jobs)
        rows = [_Row(seed % 2**64) for seed in seeds]
        for start in range(0, len(rows), most):
            stop = start + most
            prompts_R = self._torch.tensor(prompt_of[start:stop], device=self._device)
            state = prefilled.rows(prompts_R, last_use=stop >= len(rows))
            self._decode(state, rows[start:stop], sampling)
        return _regroup([self._finished(row, sampling) for row in rows], jobs)

    def _decode(self, state: Prefilled, rows: list[_Row], sampling: Sampling) -> None:
        """Draw token after token for all rows together, each until its end."""
        torch = self._torch
        cache = state.cache
        logits_RV = state.logits_PV
        lengths_R = state.lengths_P
        new_mask = state.mask_PT.new_ones(len(rows), sampling.max_tokens)
        mask_RT = torch.cat([state.mask_PT, new_mask], dim=1)
        prompt_width = state.mask_PT.shape[1]
        # A finished row stays in the batch until the next compaction; its tokens are ignored.
        is_open = [True] * len(rows)
        for step in range(sampling.max_tokens):
            tokens_R = draw_tokens(logits_RV, self._numbers(rows, step), sampling)
            tokens = tokens_R.tolist()
            logprobs = token_logprobs(logits_RV, tokens_R).tolist()
            for index, row in enumerate(rows):
                if is_open[index]:
                    self._append(row, tokens[index], logprobs[index], sampling.stop)
                    is_open[index] = row.finish == "length"
            if not any(is_open) or step == sampling.max_tokens - 1:
                return
            is_due = step % COMPACT_EVERY == COMPACT_EVERY - 1
            if is_due and sum(is_open) < COMPACT_BELOW * len(rows):
                kept = [index for index, row_is_open in enumerate(is_open) if row_is_open]
                rows = [rows[index] for index in kept]
                is_open = [True] * len(rows)
                kept_R = torch.tensor(kept, device=self._device)
                cache.reorder_cache(kept_R)
                tokens_R = tokens_R[kept_R]
                mask_RT = mask_RT[kept_R]
                lengths_R = lengths_R[kept_R]
            mask = mask_RT[:, : prompt_width + step + 1]
            positions = lengths_R[:, None] + step
            logits, cache = self._cached.forward(tokens_R[:, None], mask, positions, cache)
            logits_RV = logits[:, -1]

    def _numbers(self, rows: list[_Row], step: int) -> Callable[[int], Any]:
        """Return a function that gives each row's numbers at a step, attempt by attempt.

        They are the numbers that the embedded engine draws with.
        """
        seeds_R = np.array([row.seed for row in rows], np.uint64)

        def numbers(attempt: int) -> Any:
            numbers_R = uniforms(seeds_R, step * (ATTEMPTS + 1) + attempt)
            return self._torch.from_numpy(numbers_R).to(self._device)

        return numbers

    def _append(self, row: _Row, token: int, logprob: float, stop: Sequence[str]) -> None:
        """Add the token to its row, and set the row's finish if the token ends it."""
        row.token_ids.append(token)
        row.logprob += logprob
        if token in self._end_tokens:
            row.finish = "end"
        elif self._may_end_a_stop(token, stop):
            _, is_stopped = cut_at_stop(self._text(row.token_ids), stop)
            if is_stopped:
                row.finish = "stop"

    def _finished(self, row: _Row, sampling: Sampling) -> Sample:
        ids = row.token_ids[:-1] if row.finish == "end" else row.token_ids
        text, _ = cut_at_stop(self._text(ids), sampling.stop)
        return Sample(text, tuple(row.token_ids), row.logprob, row.finish)

    # --- scoring ---

    def _score_group(
        self, jobs: list[Job[Ids]], most: int, shared: SharedPrefix
    ) -> list[list[float]]:
        """Return the log-probability of every ending after its prompt."""
        prefilled = self._cached.prefill([ids for ids, _ in jobs], shared)
        endings, prompt_of = _flatten(jobs)
        scores: list[float] = []
        for start in range(0, len(endings), most):
            stop = start + most
            prompts_R = self._torch.tensor(prompt_of[start:stop], device=self._device)
            state = prefilled.rows(prompts_R, last_use=stop >= len(endings))
            scores += self._score_rows(state, endings[start:stop])
        return _regroup(scores, jobs)

    def _score_rows(self, state: Prefilled, endings: Sequence[Ids]) -> list[float]:
        """Score one ending per row.

        The prefill gives the first token's log-probability, one more pass those of the others.
        """
        torch = self._torch
        longest = max(map(len, endings))
        if longest == 0:
            return [0.0] * len(endings)
        padded = [ending + (0,) * (longest - len(ending)) for ending in endings]
        ids_RT = torch.tensor(padded, device=self._device)
        index_T = torch.arange(longest, device=self._device)
        lengths_R = torch.tensor([len(ending) for ending in endings], device=self._device)
        is_token_RT = index_T < lengths_R[:, None]
        # The logits at index t predict token t; those of the first token come from the prefill.
        logits_RTV = state.logits_PV[:, None]
        if longest > 1:
            mask = torch.cat([state.mask_PT, is_token_RT[:, :-1].long()], dim=1)
            positions = state.lengths_P[:, None] + index_T[:-1]
            rest, _ = self._cached.forward(ids_RT[:, :-1], mask, positions, state.cache)
            logits_RTV = torch.cat([logits_RTV, rest], dim=1)
        # Padding counts nothing; the sum is in float64.
        logprobs_RT = token_logprobs(logits_RTV, ids_RT).double() * is_token_RT
        scores: list[float] = logprobs_RT.sum(-1).tolist()
        return scores


def _flatten(jobs: Sequence[Job[Part]]) -> tuple[list[Part], list[int]]:
    """Return the parts of all jobs in one list, and the index of each part's job."""
    parts: list[Part] = []
    job_of: list[int] = []
    for index, (_, job_parts) in enumerate(jobs):
        parts += job_parts
        job_of += [index] * len(job_parts)
    return parts, job_of


def _regroup(results: list[Result], jobs: Sequence[Job[Part]]) -> list[list[Result]]:
    """Return the results of all parts, job by job: the reverse of ``_flatten``."""
    remaining = iter(results)
    groups = []
    for _, parts in jobs:
        groups.append([next(remaining) for _ in parts])
    return groups
