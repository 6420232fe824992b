"""Solution and verification prompts, built in one way from a task's own shots."""

from __future__ import annotations

from strop.prompts.build import (
    NEXT_QUESTION,
    next_question,
    solution_prompt,
    stop_strings,
    tournament_prompt,
    verification_prompt,
)
from strop.prompts.file import read_wording, wording_as_toml
from strop.prompts.wording import CORRECT, INCORRECT, WORDING, Example, Wording

__all__ = [
    "CORRECT",
    "INCORRECT",
    "NEXT_QUESTION",
    "WORDING",
    "Example",
    "Wording",
    "next_question",
    "read_wording",
    "solution_prompt",
    "stop_strings",
    "tournament_prompt",
    "verification_prompt",
    "wording_as_toml",
]
