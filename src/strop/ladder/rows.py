"""Documents as rows of tokens: encoded piece by piece, and packed whole into batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from tokenizers import Tokenizer

from strop.ladder.worksheets import Segments

ROW_LENGTHS = (144, 256)
BATCH_TOKENS = 1024
OPEN_ROWS = 12

Row = tuple[list[int], list[float], list[int]]


@dataclass
class Packer:
    """Fits whole documents into rows of ``length`` tokens: first fit over a few open rows; the fullest one leaves, padded with zeros."""

    length: int
    open_rows: list[Row]

    def add(self, ids: list[int], weights: list[float]) -> Row | None:
        """Put a document in; returns the row (token ids, loss weights, document numbers) that had to leave, if one had."""
        row = next((row for row in self.open_rows if len(row[0]) + len(ids) <= self.length), None)
        if row is None:
            row = ([], [], [])
            self.open_rows.append(row)
        row[2].extend([1 + (row[2][-1] if row[2] else 0)] * len(ids))
        row[0].extend(ids)
        row[1].extend(weights)
        return self.pop_fullest() if len(self.open_rows) > OPEN_ROWS else None

    def pop_fullest(self) -> Row:
        """Take the fullest row out."""
        fullest = max(range(len(self.open_rows)), key=lambda i: len(self.open_rows[i][0]))
        ids, weights, numbers = self.open_rows.pop(fullest)
        pad = self.length - len(ids)
        return ids + [0] * pad, weights + [0.0] * pad, numbers + [0] * pad


def batches(tokenizer: Tokenizer, documents: Iterator[Segments]) -> Iterator[list[Row]]:
    """Batches of about BATCH_TOKENS. Most documents are short; the few long ones have rows and batches of their own length."""
    packers = [Packer(length, []) for length in ROW_LENGTHS]
    ready: list[list[Row]] = [[] for _ in packers]
    for document in documents:
        ids, weights = encode(tokenizer, document)
        place = next(i for i, packer in enumerate(packers) if len(ids) <= packer.length)
        row = packers[place].add(ids, weights)
        if row is not None:
            ready[place].append(row)
        if len(ready[place]) == BATCH_TOKENS // ROW_LENGTHS[place]:
            yield ready[place]
            ready[place] = []


def encode(tokenizer: Tokenizer, document: Segments) -> tuple[list[int], list[float]]:
    """Token ids and loss weights of a document, ``<s>`` first."""
    ids, weights = [1], [0.0]
    for text, weight in document:
        piece = _encode_piece(tokenizer, text)
        ids += piece
        weights += [weight] * len(piece)
    return ids, weights


@lru_cache(maxsize=20_000)
def _encode_piece(tokenizer: Tokenizer, text: str) -> list[int]:
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
    return ids
