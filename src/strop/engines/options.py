"""Settings of an engine, written behind a model's name as in an address: ``vllm:NAME?dtype=bfloat16&tensor_parallel_size=8``.

They are part of the name, so a run's record has them, the same command finds its run again, and the model that verifies may have others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from strop.errors import UsageError

BOOLEANS = {"true": True, "false": False}


def split_options(name: str) -> tuple[str, dict[str, str]]:
    """A model's name without its settings, and these as they were written. UsageError for what cannot be read."""
    bare, mark, query = name.partition("?")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True) if mark else []
    except ValueError:
        raise UsageError(
            f"model {name}: {query!r} cannot be read; expected settings as in NAME?dtype=float32&device=cpu"
        ) from None
    options = dict(pairs)
    if len(options) < len(pairs):
        raise UsageError(f"model {name}: a setting is given twice; give each once")
    return bare, options


def read_options(
    name: str, options: Mapping[str, str], known: Mapping[str, type]
) -> dict[str, Any]:
    """The settings in their kinds: str, int, float or bool (true, false). UsageError for one that is not ``known`` or not of its kind."""
    if strange := [key for key in options if key not in known]:
        raise UsageError(
            f"model {name}: there is no setting {strange[0]!r}; there are {', '.join(known) or 'none'}"
        )
    read: dict[str, Any] = {}
    for key, text in options.items():
        kind = known[key]
        try:
            read[key] = BOOLEANS[text.lower()] if kind is bool else kind(text)
        except (KeyError, ValueError):
            raise UsageError(
                f"model {name}: {key} is {text!r}; expected {'true or false' if kind is bool else kind.__name__}"
            ) from None
    return read
