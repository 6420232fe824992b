"""Rows that are mixed in: shares, pre-training documents, files, and how they are named."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

import strop
from strop.distill import Weighted
from strop.engines import model_folder
from strop.errors import UsageError
from strop.improvement.replay import Replay, documents, mixed
from strop.improvement.training_rows import unfiltered, weighted
from strop.run.run import Run

MODEL = "ladder/25k"


def rows_of(run: Run) -> Sequence[Weighted]:
    rows = weighted(run, run.evidence.weights["chance"]).rows
    return [row for row in rows if isinstance(row, Weighted)]


def test_replay_has_its_share_of_the_weight(run: Run) -> None:
    own, pool = rows_of(run), unfiltered(run)
    assert sum(row.weight for row in pool) == pytest.approx(24)
    base, other = Replay("base", 0.25), Replay("earlier", 0.25)
    rows = mixed(own, [(base, pool), (other, own)], seed=0)
    weight = [row.weight for row in rows]
    assert rows[: len(own)] == own and len(rows) == 2 * len(own)
    assert sum(weight[len(own) :]) == pytest.approx(sum(weight[: len(own)]))
    assert (
        mixed(own, [(base, pool)], seed=0)
        == mixed(own, [(base, pool)], seed=0)
        != mixed(own, [(base, pool)], seed=1)
    )
    assert mixed(own, [(other, [])], seed=0) == own


def test_documents_are_those_of_pre_training_as_the_model_reads_them(tmp_path: Path) -> None:
    folder = model_folder(MODEL)
    rows = documents(Replay("verification", 0.5), folder, 60, seed=0)
    assert len(rows) == 60 and {row.problem.rsplit("-", 1)[1] for row in rows} <= {
        "mc",
        "binary",
        "score",
        "tournament",
    }
    assert any(
        "solution" in row.problem for row in documents(Replay("corpus", 0.5), folder, 60, seed=0)
    )
    engine = strop.load_engine(MODEL)
    text = engine.tokenizer.decode(list(rows[0].token_ids))  # type: ignore[attr-defined]
    assert text and rows[0].prompt
    own = tmp_path / "mine.jsonl"
    own.write_text(json.dumps({"prompt": "1+1=", "response": "2"}) + "\n")
    assert [
        (row.prompt, row.token_ids[-1])
        for row in documents(Replay(str(own), 0.5), folder, 1, seed=0)
    ] == [("1+1=", 2)]
    for line in ("{", "[]", '{"prompt": "x"}', '{"prompt": "", "response": "y"}'):
        own.write_text(line)
        with pytest.raises(
            UsageError,
            match=r'mine.jsonl, line 1: expected {"prompt": "...", "response": "..."} with text',
        ):
            documents(Replay(str(own), 0.5), folder, 1, seed=0)


@pytest.mark.parametrize(
    "text", ["base", "base:x", "base:0", "base:1", ":0.5", "no/such/file.jsonl:0.5"]
)
def test_a_replay_that_cannot_be_read_is_one_line(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--replay "):
        Replay.parse(text)
