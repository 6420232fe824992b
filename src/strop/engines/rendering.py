"""Prompts as text and as tokens, for the engines whose tokenizer is transformers' own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from strop.engines.base import Engine, check_room, plain_text
from strop.errors import UsageError
from strop.records import Prompt

Ids = tuple[int, ...]


@dataclass(frozen=True)
class Texts:
    """``tokenizer`` is transformers'; ``chat``: prompts go through its chat template, else they are plain text."""

    tokenizer: Any
    chat: bool

    @classmethod
    def of(cls, name: str, tokenizer: Any, chat: bool | None) -> Texts:
        """By chat as asked; if that is None, where there is a template. UsageError for one that is asked for and not there."""
        has_template = bool(getattr(tokenizer, "chat_template", None))
        if chat and not has_template:
            raise UsageError(
                f"model {name}: chat is true, but its tokenizer has no chat template; leave chat out"
            )
        return cls(tokenizer, has_template if chat is None else chat)

    def render(self, prompt: Prompt) -> str:
        """The text that the model is given."""
        if not self.chat:
            return plain_text(prompt)
        turns = [{"role": turn.role, "content": turn.content.strip()} for turn in prompt]
        return str(
            self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        )

    def encode(self, text: str) -> Ids:
        """A chat template has written the special tokens itself."""
        return tuple(self.tokenizer(text, add_special_tokens=not self.chat)["input_ids"])

    def prompt_ids(self, engine: Engine, text: str, new_tokens: int) -> Ids:
        """The prompt's tokens, checked to be some and to leave room in the engine for ``new_tokens``."""
        ids = self.encode(text)
        if not ids:
            raise UsageError(
                f"{engine.name}: the prompt has no tokens; expected at least one, so write something into it"
            )
        check_room(engine, len(ids), new_tokens)
        return ids

    def scoring_job(
        self, engine: Engine, text: str, continuations: Sequence[str]
    ) -> tuple[Ids, list[Ids]]:
        """The prompt's tokens, and those of each continuation after it."""
        ids, endings = self.encode(text), []
        for continuation in continuations:
            whole = self.encode(text + continuation)
            alone = tuple(self.tokenizer(continuation, add_special_tokens=False)["input_ids"])
            endings.append(whole[len(ids) :] if whole[: len(ids)] == ids else alone)
        return self.prompt_ids(engine, text, max(map(len, endings))), endings
