"""Pre-training compute: parameter counts against architectures, and the names users may give."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strop.engines import embedded_models
from strop.engines.pretraining import GIVEN, LEFT_OUT, REGISTRY, Row, parse_flops, pretraining_flops
from strop.errors import UsageError

every_row = pytest.mark.parametrize("row", REGISTRY, ids=lambda row: row.model)

NAMED_WITHOUT_EMBEDDINGS = {"allenai/OLMo-2-0425-1B"}

# Published configurations: layers, hidden, feed-forward, query width, key-value width, vocabulary,
# and whether the embeddings are tied.
ARCHITECTURES = {
    "qwen1.5-0.5b": (24, 1024, 2816, 1024, 1024, 151936, True),
    "qwen1.5-1.8b": (24, 2048, 5504, 2048, 2048, 151936, False),
    "qwen1.5-4b": (40, 2560, 6912, 2560, 2560, 151936, False),
    "qwen1.5-7b": (32, 4096, 11008, 4096, 4096, 151936, False),
    "qwen1.5-14b": (40, 5120, 13696, 5120, 5120, 152064, False),
    "qwen1.5-72b": (80, 8192, 24576, 8192, 8192, 152064, False),
    "qwen2-0.5b": (24, 896, 4864, 896, 128, 151936, True),
    "qwen2-1.5b": (28, 1536, 8960, 1536, 256, 151936, True),
    "qwen2-7b": (28, 3584, 18944, 3584, 512, 152064, False),
    "qwen2-72b": (80, 8192, 29568, 8192, 1024, 152064, False),
    "qwen2.5-0.5b": (24, 896, 4864, 896, 128, 151936, True),
    "qwen2.5-1.5b": (28, 1536, 8960, 1536, 256, 151936, True),
    "qwen2.5-3b": (36, 2048, 11008, 2048, 256, 151936, True),
    "qwen2.5-7b": (28, 3584, 18944, 3584, 512, 152064, False),
    "qwen2.5-14b": (48, 5120, 13824, 5120, 1024, 152064, False),
    "qwen2.5-32b": (64, 5120, 27648, 5120, 1024, 152064, False),
    "qwen2.5-72b": (80, 8192, 29568, 8192, 1024, 152064, False),
    "qwen3-0.6b-base": (28, 1024, 3072, 2048, 1024, 151936, True),
    "qwen3-1.7b-base": (28, 2048, 6144, 2048, 1024, 151936, True),
    "qwen3-4b-base": (36, 2560, 9728, 4096, 1024, 151936, True),
    "qwen3-8b-base": (36, 4096, 12288, 4096, 1024, 151936, False),
    "qwen3-14b-base": (40, 5120, 17408, 5120, 1024, 151936, False),
    "llama-2-7b-hf": (32, 4096, 11008, 4096, 4096, 32000, False),
    "llama-2-13b-hf": (40, 5120, 13824, 5120, 5120, 32000, False),
    "llama-2-70b-hf": (80, 8192, 28672, 8192, 1024, 32000, False),
    "meta-llama-3-8b": (32, 4096, 14336, 4096, 1024, 128256, False),
    "meta-llama-3-70b": (80, 8192, 28672, 8192, 1024, 128256, False),
    "llama-3.1-8b": (32, 4096, 14336, 4096, 1024, 128256, False),
    "llama-3.1-70b": (80, 8192, 28672, 8192, 1024, 128256, False),
    "llama-3.1-405b": (126, 16384, 53248, 16384, 1024, 128256, False),
    "llama-3.2-1b": (16, 2048, 8192, 2048, 512, 128256, True),
    "llama-3.2-3b": (28, 3072, 8192, 3072, 1024, 128256, True),
    "yi-1.5-6b": (32, 4096, 11008, 4096, 512, 64000, False),
    "yi-1.5-9b": (48, 4096, 11008, 4096, 512, 64000, False),
    "yi-1.5-34b": (60, 7168, 20480, 7168, 1024, 64000, False),
    "olmo-2-0425-1b": (16, 2048, 8192, 2048, 2048, 100352, False),
    "olmo-2-1124-7b": (32, 4096, 11008, 4096, 4096, 100352, False),
    "olmo-2-1124-13b": (40, 5120, 13824, 5120, 5120, 100352, False),
    "olmo-2-0325-32b": (64, 5120, 27648, 5120, 1024, 100352, False),
    "pythia-70m": (6, 512, 2048, 512, 512, 50304, False),
    "pythia-160m": (12, 768, 3072, 768, 768, 50304, False),
    "pythia-410m": (24, 1024, 4096, 1024, 1024, 50304, False),
    "pythia-1b": (16, 2048, 8192, 2048, 2048, 50304, False),
    "pythia-1.4b": (24, 2048, 8192, 2048, 2048, 50304, False),
    "pythia-2.8b": (32, 2560, 10240, 2560, 2560, 50304, False),
    "pythia-6.9b": (32, 4096, 16384, 4096, 4096, 50432, False),
    "pythia-12b": (36, 5120, 20480, 5120, 5120, 50688, False),
}


def count(model: str) -> tuple[int, int]:
    """Count the weights of a decoder, matrix by matrix: (all, without embeddings)."""
    name = model.split("/")[1].lower().removesuffix("-deduped")
    layers, hidden, wide, query, key, vocabulary, tied = ARCHITECTURES[name]
    attention = 2 * hidden * query + 2 * hidden * key
    if name.startswith(
        "pythia"
    ):  # two-matrix feed-forward, biases everywhere, layer norms with shift
        layer = (
            attention + query + 2 * key + hidden + 2 * hidden * wide + wide + hidden + 4 * hidden
        )
        final = 2 * hidden
    else:
        extra = {
            "qwen1": query + 2 * key,
            "qwen2": query + 2 * key,
            "qwen3": 2 * 128,
            "olmo-": query + key,
        }.get(name[:5], 0)
        layer = attention + 3 * hidden * wide + 2 * hidden + extra
        final = hidden
    rest = layers * layer + final
    return rest + (1 if tied else 2) * vocabulary * hidden, rest


@every_row
def test_parameters_are_those_of_the_architecture(row: Row) -> None:
    assert row.parameters == count(row.model)[0]


@every_row
def test_six_n_d(row: Row) -> None:
    found = pretraining_flops(row.model)
    assert (found.model, found.family, found.source) == (row.model, row.family, row.source)
    assert found.parameters is not None and found.tokens is not None
    assert found.flops == row.flops == pytest.approx(6 * found.parameters * found.tokens, rel=1e-12)


@every_row
def test_size_is_about_the_one_in_the_name(row: Row) -> None:
    size = re.search(r"-(\d+(?:\.\d+)?)([bm])(?=-|$)", row.model.lower())
    assert size, row.model
    non_embedding = count(row.model)[1]
    counted = non_embedding if row.model in NAMED_WITHOUT_EMBEDDINGS else row.parameters
    assert counted == pytest.approx(float(size[1]) * {"b": 1e9, "m": 1e6}[size[2]], rel=0.25)
    assert 0 < non_embedding < row.parameters
    assert 1e11 <= row.tokens <= 5e13 and row.source


def test_published_totals() -> None:
    """Llama 3 report, section 3: 3.8e25 FLOPs for the 405B."""
    assert pretraining_flops("meta-llama/Llama-3.1-405B").flops == pytest.approx(3.8e25, rel=0.01)
    assert (
        max(row.flops for row in REGISTRY) == pretraining_flops("meta-llama/Llama-3.1-405B").flops
    )


def test_names_are_unique_and_nothing_left_out_has_a_row() -> None:
    names = [row.model.lower() for row in REGISTRY]
    assert len(set(names)) == len(names)
    assert not set(names) & {name.lower() for name in LEFT_OUT}


def test_larger_is_more_within_a_family() -> None:
    for family in {row.family for row in REGISTRY}:
        rows = sorted(
            (row for row in REGISTRY if row.family == family), key=lambda row: row.parameters
        )
        assert [row.flops for row in rows] == sorted({row.flops for row in rows}), family


def test_embedded_models_say_what_their_cards_say() -> None:
    for name, card in embedded_models().items():
        found = pretraining_flops(name)
        assert found.family == {"full": "ladder", "lean": "ladder lean"}[card["family"]]
        assert (found.parameters, found.tokens, found.flops) == (
            card["parameters"],
            card["tokens"],
            card["flops"],
        )
        assert found.flops == pytest.approx(6 * card["parameters"] * card["tokens"], rel=1e-9)


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("qwen/qwen2-7b", "Qwen/Qwen2-7B"),
        ("vllm:Qwen/Qwen2-7B", "Qwen/Qwen2-7B"),
        ("openai:Qwen/Qwen2-7B@http://localhost:8000/v1", "Qwen/Qwen2-7B"),
        ("openai:Qwen/Qwen2-7B", "Qwen/Qwen2-7B"),
        ("meta-llama/Meta-Llama-3.1-8B", "meta-llama/Llama-3.1-8B"),
    ],
)
def test_other_names_of_a_model(name: str, base: str) -> None:
    found, expected = pretraining_flops(name), pretraining_flops(base)
    assert found.model == name
    assert (found.family, found.flops, found.source) == (
        expected.family,
        expected.flops,
        expected.source,
    )


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("Qwen/Qwen2-7B-Instruct", "Qwen/Qwen2-7B"),
        ("vllm:Qwen/Qwen1.5-4B-Chat", "Qwen/Qwen1.5-4B"),
        ("meta-llama/Llama-2-13b-chat-hf", "meta-llama/Llama-2-13b-hf"),
        ("meta-llama/Meta-Llama-3-8B-Instruct", "meta-llama/Meta-Llama-3-8B"),
        ("openai:meta-llama/Meta-Llama-3.1-70B-Instruct@http://there", "meta-llama/Llama-3.1-70B"),
        ("01-ai/Yi-1.5-9B-Chat", "01-ai/Yi-1.5-9B"),
        ("allenai/OLMo-2-1124-7B-DPO", "allenai/OLMo-2-1124-7B"),
        ("Qwen/Qwen3-8B", "Qwen/Qwen3-8B-Base"),
    ],
)
def test_tuned_variants_say_that_tuning_is_not_counted(name: str, base: str) -> None:
    found, expected = pretraining_flops(name), pretraining_flops(base)
    assert found.flops == expected.flops and found.family == f"{expected.family} tuned"
    assert "not counted" in found.source and base in found.source


@pytest.mark.parametrize(
    "name",
    [
        "",
        "gpt-x",
        "Qwen2-7B",
        "./Qwen2-7B",
        "/models/Qwen/Qwen2-7B",
        "models/Qwen2-7B",
        "someone/Qwen2-7B",
        "Qwen/Qwen2-7B-Instruct-AWQ",
        "Qwen/Qwen2.5-Math-7B",
        "Qwen/Qwen2-7B-Base",
        "01-ai/Yi-1.5-9B-32K",
        "ladder/1k",
        "tabular:Qwen/Qwen2-7B",
        "vllm:",
        "x" * 5000,
    ],
)
def test_unknown_is_one_clear_line(name: str) -> None:
    with pytest.raises(UsageError) as raised:
        pretraining_flops(name)
    message = str(raised.value)
    assert "\n" not in message and repr(name) in message
    assert f"--flops {name}=NUMBER" in message and "engines/pretraining.py" in message


@pytest.mark.parametrize("name", LEFT_OUT)
def test_what_is_left_out_says_why(name: str) -> None:
    for variant in (name, f"vllm:{name}-Chat"):
        with pytest.raises(UsageError, match=re.escape(LEFT_OUT[name])):
            pretraining_flops(variant)


def test_a_folder_is_not_the_model_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "Qwen" / "Qwen2-7B").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    for name in ("Qwen/Qwen2-7B", "vllm:Qwen/Qwen2-7B", str(tmp_path / "Qwen" / "Qwen2-7B")):
        with pytest.raises(UsageError, match="local folder"):
            pretraining_flops(name)
        assert pretraining_flops(name, {name: 1e20}).flops == 1e20
    assert pretraining_flops("openai:Qwen/Qwen2-7B@http://there").family == "Qwen-2"


def test_given_comes_first() -> None:
    known = pretraining_flops("Qwen/Qwen2-7B", {"Qwen/Qwen2-7B": 1e22})
    assert (known.family, known.flops, known.source, known.tokens) == ("Qwen-2", 1e22, GIVEN, None)
    card = pretraining_flops("ladder/250k", {"ladder/250k": 5.0})
    assert (card.family, card.flops, card.source) == ("ladder", 5.0, GIVEN)
    new = pretraining_flops("./mine", {"./mine": 1e18, "other": 2e18})
    assert (new.model, new.family, new.parameters, new.tokens, new.flops, new.source) == (
        "./mine",
        "given",
        None,
        None,
        1e18,
        GIVEN,
    )


def test_given_reaches_the_same_model_behind_an_engine() -> None:
    assert pretraining_flops("vllm:Qwen/Qwen2-7B", {"qwen/qwen2-7b": 1e22}).flops == 1e22
    assert pretraining_flops("openai:x@http://there", {"x": 3.0}).flops == 3.0
    assert pretraining_flops("vllm:x", {"x": 3.0, "vllm:x": 4.0}).flops == 4.0
    assert pretraining_flops("Qwen/Qwen2-7B-Instruct", {"Qwen/Qwen2-7B": 1e22}).flops != 1e22
    with pytest.raises(UsageError, match="different numbers"):
        pretraining_flops("vllm:x", {"x": 3.0, "X": 4.0})


@pytest.mark.parametrize("flops", [0.0, -1.0, math.nan, math.inf])
def test_given_must_be_a_number_above_zero(flops: float) -> None:
    with pytest.raises(UsageError, match="above zero"):
        pretraining_flops("x", {"x": flops})


@given(
    model=st.text(st.characters(codec="utf-8"), min_size=1).map(str.strip).filter(bool),
    flops=st.floats(1e-300, 1e300),
)
def test_parse_reads_back_what_was_written(model: str, flops: float) -> None:
    assert parse_flops(f"{model}={flops!r}") == (model, flops)


def test_parse_splits_at_the_last_equals_sign() -> None:
    assert parse_flops("openai:m@http://there?key=1=1.2e22") == (
        "openai:m@http://there?key=1",
        1.2e22,
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "=",
        "=1e22",
        " =1e22",
        "model",
        "model=",
        "model=big",
        "a=1e22=b",
        "m=0",
        "m=-1e22",
        "m=nan",
        "m=inf",
    ],
)
def test_parse_refuses_rubbish(text: str) -> None:
    with pytest.raises(UsageError, match="--flops got") as raised:
        parse_flops(text)
    assert "\n" not in str(raised.value)


def test_settings_of_a_name_do_not_matter() -> None:
    bare = pretraining_flops("Qwen/Qwen2-7B")
    for name in ("Qwen/Qwen2-7B?dtype=bfloat16&chat=false", "vllm:Qwen/Qwen2-7B?dtype=float16"):
        assert pretraining_flops(name) == replace(bare, model=name)
        assert pretraining_flops(name, {"Qwen/Qwen2-7B": 1e20}).flops == 1e20
    ladder = pretraining_flops("ladder/25k?think=none")
    assert ladder == replace(pretraining_flops("ladder/25k"), model="ladder/25k?think=none")
