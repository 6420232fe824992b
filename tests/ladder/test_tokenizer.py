"""The tokenizer of the shipped models is the one that the code builds."""

from __future__ import annotations

from tokenizers import Tokenizer

from strop.engines import LADDER
from strop.ladder.recipes import RECIPES
from strop.ladder.tokenizer import build_tokenizer


def test_shipped_tokenizers_are_the_recipes_own() -> None:
    for name in RECIPES:
        shipped = Tokenizer.from_file(str(LADDER / name / "tokenizer.json"))
        assert shipped.to_str() == build_tokenizer().to_str()
