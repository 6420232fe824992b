"""Fixtures of the studies' tests: a model that has learned nothing, and runs that tests share."""

from __future__ import annotations

from pathlib import Path

import pytest
import transformers

from strop.engines import embedded_folder
from strop.run.run import Run
from strop.studies.frame.runs import Runs, RunSpec
from tests.studies.shared import quiet


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the folder of a Llama that has learned nothing."""
    folder, source = tmp_path_factory.mktemp("fresh"), embedded_folder("ladder/25k")
    import torch

    torch.manual_seed(0)
    transformers.LlamaForCausalLM(
        transformers.LlamaConfig.from_pretrained(str(source))
    ).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((source / name).read_bytes())
    return str(folder)


@pytest.fixture(scope="session")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return one folder for all studies of embedded models, so that they share their runs."""
    return tmp_path_factory.mktemp("studies")


@pytest.fixture(scope="session")
def fresh_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return one folder for all studies of the fresh Llama."""
    return tmp_path_factory.mktemp("fresh-studies")


@pytest.fixture(scope="session")
def verified_run(out: Path) -> Run:
    """Return a run of 12 problems x 6 samples with 3 verifications of each response."""
    spec = RunSpec("ladder/125k", "signs", ("cot-binary",), draws=3, problems=12, samples=6)
    runs = Runs(out / "runs", quiet)
    runs.make([spec])
    return runs.run(spec)
