"""Settings of an engine, written after the model's name: ``vllm:NAME?dtype=bfloat16&chat=false``.

The settings are part of the name. So the run record contains them, the same command finds its run
again, and the model that verifies may have other settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from strop.errors import UsageError

ADAPTER = "adapter"
"""The setting that names the folder of a LoRA adapter."""
BOOLEANS = {"true": True, "false": False}


def bare_name(name: str) -> str:
    """Return a model's name without its settings, whether or not they can be read."""
    return name.partition("?")[0]


def keep_settings(name: str) -> str:
    """Return the settings of a name, with their question mark, for a model trained from it.

    An adapter is left out: training starts from the weights that it is merged into. The rest stays
    letter by letter.
    """
    _, mark, query = name.partition("?")
    kept = [part for part in query.split("&") if part.partition("=")[0] != ADAPTER]
    return f"{mark}{'&'.join(kept)}" if kept and query else ""


def split_options(name: str) -> tuple[str, dict[str, str]]:
    """Split a name into the name without settings, and the settings as text.

    Raise UsageError if the settings cannot be read.
    """
    bare, mark, query = name.partition("?")
    if not mark:
        return bare, {}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True)
    except ValueError:
        raise UsageError(
            f"model {name}: {query!r} cannot be read; "
            "expected settings as in NAME?dtype=float32&device=cpu"
        ) from None
    options = dict(pairs)
    if len(options) < len(pairs):
        raise UsageError(f"model {name}: a setting is given twice; give each once")
    return bare, options


def read_options(
    name: str, options: Mapping[str, str], known: Mapping[str, type]
) -> dict[str, Any]:
    """Convert settings to their types: str, int, float or bool (true, false).

    Raise UsageError for a setting that is not ``known``, or whose text is not of its type.
    """
    for key in options:
        if key not in known:
            raise UsageError(
                f"model {name}: there is no setting {key!r}; there are {', '.join(known) or 'none'}"
            )
    return {key: _convert(name, key, text, known[key]) for key, text in options.items()}


def _convert(name: str, key: str, text: str, type_: type) -> Any:
    try:
        return BOOLEANS[text.lower()] if type_ is bool else type_(text)
    except (KeyError, ValueError):
        expected = "true or false" if type_ is bool else type_.__name__
        raise UsageError(f"model {name}: {key} is {text!r}; expected {expected}") from None
