"""Draw responses."""

from __future__ import annotations

from strop.generate.adaptive import draw_adaptively
from strop.generate.sample import draw_responses, response_seeds

__all__ = ["draw_adaptively", "draw_responses", "response_seeds"]
