"""Log-probabilities of given texts, from the answers of a server of the OpenAI protocol."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from strop.engines.openai_answers import Choice, Token


def reaches_its_end(choice: Choice) -> bool:
    """Return whether an answer's tokens include the one that ended it.

    That token is no part of the answer's text: it is empty, or makes the tokens longer than the
    text.
    """
    if not choice.tokens:
        return False
    if not choice.tokens[-1].text:
        return True
    length = sum(len(token.text) for token in choice.tokens)
    return length > len(choice.text.encode(errors="replace"))


def echo_request(
    always: Mapping[str, Any], prompt: str, continuations: Sequence[str]
) -> dict[str, Any]:
    """Return a request for the log-probabilities of given texts.

    Nothing is generated, so the sampling fields do not matter; they are sent all the same, since
    servers fill in unset ones. ``always``: the fields that every request contains.
    """
    return {
        **always,
        "prompt": [prompt + continuation for continuation in continuations],
        "echo": True,
        "logprobs": 1,
        "max_tokens": 0,
        "temperature": 1.0,
        "top_p": 1.0,
        "n": 1,
    }


def ending_logprob(tokens: Sequence[Token], ending: str) -> float:
    """Return the log-probability of the tokens that spell the end of a text.

    NaN if no whole tokens spell it, as when its first letters are in one token with the text before
    them. Servers may write a token without the space that it begins with; the space may also be a
    token of its own, which then counts.
    """
    wanted = ending.encode()
    spelled = b""
    total = 0.0
    without_space = math.nan
    for token in reversed(tokens):
        spelled = token.text + spelled
        total += token.logprob
        if spelled == wanted:
            return total
        if spelled == wanted.lstrip():
            without_space = total
        if len(spelled) > len(wanted):
            break
    return without_space


def follow(wanted: bytes, path: Sequence[Token], chat: bool) -> tuple[bytes, float]:
    """Follow a text through the likeliest tokens along a path.

    Returns the part of the text that they spell and its log-probability. At each position, the
    longest token that fits the text is taken. After a token that the path did not take, nothing is
    known. A chat's answer begins without a space; the form with one counts only where a server's
    template begins answers so, and the likeliest tokens have no other.
    """
    spelled = b""
    logprob = 0.0
    for token in path:
        fitting = {}
        for text in token.top:
            piece = text.lstrip(b" ") if chat and not spelled else text
            if piece and wanted[len(spelled) :].startswith(piece):
                fitting[text] = piece
        if not fitting:
            break
        best = max(
            fitting, key=lambda text: (len(fitting[text]), text == fitting[text], token.top[text])
        )
        spelled += fitting[best]
        logprob += token.top[best]
        if spelled == wanted or best != token.text:
            break
    return spelled, logprob


def is_text(piece: bytes) -> bool:
    """Return whether the bytes are whole characters, so that they can be sent."""
    try:
        piece.decode()
    except UnicodeDecodeError:
        return False
    return True
