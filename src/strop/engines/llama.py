"""The embedded engine: Llama checkpoints in NumPy alone, for the models of the ladder.

Each distinct prompt is prefilled once for all its samples. A chunk of rows is decoded together; finished rows leave it. On one BLAS
thread the same call gives the same samples, whatever the other calls.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from strop.engines.base import (
    Engine,
    Generation,
    Request,
    Scored,
    check_room,
    cut_at_stop,
    plain_text,
)
from strop.engines.llama_model import Floats, LlamaModel, Prefix
from strop.engines.nucleus import draw_tokens, log_probabilities
from strop.errors import ModelError
from strop.records import Finish, Prompt, Sample, Sampling, Usage, total_usage

CHUNK_ROWS = 256
PREFILL_PROMPTS = 64
COMPACT_EVERY = 4
COMPACT_BELOW = 0.9


@dataclass(slots=True)
class _Rows:
    """The state of a chunk. Arrays are over the rows still in the batch, but for the last four, which are over all rows."""

    slots: NDArray[np.intp]
    seeds: NDArray[np.uint64]
    positions: NDArray[np.int64]
    done: NDArray[np.bool_]
    tokens_RT: NDArray[np.int64]
    logprobs_R: NDArray[np.float64]
    lengths_R: NDArray[np.int64]
    finishes: list[Finish]


class LlamaEngine(Engine):
    """A Llama folder in Hugging Face format. ``name`` is what the user called it."""

    worker_threads: ClassVar[bool] = True

    def __init__(self, folder: Path, name: str | None = None) -> None:
        self._name = name or str(folder)
        self.model = LlamaModel(folder)
        try:
            self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # tokenizers raises bare Exception for a missing or broken file
            raise ModelError(
                f"model folder {folder} has no readable tokenizer.json ({error})"
            ) from None

    @property
    def name(self) -> str:
        return self._name

    @property
    def parameters(self) -> int:
        return self.model.parameters

    @property
    def attention_width(self) -> int:
        return self.model.layers_count * self.model.heads * self.model.head_size

    @property
    def context(self) -> int | None:
        return self.model.max_positions

    @property
    def fingerprint(self) -> str:
        return self.model.digest

    def render(self, prompt: Prompt) -> str:
        return plain_text(prompt)

    def count_tokens(self, prompt: Prompt) -> int:
        return len(self.tokenizer.encode(plain_text(prompt)).ids)

    def sample(self, requests: Sequence[Request], sampling: Sampling) -> Generation:
        started = time.perf_counter()
        ids = self._encode([request.prompt for request in requests], sampling.max_tokens)
        samples: list[list[Sample]] = [[] for _ in requests]
        usages = []
        for chunk in _chunks([len(request.seeds) for request in requests]):
            rows, usage = self._decode_chunk(
                [ids[i] for i, *_ in chunk], [requests[i].seeds[a:b] for i, a, b in chunk], sampling
            )
            usages.append(usage)
            for (i, a, b), start in zip(
                chunk, np.cumsum([0, *(b - a for _, a, b in chunk)]), strict=False
            ):
                samples[i] += [
                    self._finished(rows, row, sampling) for row in range(start, start + b - a)
                ]
        return Generation(
            samples, total_usage([*usages, Usage(seconds=time.perf_counter() - started)])
        )

    def score(self, prompts: Sequence[Prompt], continuations: Sequence[str]) -> Scored:
        started = time.perf_counter()
        endings = [
            self.tokenizer.encode(text, add_special_tokens=False).ids for text in continuations
        ]
        encoded = self._encode(prompts, max(map(len, endings)))
        # A one-token continuation needs only the prompt; a longer one the prompt and all but its last token.
        texts = [[(*ids, *ending[:-1]) for ending in endings] for ids in encoded]
        places = {
            text: place
            for place, text in enumerate(dict.fromkeys(text for row in texts for text in row))
        }
        wanted: dict[int, list[tuple[int, int, int, int]]] = {}
        for p, (ids, row) in enumerate(zip(encoded, texts, strict=True)):
            for c, (text, ending) in enumerate(zip(row, endings, strict=True)):
                for offset, token in enumerate(ending):
                    wanted.setdefault(places[text], []).append((p, c, len(ids) - 1 + offset, token))
        logprobs_PC = np.zeros((len(prompts), len(continuations)))
        usage = Usage()
        distinct = list(places)
        for start in range(0, len(distinct), PREFILL_PROMPTS):
            block = distinct[start : start + PREFILL_PROMPTS]
            hidden, _, spent = self._prefill(block)
            usage = total_usage([usage, spent])
            marks = [(i, *mark) for i in range(len(block)) for mark in wanted[start + i]]
            at, p, c, position, token = np.array(marks).T
            np.add.at(
                logprobs_PC,
                (p, c),
                log_probabilities(self.model.logits(hidden[at, position]), token),
            )
        cached = len(continuations) * sum(map(len, encoded)) - usage.prompt_tokens
        return Scored(
            logprobs_PC,
            total_usage(
                [usage, Usage(cached_tokens=max(0, cached), seconds=time.perf_counter() - started)]
            ),
        )

    def _encode(self, prompts: Sequence[Prompt], new_tokens: int) -> list[tuple[int, ...]]:
        encoded = [
            tuple(item.ids)
            for item in self.tokenizer.encode_batch([plain_text(prompt) for prompt in prompts])
        ]
        check_room(self, max(map(len, encoded), default=0), new_tokens)
        return encoded

    def _prefill(
        self, ids: Sequence[tuple[int, ...]], width: int = 0
    ) -> tuple[Floats, Prefix, Usage]:
        """Hidden states and prefix of a block of prompts, padded on the right to the longest, or to ``width``."""
        lengths_P = np.array([len(row) for row in ids])
        ids_PL = np.zeros((len(ids), max(width, lengths_P.max())), np.int64)
        for row, tokens in enumerate(ids):
            ids_PL[row, : len(tokens)] = tokens
        hidden, prefix = self.model.prefill(ids_PL, lengths_P)
        flops = sum(self.forward_flops(0, len(row)) for row in ids)
        return hidden, prefix, Usage(prompt_tokens=int(lengths_P.sum()), flops=flops)

    def _prefill_distinct(self, ids: Sequence[tuple[int, ...]]) -> tuple[Floats, Prefix, Usage]:
        """Next-token logits (P, V) and prefix of prompts that may repeat; each distinct one is computed once, a block at a time."""
        place = {row: number for number, row in enumerate(dict.fromkeys(ids))}
        distinct, longest = list(place), max(map(len, place))
        logits, prefixes, usages = [], [], []
        for start in range(0, len(distinct), PREFILL_PROMPTS):
            block = distinct[start : start + PREFILL_PROMPTS]
            hidden, prefix, usage = self._prefill(block, longest)
            logits.append(
                self.model.logits(
                    hidden[np.arange(len(block)), np.array([len(row) - 1 for row in block])]
                )
            )
            prefixes.append(prefix)
            usages.append(usage)
        order = np.array([place[row] for row in ids])
        return (
            np.concatenate(logits)[order],
            Prefix.joined(prefixes).take(order),
            total_usage(usages),
        )

    def _decode_chunk(
        self, ids: Sequence[tuple[int, ...]], seeds: Sequence[tuple[int, ...]], sampling: Sampling
    ) -> tuple[_Rows, Usage]:
        """Decode one chunk: every prompt with equally many seeds, or with one seed each (``_chunks`` sees to that)."""
        model, width = self.model, len(seeds[0])
        logits, prefix, usage = self._prefill_distinct(ids)
        logits = np.repeat(logits, width, axis=0)
        count = len(logits)
        positions = np.repeat(np.array([len(row) for row in ids]), width)
        rows = _Rows(
            slots=np.arange(count),
            seeds=np.array([seed for row in seeds for seed in row], np.uint64),
            positions=positions,
            done=np.zeros(count, bool),
            tokens_RT=np.zeros((count, sampling.max_tokens), np.int64),
            logprobs_R=np.zeros(count),
            lengths_R=np.full(count, sampling.max_tokens),
            finishes=["length"] * count,
        )
        alone = width == 1
        written = model.new_written(
            count, sampling.max_tokens + (prefix.mask.shape[-1] if alone else 0)
        )
        if alone:
            written.after(prefix)
        prompts = len(ids)
        for step in range(sampling.max_tokens):
            tokens = draw_tokens(logits, sampling.temperature, sampling.top_p, rows.seeds, step)
            self._record(rows, tokens, log_probabilities(logits, tokens), step, sampling)
            if rows.done.all() or step == sampling.max_tokens - 1:
                break
            if step % COMPACT_EVERY == COMPACT_EVERY - 1:
                kept_prompts, kept = _compaction(rows.done.reshape(prompts, -1))
                if len(kept) < COMPACT_BELOW * len(rows.slots):
                    written.keep(kept, step)
                    if len(kept_prompts) < prompts and not alone:
                        prefix = prefix.take(kept_prompts)
                    prompts = len(kept_prompts)
                    tokens, rows.slots, rows.seeds = (
                        tokens[kept],
                        rows.slots[kept],
                        rows.seeds[kept],
                    )
                    rows.positions, rows.done = rows.positions[kept], rows.done[kept]
            logits = model.step(tokens, rows.positions, None if alone else prefix, written, step)
            rows.positions = rows.positions + 1
        lengths = [len(row) for row, row_seeds in zip(ids, seeds, strict=True) for _ in row_seeds]
        flops = sum(
            self.response_flops(length, written)
            for length, written in zip(lengths, rows.lengths_R.tolist(), strict=True)
        )
        spent = Usage(
            cached_tokens=sum(lengths) - usage.prompt_tokens,
            generated_tokens=int(rows.lengths_R.sum()),
            flops=flops,
        )
        return rows, total_usage([usage, spent])

    def _record(
        self,
        rows: _Rows,
        tokens: NDArray[np.int64],
        logprobs: NDArray[np.float64],
        step: int,
        sampling: Sampling,
    ) -> None:
        """Note what the open rows wrote, and which of them ended by it."""
        open_ = ~rows.done
        slots = rows.slots[open_]
        rows.tokens_RT[slots, step] = tokens[open_]
        rows.logprobs_R[slots] += logprobs[open_]
        ended = np.isin(tokens, self.model.end_tokens) & open_
        for row in np.flatnonzero(ended):
            rows.finishes[rows.slots[row]] = "end"
        if sampling.stop:
            for row in np.flatnonzero(open_ & ~ended):
                text = self.tokenizer.decode(rows.tokens_RT[rows.slots[row], : step + 1].tolist())
                if cut_at_stop(text, sampling.stop)[1]:
                    ended[row] = True
                    rows.finishes[rows.slots[row]] = "stop"
        rows.lengths_R[rows.slots[ended]] = step + 1
        rows.done |= ended

    def _finished(self, rows: _Rows, row: int, sampling: Sampling) -> Sample:
        ids = rows.tokens_RT[row, : rows.lengths_R[row]].tolist()
        text, _ = cut_at_stop(self.tokenizer.decode(ids, skip_special_tokens=True), sampling.stop)
        return Sample(text, tuple(ids), float(rows.logprobs_R[row]), rows.finishes[row])


def _chunks(counts: Sequence[int]) -> Iterator[list[tuple[int, int, int]]]:
    """Split requests into chunks of (request, first seed, end seed), every chunk rectangular and at most CHUNK_ROWS rows.

    Where all requests want equally many samples, whole requests go together. Else each sample is a row of its own, and the prefill
    is shared all the same.
    """
    if len(set(counts)) == 1 and counts[0] <= CHUNK_ROWS:
        pieces = [(i, 0, counts[i]) for i in range(len(counts))]
    elif len(set(counts)) == 1:
        for i, count in enumerate(counts):
            yield from ([(i, a, min(a + CHUNK_ROWS, count))] for a in range(0, count, CHUNK_ROWS))
        return
    else:
        pieces = [(i, j, j + 1) for i, count in enumerate(counts) for j in range(count)]
    per_chunk = max(1, CHUNK_ROWS // (pieces[0][2] - pieces[0][1]))
    for start in range(0, len(pieces), per_chunk):
        yield pieces[start : start + per_chunk]


def _compaction(done_Pw: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Prompts and rows to keep so that every open row stays and the batch stays rectangular."""
    width = done_Pw.shape[1]
    prompts = np.flatnonzero(~done_Pw.all(axis=1))
    wide = int((~done_Pw[prompts]).sum(axis=1).max())
    first_open = np.argsort(done_Pw[prompts], axis=1, kind="stable")[:, :wide]
    return prompts, (first_open + prompts[:, None] * width).ravel()
