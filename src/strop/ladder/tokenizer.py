"""The embedded models' tokenizer: printable characters, and the fixed words of the prompts as single tokens."""

from __future__ import annotations

import re

from tokenizers import AddedToken, Tokenizer, decoders, models, processors

from strop.prompts import CORRECT, INCORRECT, WORDING
from strop.prompts.wording import HOLES, LINES

SPECIAL = ("<pad>", "<s>", "</s>", "<unk>")
CHARACTERS = ("\n", *(chr(code) for code in range(32, 127)))
VOCABULARY_SIZE = 128


def fixed_words() -> list[str]:
    """The text between the holes of every frame, and the verdicts; "Question: " keeps its space, since no prompt ends there."""
    frames = [WORDING.solution, *(getattr(WORDING, name) for name in (*HOLES, *LINES))]
    pieces = {piece.strip(" ") for frame in frames for piece in re.split(r"\{\w+\}", frame)}
    pieces = {piece for piece in pieces if piece} - {"Question:"} | {
        "Question: ",
        CORRECT,
        INCORRECT,
    }
    return sorted(pieces)


def build_tokenizer() -> Tokenizer:
    """Every text of printable ASCII survives a round trip; other characters become ``<unk>``. ``<s>`` is put in front."""
    vocabulary = {token: number for number, token in enumerate((*SPECIAL, *CHARACTERS))}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True, normalized=False) for token in SPECIAL]
    )
    tokenizer.add_tokens([AddedToken(word, normalized=False) for word in fixed_words()])
    tokenizer.decoder = decoders.Fuse()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", vocabulary["<s>"])]
    )
    assert tokenizer.get_vocab_size() <= VOCABULARY_SIZE
    return tokenizer
