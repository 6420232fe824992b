"""Rows: documents are encoded piece by piece and packed whole."""

from __future__ import annotations

import random
from itertools import repeat

import pytest

from strop.ladder.corpus import DOCUMENT_WEIGHTS, Stream, document
from strop.ladder.rows import BATCH_TOKENS, batches, encode
from strop.ladder.tokenizer import build_tokenizer
from strop.ladder.worksheets import Segments

every_document = pytest.mark.parametrize("kind", DOCUMENT_WEIGHTS, ids="-".join)


def text_of(segments: Segments) -> str:
    return "".join(piece for piece, _ in segments)


@every_document
def test_pieces_tokenize_as_the_whole_and_come_back(kind: tuple[str, str]) -> None:
    """What is trained on is what a prompt and its answer give at inference."""
    tokenizer, rng = build_tokenizer(), random.Random(0)
    for _ in range(20):
        segments = document(*kind, rng)
        ids, weights = encode(tokenizer, segments)
        assert ids == tokenizer.encode(text_of(segments)).ids and len(ids) == len(weights) <= 256
        assert tokenizer.decode(ids[1:], skip_special_tokens=False) == text_of(segments)
        assert tokenizer.token_to_id("<unk>") not in ids and sum(weights) > 0


def test_batches_pack_whole_documents() -> None:
    rows = next(batches(build_tokenizer(), Stream(3).documents(repeat(False))))
    ids, weights, numbers = rows[0]
    assert len(rows) == BATCH_TOKENS // len(ids) and len(ids) == len(weights) == len(numbers)
    assert max(numbers) == sum(token == 1 for token in ids) and all(
        (token == 0) == (number == 0) for token, number in zip(ids, numbers, strict=True)
    )
