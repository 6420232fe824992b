"""Short answers in words: normalisation and comparison."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from strop.tasks.squad import matches_any, normalise_squad


def test_a_name_that_is_an_article_keeps_it_and_an_empty_one_matches_nothing() -> None:
    assert (
        normalise_squad("A.") == "a"
        and matches_any("the!", ["The"])
        and normalise_squad("An apple") == "apple"
    )
    assert not matches_any("", [""]) and not matches_any(" ", ["", "a"])


@given(
    st.text(max_size=100)
    | st.text(st.characters(categories=["M", "L", "P", "S", "Cf", "Zs"]), max_size=20)
)
def test_normalisation_is_idempotent(text: str) -> None:
    assert normalise_squad(normalise_squad(text)) == normalise_squad(text)


def test_normalisation_is_idempotent_for_every_character() -> None:
    for start in range(0, 0x30000, 5):
        for char in (chr(start + 3), f"a.{chr(start)}b"):
            form = normalise_squad(char)
            assert normalise_squad(form) == form, hex(start)
