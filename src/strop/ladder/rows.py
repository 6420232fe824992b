"""Documents as rows of tokens: encoded piece by piece, and packed whole into batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from tokenizers import Tokenizer

from strop.ladder.worksheets import Segments

ROW_LENGTHS = (144, 256)
"""Most documents are short; the few long ones have rows and batches of their own length."""
BATCH_TOKENS = 1024
OPEN_ROWS = 12
"""A packer with more open rows than this gives up its fullest one."""
START = 1
"""The token ``<s>``."""


class PackedRow(NamedTuple):
    """Whole documents side by side, one entry a token.

    ``documents`` numbers the documents from 1 on, 0 is padding: attention stays inside a document.
    """

    ids: list[int]
    weights: list[float]
    documents: list[int]


@dataclass
class Packer:
    """Packs whole documents into rows of ``length`` tokens, first fit over a few open rows.

    Few open rows keep the order of the stream nearly as it is.
    """

    length: int
    open_rows: list[PackedRow] = field(default_factory=list)

    def add(self, ids: list[int], weights: list[float]) -> PackedRow | None:
        """Add a document of at most ``length`` tokens.

        Returns the fullest row if there are too many open ones, None otherwise.
        """
        row = self._row_with_room(len(ids))
        number = 1
        if row.documents:
            number += row.documents[-1]
        row.documents.extend([number] * len(ids))
        row.ids.extend(ids)
        row.weights.extend(weights)
        if len(self.open_rows) > OPEN_ROWS:
            return self.pop_fullest()
        return None

    def _row_with_room(self, tokens: int) -> PackedRow:
        """Return the first open row that has room for this many tokens, or a new one."""
        for row in self.open_rows:
            if len(row.ids) + tokens <= self.length:
                return row
        row = PackedRow([], [], [])
        self.open_rows.append(row)
        return row

    def pop_fullest(self) -> PackedRow:
        """Remove the fullest row and return it, padded with zeros."""
        lengths = [len(row.ids) for row in self.open_rows]
        # Of equal ones the oldest: ``index`` finds the first.
        fullest = lengths.index(max(lengths))
        row = self.open_rows.pop(fullest)
        pad = self.length - len(row.ids)
        return PackedRow(
            ids=row.ids + [0] * pad,
            weights=row.weights + [0.0] * pad,
            documents=row.documents + [0] * pad,
        )


def batches(tokenizer: Tokenizer, documents: Iterator[Segments]) -> Iterator[list[PackedRow]]:
    """Yield batches of about BATCH_TOKENS tokens, all rows of a batch of one length.

    Rows that do not fill a batch at the end of the stream are dropped. No document may be longer
    than the longest row.
    """
    packers = [Packer(length) for length in ROW_LENGTHS]
    waiting: list[list[PackedRow]] = [[] for _ in packers]
    for document in documents:
        ids, weights = encode(tokenizer, document)
        # The shortest rows that hold the document.
        size = next(i for i, length in enumerate(ROW_LENGTHS) if len(ids) <= length)
        row = packers[size].add(ids, weights)
        if row is not None:
            waiting[size].append(row)
        rows_a_batch = BATCH_TOKENS // ROW_LENGTHS[size]
        if len(waiting[size]) == rows_a_batch:
            yield waiting[size]
            waiting[size] = []


def encode(tokenizer: Tokenizer, document: Segments) -> tuple[list[int], list[float]]:
    """Return token ids and loss weights of a document, ``<s>`` first."""
    ids = [START]
    weights = [0.0]
    for text, weight in document:
        piece = _encode_piece(tokenizer, text)
        ids += piece
        weights += [weight] * len(piece)
    return ids, weights


# Prompts and worksheets repeat the same pieces: the cache saves most calls of the tokenizer.
@lru_cache(maxsize=20_000)
def _encode_piece(tokenizer: Tokenizer, text: str) -> list[int]:
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
    return ids
