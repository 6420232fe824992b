"""One way to write a solution prompt and a verification prompt, from a task's own shots."""

from __future__ import annotations

from strop.prompts.build import NEXT_QUESTION, solution_prompt, stop_strings, tournament_prompt, verification_prompt
from strop.prompts.wording import CORRECT, INCORRECT, WORDING, Wording

__all__ = [
    "CORRECT",
    "INCORRECT",
    "NEXT_QUESTION",
    "WORDING",
    "Wording",
    "solution_prompt",
    "stop_strings",
    "tournament_prompt",
    "verification_prompt",
]
