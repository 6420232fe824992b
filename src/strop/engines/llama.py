"""The embedded engine: Llama checkpoints in NumPy alone, for the models of the ladder.

Each distinct prompt is prefilled once for all its samples. A chunk of rows is decoded together, and
finished rows leave it. On one BLAS thread, the same call gives the same samples, whatever was
called before.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

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
"""Every COMPACT_EVERY steps, finished rows leave the batch if it shrinks below this share of its
size: moving the cached keys and values of the others costs time too."""


class Piece(NamedTuple):
    """The seeds ``start`` to ``stop`` of one request."""

    request: int
    start: int
    stop: int


class Wanted(NamedTuple):
    """One token of a continuation whose log-probability is to be read from a prefill."""

    prompt: int
    continuation: int
    position: int
    token: int


@dataclass(slots=True)
class _Rows:
    """The state of a chunk.

    ``slots`` to ``done`` are over the rows still in the batch; a slot is a row's index in the other
    fields, which are over all rows of the chunk.
    """

    slots: NDArray[np.intp]
    seeds: NDArray[np.uint64]
    positions: NDArray[np.int64]
    done: NDArray[np.bool_]
    tokens_RT: NDArray[np.int64]
    logprobs_R: NDArray[np.float64]
    lengths_R: NDArray[np.int64]
    finishes: list[Finish]

    @classmethod
    def begin(cls, prompt_lengths_R: NDArray[np.int64], seeds: list[int], most: int) -> _Rows:
        """Return rows that have written nothing yet; ``most`` is the largest number of tokens."""
        count = len(seeds)
        return cls(
            slots=np.arange(count),
            seeds=np.array(seeds, np.uint64),
            positions=prompt_lengths_R,
            done=np.zeros(count, bool),
            tokens_RT=np.zeros((count, most), np.int64),
            logprobs_R=np.zeros(count),
            lengths_R=np.full(count, most),
            finishes=["length"] * count,
        )

    def keep(self, kept: NDArray[np.intp]) -> None:
        """Drop all rows of the batch but these."""
        self.slots = self.slots[kept]
        self.seeds = self.seeds[kept]
        self.positions = self.positions[kept]
        self.done = self.done[kept]


class LlamaEngine(Engine):
    """A Llama folder in Hugging Face format. ``label`` is the name that the user gave."""

    worker_threads: ClassVar[bool] = True

    def __init__(self, folder: Path, label: str | None = None) -> None:
        self._name = label or str(folder)
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
        return len(self.prompt_tokens(prompt))

    def prompt_tokens(self, prompt: Prompt) -> tuple[int, ...]:
        return tuple(self.tokenizer.encode(plain_text(prompt)).ids)

    def sample(self, requests: Sequence[Request], sampling: Sampling) -> Generation:
        started = time.perf_counter()
        ids = self._encode([request.prompt for request in requests], sampling.max_tokens)
        samples: list[list[Sample]] = [[] for _ in requests]
        usages = []
        # Chunks depend on the counts alone, so that the same call gives the same batches.
        for chunk in _chunks([len(request.seeds) for request in requests]):
            chunk_ids = [ids[piece.request] for piece in chunk]
            chunk_seeds = [
                requests[piece.request].seeds[piece.start : piece.stop] for piece in chunk
            ]
            rows, usage = self._decode_chunk(chunk_ids, chunk_seeds, sampling)
            usages.append(usage)
            # The rows stand in the order of the pieces, and of the seeds of each piece.
            row = 0
            for piece in chunk:
                for _ in range(piece.start, piece.stop):
                    samples[piece.request].append(self._finished(rows, row, sampling))
                    row += 1
        usages.append(Usage(seconds=time.perf_counter() - started))
        return Generation(samples, total_usage(usages))

    def score(self, prompts: Sequence[Prompt], continuations: Sequence[str]) -> Scored:
        started = time.perf_counter()
        endings = []
        for continuation in continuations:
            endings.append(self.tokenizer.encode(continuation, add_special_tokens=False).ids)
        encoded = self._encode(prompts, max(map(len, endings)))
        wanted = _wanted_by_text(encoded, endings)
        texts = list(wanted)
        logprobs_PC = np.zeros((len(prompts), len(continuations)))
        usages = []
        for start in range(0, len(texts), PREFILL_PROMPTS):
            block = texts[start : start + PREFILL_PROMPTS]
            hidden, _, usage = self._prefill(block)
            usages.append(usage)
            rows: list[int] = []
            tokens: list[Wanted] = []
            for row, text in enumerate(block):
                tokens += wanted[text]
                rows += [row] * len(wanted[text])
            if not tokens:  # empty continuations alone: their log-probability is 0
                continue
            p, c, position, token = np.array(tokens).T
            logits = self.model.logits(hidden[rows, position])
            # add.at, since several tokens of one continuation may stand in the block.
            np.add.at(logprobs_PC, (p, c), log_probabilities(logits, token))
        usage = total_usage(usages)
        cached = len(continuations) * sum(map(len, encoded)) - usage.prompt_tokens
        seconds = time.perf_counter() - started
        return Scored(
            logprobs_PC,
            total_usage([usage, Usage(cached_tokens=max(0, cached), seconds=seconds)]),
        )

    def _encode(self, prompts: Sequence[Prompt], new_tokens: int) -> list[tuple[int, ...]]:
        texts = [plain_text(prompt) for prompt in prompts]
        encoded = [tuple(item.ids) for item in self.tokenizer.encode_batch(texts)]
        check_room(self, max(map(len, encoded), default=0), new_tokens)
        return encoded

    def _prefill(
        self, ids: Sequence[tuple[int, ...]], width: int = 0
    ) -> tuple[Floats, Prefix, Usage]:
        """Return hidden states and prefix of a block of prompts.

        They are padded on the right to the longest, or to ``width`` if that is longer.
        """
        lengths_P = np.array([len(row) for row in ids])
        ids_PL = np.zeros((len(ids), max(width, lengths_P.max())), np.int64)
        for row, tokens in enumerate(ids):
            ids_PL[row, : len(tokens)] = tokens
        hidden, prefix = self.model.prefill(ids_PL, lengths_P)
        flops = sum(self.forward_flops(0, len(row)) for row in ids)
        return hidden, prefix, Usage(prompt_tokens=int(lengths_P.sum()), flops=flops)

    def _prefill_distinct(self, ids: Sequence[tuple[int, ...]]) -> tuple[Floats, Prefix, Usage]:
        """Return next-token logits (P, V) and prefix of prompts that may repeat.

        Each distinct prompt is computed once, a block of prompts at a time.
        """
        distinct = list(dict.fromkeys(ids))
        longest = max(map(len, distinct))
        logits, prefixes, usages = [], [], []
        for start in range(0, len(distinct), PREFILL_PROMPTS):
            block = distinct[start : start + PREFILL_PROMPTS]
            hidden, prefix, usage = self._prefill(block, longest)
            last_tokens = np.array([len(row) - 1 for row in block])
            logits.append(self.model.logits(hidden[np.arange(len(block)), last_tokens]))
            prefixes.append(prefix)
            usages.append(usage)
        # Back to the order of the prompts, with repetitions.
        index = {row: number for number, row in enumerate(distinct)}
        order = np.array([index[row] for row in ids])
        prefix = Prefix.joined(prefixes).take(order)
        return np.concatenate(logits)[order], prefix, total_usage(usages)

    def _decode_chunk(
        self, ids: Sequence[tuple[int, ...]], seeds: Sequence[tuple[int, ...]], sampling: Sampling
    ) -> tuple[_Rows, Usage]:
        """Decode one chunk.

        Every prompt has equally many seeds, or one seed each (``_chunks`` ensures that).
        """
        width = len(seeds[0])
        logits, prefix, usage = self._prefill_distinct(ids)
        prompt_lengths_R = np.repeat(np.array([len(row) for row in ids]), width)
        flat_seeds = [seed for prompt_seeds in seeds for seed in prompt_seeds]
        rows = _Rows.begin(prompt_lengths_R, flat_seeds, sampling.max_tokens)
        self._decode(rows, np.repeat(logits, width, axis=0), prefix, sampling)

        lengths = prompt_lengths_R.tolist()
        flops = sum(
            self.response_flops(length, tokens)
            for length, tokens in zip(lengths, rows.lengths_R.tolist(), strict=True)
        )
        spent = Usage(
            cached_tokens=sum(lengths) - usage.prompt_tokens,
            generated_tokens=int(rows.lengths_R.sum()),
            flops=flops,
        )
        return rows, total_usage([usage, spent])

    def _decode(self, rows: _Rows, logits: Floats, prefix: Prefix, sampling: Sampling) -> None:
        """Draw token after token for all rows, each until its end; results stand in ``rows``."""
        prompts = len(prefix.mask)
        # One row per prompt: its prompt moves into the row's own cache, and nothing is shared.
        alone = len(rows.slots) == prompts
        room = sampling.max_tokens + (prefix.mask.shape[-1] if alone else 0)
        written = self.model.new_written(len(rows.slots), room)
        if alone:
            written.after(prefix)
        for step in range(sampling.max_tokens):
            tokens = draw_tokens(logits, sampling.temperature, sampling.top_p, rows.seeds, step)
            self._record(rows, tokens, log_probabilities(logits, tokens), step, sampling)
            if rows.done.all() or step == sampling.max_tokens - 1:
                break  # the last token needs no forward pass
            if step % COMPACT_EVERY == COMPACT_EVERY - 1:
                kept_prompts, kept = _compaction(rows.done.reshape(prompts, -1))
                if len(kept) < COMPACT_BELOW * len(rows.slots):
                    written.keep(kept, step)
                    if len(kept_prompts) < prompts and not alone:
                        prefix = prefix.take(kept_prompts)
                    prompts = len(kept_prompts)
                    tokens = tokens[kept]
                    rows.keep(kept)
            shared = None if alone else prefix
            logits = self.model.step(tokens, rows.positions, shared, written, step)
            rows.positions = rows.positions + 1

    def _record(
        self,
        rows: _Rows,
        tokens: NDArray[np.int64],
        logprobs: NDArray[np.float64],
        step: int,
        sampling: Sampling,
    ) -> None:
        """Record the tokens of the open rows, and mark the rows that ended with them."""
        is_open = ~rows.done
        slots = rows.slots[is_open]
        # A finished row may stay in the batch until the next compaction; it records nothing more.
        rows.tokens_RT[slots, step] = tokens[is_open]
        rows.logprobs_R[slots] += logprobs[is_open]
        ended = np.isin(tokens, self.model.end_tokens) & is_open
        for row in np.flatnonzero(ended):
            rows.finishes[rows.slots[row]] = "end"
        if sampling.stop:
            # A stop string may span several tokens, so the whole text is decoded.
            for row in np.flatnonzero(is_open & ~ended):
                text = self.tokenizer.decode(rows.tokens_RT[rows.slots[row], : step + 1].tolist())
                _, is_stopped = cut_at_stop(text, sampling.stop)
                if is_stopped:
                    ended[row] = True
                    rows.finishes[rows.slots[row]] = "stop"
        rows.lengths_R[rows.slots[ended]] = step + 1
        rows.done |= ended

    def _finished(self, rows: _Rows, row: int, sampling: Sampling) -> Sample:
        ids = rows.tokens_RT[row, : rows.lengths_R[row]].tolist()
        text, _ = cut_at_stop(self.tokenizer.decode(ids, skip_special_tokens=True), sampling.stop)
        return Sample(text, tuple(ids), float(rows.logprobs_R[row]), rows.finishes[row])


def _wanted_by_text(
    prompts: Sequence[tuple[int, ...]], endings: Sequence[Sequence[int]]
) -> dict[tuple[int, ...], list[Wanted]]:
    """Return the distinct texts to prefill, with the tokens to read from each.

    A continuation of one token needs only its prompt; a longer one needs the prompt and all its
    tokens but the last.
    """
    wanted: dict[tuple[int, ...], list[Wanted]] = {}
    for p, ids in enumerate(prompts):
        for c, ending in enumerate(endings):
            tokens = wanted.setdefault((*ids, *ending[:-1]), [])
            for offset, token in enumerate(ending):
                tokens.append(Wanted(p, c, len(ids) - 1 + offset, token))
    return wanted


def _chunks(counts: Sequence[int]) -> Iterator[list[Piece]]:
    """Split requests with ``counts`` seeds into rectangular chunks of at most CHUNK_ROWS rows.

    If all requests have equally many seeds, whole requests go together. Else each sample is a row
    of its own; the prefill is shared all the same.
    """
    if sum(counts) == 0:
        return
    width = counts[0] if len(set(counts)) == 1 else 1
    if width > CHUNK_ROWS:
        for request in range(len(counts)):
            for start in range(0, width, CHUNK_ROWS):
                yield [Piece(request, start, min(start + CHUNK_ROWS, width))]
        return
    pieces = []
    for request, count in enumerate(counts):
        pieces += [Piece(request, start, start + width) for start in range(0, count, width)]
    per_chunk = CHUNK_ROWS // width
    for first in range(0, len(pieces), per_chunk):
        yield pieces[first : first + per_chunk]


def _compaction(done_Pw: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the prompts and the rows to keep.

    Every open row stays, and the batch stays rectangular: each kept prompt keeps as many rows as
    the prompt with the most open rows has, finished ones if need be.
    """
    width = done_Pw.shape[1]
    prompts = np.flatnonzero(~done_Pw.all(axis=1))
    most_open = int((~done_Pw[prompts]).sum(axis=1).max())
    # The stable sort of False before True moves open rows to the front, in their order.
    open_first = np.argsort(done_Pw[prompts], axis=1, kind="stable")[:, :most_open]
    return prompts, (open_first + prompts[:, None] * width).ravel()
