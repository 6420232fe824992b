"""Embedded models that come with strop: their folders and their cards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from strop.errors import ModelError

LADDER = Path(__file__).parent.parent / "ladder" / "models"
PREFIX = "ladder/"


def embedded_models() -> dict[str, dict[str, Any]]:
    """Return the cards of the embedded models by name: family by family, smallest first."""
    cards = {}
    for path in LADDER.glob("*/card.json"):
        cards[f"{PREFIX}{path.parent.name}"] = json.loads(path.read_text())
    return dict(sorted(cards.items(), key=lambda item: (item[1]["family"], item[1]["parameters"])))


def embedded_folder(name: str) -> Path:
    """Return the folder of the embedded model ``ladder/NAME``. Raise ModelError if unknown."""
    cards = embedded_models()
    if name not in cards:
        raise ModelError(f"there is no embedded model {name!r}; there are {', '.join(cards)}")
    return LADDER / name.removeprefix(PREFIX)
