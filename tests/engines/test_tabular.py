"""The exact engine: frequencies, tables that are refused, tables from a file."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from strop.engines import Request, load_engine
from strop.engines.tabular import TabularEngine
from strop.errors import ModelError
from strop.records import Message, Prompt, Sampling
from strop.seeds import derive

PROMPT: Prompt = (Message("user", "q"),)
ROW = {"a": 0.5, "b": 0.3, "c": 0.15, "d": 0.05}


def test_tabular_frequencies_and_top_p_are_exact() -> None:
    engine = TabularEngine({"q": ROW})
    seeds = tuple(derive("tabular", i) for i in range(20_000))
    for sampling, law in (
        (Sampling(1.0, 1.0, 1), ROW),
        (Sampling(1.0, 0.6, 1), {"a": 0.625, "b": 0.375}),
        (Sampling(1.0, 0.01, 1), {"a": 1.0}),
        (
            Sampling(0.5, 1.0, 1),
            {text: p**2 / sum(q**2 for q in ROW.values()) for text, p in ROW.items()},
        ),
    ):
        samples = engine.sample([Request(PROMPT, seeds)], sampling).samples[0]
        shares = Counter(sample.text for sample in samples)
        assert set(shares) == set(law)
        for text, p in law.items():
            assert (
                abs(shares[text] / len(seeds) - p) < 5 * np.sqrt(p * (1 - p) / len(seeds)) + 1e-12
            )
        assert samples[0].logprob == pytest.approx(np.log(ROW[samples[0].text]))


def test_tables_that_cannot_be_used_are_refused() -> None:
    for row in ({}, {"a": 0.5}, {"a": 1.5, "b": -0.5}, {"a": float("nan")}):
        with pytest.raises(ModelError, match="sum to 1"):
            TabularEngine({"q": row})
    with pytest.raises(ModelError, match="no row for the prompt"):
        TabularEngine({"q": ROW}).sample(
            [Request((Message("user", "other"),), (1,))], Sampling(1, 1, 1)
        )


def test_a_table_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    with pytest.raises(ModelError, match=r"there is no file .*; expected JSON of the form"):
        load_engine(f"tabular:{path}")
    for text in ("{", "[]", '{"q": 1}', '{"q": {"a": "half"}}'):
        path.write_text(text)
        with pytest.raises(ModelError, match="is not JSON of the form"):
            load_engine(f"tabular:{path}")
    path.write_text(json.dumps({"q": ROW}))
    scored = load_engine(f"tabular:{path}").score([PROMPT], ["a", "z"])
    assert scored.logprobs_PC.tolist() == [[np.log(0.5), -np.inf]]
