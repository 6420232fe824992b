"""The embedded models that come with strop: sizes, cards, and an error for an unknown name."""

from __future__ import annotations

import pytest

from strop.engines import LADDER, embedded_models, load_engine
from strop.engines.llama import LlamaEngine
from strop.errors import ModelError


def test_there_are_two_families_with_complete_cards() -> None:
    """Six sizes and a second family of two, in 16 MB, each with a card that describes it."""
    cards = embedded_models()
    families = [card["family"] for card in cards.values()]
    assert families.count("full") >= 6 and families.count("lean") >= 2
    assert sum(path.stat().st_size for path in LADDER.rglob("*")) < 16e6
    for card in cards.values():
        assert (
            "DESIGNED" in card["imperfections"]
            and card["licence"] == "Apache-2.0"
            and card["corpus"]
        )
        cells = card["evaluation"]["cells"]
        assert len(cells) == 12 and card["evaluation"]["seeds_trained"] >= (
            3 if card["family"] == "full" else 1
        )
        assert all(
            {"accuracy", "cot-binary tpr", "cot-binary fpr"} <= cell.keys()
            for cell in cells.values()
        )


def test_every_shipped_model_has_a_card_and_loads() -> None:
    for name, card in embedded_models().items():
        engine = load_engine(name)
        assert (
            engine.parameters == card["parameters"]
            and card["flops"] == 6 * card["parameters"] * card["tokens"]
        )
        assert isinstance(engine, LlamaEngine) and engine.model.head_size >= 32


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ModelError, match="there are ladder/25k"):
        load_engine("ladder/9000k")
