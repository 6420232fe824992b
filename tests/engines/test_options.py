"""Settings behind a model's name."""

from __future__ import annotations

from pathlib import Path

import pytest

from strop.engines import LADDER, load_engine, model_folder, trained_name
from strop.engines.options import read_options, split_options
from strop.errors import ModelError, UsageError


def test_settings_are_split_from_the_name_and_read_in_their_kinds() -> None:
    bare, options = split_options(
        "openai:m@http://localhost:8000/v1?chat=true&concurrency=8&price=0.5&dtype=a%26b"
    )
    assert bare == "openai:m@http://localhost:8000/v1"
    known = {"chat": bool, "concurrency": int, "price": float, "dtype": str}
    assert read_options("m", options, known) == {
        "chat": True,
        "concurrency": 8,
        "price": 0.5,
        "dtype": "a&b",
    }
    assert split_options("ladder/25k") == ("ladder/25k", {})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ladder/25k?dtype=float32", "there is no setting 'dtype'; there are none"),
        (
            f"{LADDER / '25k'}?dtyp=float32",
            "there is no setting 'dtyp'; there are device, dtype, batch_rows",
        ),
        (f"{LADDER / '25k'}?batch_rows=many", "batch_rows is 'many'; expected int"),
        (f"{LADDER / '25k'}?dtype", "'dtype' cannot be read; expected settings as in"),
        (f"{LADDER / '25k'}?dtype=float32&dtype=float32", "a setting is given twice"),
    ],
)
def test_settings_that_cannot_be_read_are_refused(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_engine(name)


def test_an_engine_keeps_its_whole_name() -> None:
    name = f"{LADDER / '25k'}?dtype=float64&batch_rows=3"
    engine = load_engine(name)
    assert engine.name == name and engine.describe()["dtype"] == "float64" and engine.fingerprint


@pytest.mark.parametrize("prefix", ["", "vllm:", "llama:", "ladder/"])
def test_a_name_too_long_for_a_file_system_gives_one_line(prefix: str) -> None:
    for function in (load_engine, model_folder):
        with pytest.raises(ModelError, match="the name has 300 characters") as error:
            function(prefix + "m" * 300)
        assert "\n" not in str(error.value) and len(str(error.value)) < 200


@pytest.mark.parametrize(
    ("base", "trained"),
    [
        ("ladder/25k", "llama:/out/model"),
        ("ladder/25k?think=none", "llama:/out/model?think=none"),
        ("llama:old?think=none", "llama:/out/model?think=none"),
        ("./m", "/out/model"),
        ("./m?chat=false&dtype=bfloat16&think=a%26b", None),
        ("org/name@v1?device=cuda:1", "/out/model?device=cuda:1"),
        ("vllm:./m", "vllm:/out/model"),
        ("vllm:org/name@v1?tensor_parallel_size=8&chat=false", None),
        ("./m?adapter=./a", "/out/model"),
        ("./m?adapter=./a&chat=false", "/out/model?chat=false"),
        ("vllm:./m?max_num_seqs=8&adapter=./a", "vllm:/out/model?max_num_seqs=8"),
        ("openai:m@http://127.0.0.1:9/v1?retries=0", "/out/model"),
    ],
)
def test_a_trained_model_has_the_engine_and_the_settings_of_its_base(
    base: str, trained: str | None
) -> None:
    """All settings stay, letter by letter; an adapter is in the trained weights."""
    prefix = "vllm:" if base.startswith("vllm:") else ""
    expected = trained or f"{prefix}/out/model?{base.partition('?')[2]}"
    assert trained_name(base, Path("/out/model")) == expected
