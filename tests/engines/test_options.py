"""Settings behind a model's name."""

from __future__ import annotations

import pytest

from strop.engines import LADDER, load_engine, model_folder
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
