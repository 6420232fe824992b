"""Generation: draw a fixed number of responses per problem, or as many as each problem needs."""

from __future__ import annotations

from strop.generate.adaptive import draw_adaptively
from strop.generate.sample import draw_responses, response_seeds

__all__ = ["draw_adaptively", "draw_responses", "response_seeds"]
