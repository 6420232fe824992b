"""Refusals of `vllm:NAME` without vLLM installed. Tests with vLLM stand in tests/vllm."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from strop.engines import LADDER, load_engine
from strop.errors import MissingExtraError, UsageError

spec = importlib.util.find_spec("vllm")
pytestmark = pytest.mark.skipif(spec is not None and spec.origin is not None, reason="vLLM is here")


def test_the_extra_is_named() -> None:
    with pytest.raises(
        MissingExtraError,
        match=r"the vLLM engine needs the extra 'vllm': run  pip install 'strop\[vllm\]'",
    ):
        load_engine(f"vllm:{LADDER / '40k'}")


def test_a_folder_of_that_name_is_no_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "vllm").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingExtraError):
        load_engine(f"vllm:{LADDER / '40k'}")


def test_wrong_settings_are_refused_before_anything_is_loaded() -> None:
    with pytest.raises(
        UsageError, match="there is no setting 'flavour'; there are dtype, tensor_parallel_size"
    ):
        load_engine("vllm:x?flavour=sweet")
    with pytest.raises(UsageError, match="gpu_memory_utilization is 'most'; expected float"):
        load_engine("vllm:x?gpu_memory_utilization=most")
