"""A randomly initialised model for studies to run on."""

from __future__ import annotations

import pytest
import transformers

from strop.engines import embedded_folder


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the folder of a randomly initialised Llama, in the format of transformers."""
    folder = tmp_path_factory.mktemp("fresh")
    source = embedded_folder("ladder/25k")
    import torch

    torch.manual_seed(0)
    config = transformers.LlamaConfig.from_pretrained(str(source))
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((source / name).read_bytes())
    return str(folder)
