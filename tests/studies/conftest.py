"""A model that has learned nothing, for studies to run on."""

from __future__ import annotations

import pytest
import transformers

from strop.engines import embedded_folder


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Llama that has learned nothing."""
    folder, source = tmp_path_factory.mktemp("fresh"), embedded_folder("ladder/25k")
    import torch

    torch.manual_seed(0)
    transformers.LlamaForCausalLM(
        transformers.LlamaConfig.from_pretrained(str(source))
    ).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((source / name).read_bytes())
    return str(folder)
