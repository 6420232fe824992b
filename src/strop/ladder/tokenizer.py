"""The embedded models' tokenizer: printable characters, and the fixed words of prompts."""

from __future__ import annotations

import re

from tokenizers import AddedToken, Tokenizer, decoders, models, processors

from strop.prompts import CORRECT, INCORRECT, WORDING
from strop.prompts.wording import HOLES, LINES

SPECIAL = ("<pad>", "<s>", "</s>", "<unk>")
CHARACTERS = ("\n", *(chr(code) for code in range(32, 127)))
VOCABULARY_SIZE = 128


def fixed_words() -> list[str]:
    """Return the text between the holes of every frame, and the verdicts."""
    frames = [WORDING.solution]
    for name in (*HOLES, *LINES):
        frames.append(getattr(WORDING, name))
    words = {CORRECT, INCORRECT}
    for frame in frames:
        # A hole is a name in braces: "{question}".
        for piece in re.split(r"\{\w+\}", frame):
            words.add(piece.strip(" "))
    # No prompt ends after "Question:", so it keeps its space: one token instead of two.
    words -= {"", "Question:"}
    words.add("Question: ")
    return sorted(words)


def build_tokenizer() -> Tokenizer:
    """Return the tokenizer. It puts ``<s>`` in front of a text.

    Every text of printable ASCII survives a round trip; other characters become ``<unk>``.
    """
    tokens = (*SPECIAL, *CHARACTERS)
    vocabulary = {token: number for number, token in enumerate(tokens)}
    # Byte-pair encoding without merges: every character is a token of its own.
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))
    special = [AddedToken(token, special=True, normalized=False) for token in SPECIAL]
    tokenizer.add_special_tokens(special)
    # Fixed words get the next numbers in sorted order: the weights of stored models depend on it.
    words = [AddedToken(word, normalized=False) for word in fixed_words()]
    tokenizer.add_tokens(words)
    # Tokens are joined without blanks: every blank is a token, or part of a word.
    tokenizer.decoder = decoders.Fuse()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", vocabulary["<s>"])]
    )
    assert tokenizer.get_vocab_size() <= VOCABULARY_SIZE
    return tokenizer
