"""Prompts as text and as tokens, for the engines that use a tokenizer of transformers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from strop.engines.base import Engine, check_room, plain_text
from strop.errors import UsageError
from strop.records import Prompt

Ids = tuple[int, ...]


@dataclass(frozen=True)
class Renderer:
    """Renders prompts through the tokenizer's chat template if ``chat``, else as plain text."""

    tokenizer: Any
    chat: bool

    @classmethod
    def for_model(cls, name: str, tokenizer: Any, chat: bool | None) -> Renderer:
        """Return a renderer that uses the chat template as requested.

        ``chat`` None: use the template if there is one. Raise UsageError if it is requested and
        there is none.
        """
        has_template = bool(getattr(tokenizer, "chat_template", None))
        if chat and not has_template:
            raise UsageError(
                f"model {name}: chat is true, but its tokenizer has no chat template; "
                "leave chat out"
            )
        return cls(tokenizer, has_template if chat is None else chat)

    def render(self, prompt: Prompt) -> str:
        """Return the text that the model receives."""
        if not self.chat:
            return plain_text(prompt)
        turns = [{"role": turn.role, "content": turn.content.strip()} for turn in prompt]
        return str(
            self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        )

    def encode(self, text: str) -> Ids:
        """Return the tokens of a rendered text."""
        # A chat template has already written the special tokens into the text.
        return tuple(self.tokenizer(text, add_special_tokens=not self.chat)["input_ids"])

    def prompt_ids(self, engine: Engine, text: str, new_tokens: int) -> Ids:
        """Return the prompt's tokens.

        Raise UsageError if there are none, or if ``new_tokens`` more do not fit the engine.
        """
        ids = self.encode(text)
        if not ids:
            raise UsageError(
                f"{engine.name}: the prompt has no tokens; expected at least one, "
                "so write something into it"
            )
        check_room(engine, len(ids), new_tokens)
        return ids

    def scoring_job(
        self, engine: Engine, text: str, continuations: Sequence[str]
    ) -> tuple[Ids, list[Ids]]:
        """Return the prompt's tokens, and those of each continuation after it.

        A continuation is tokenised together with its prompt if this leaves the prompt's own tokens
        as they are, else alone.
        """
        ids = self.encode(text)
        endings = []
        for continuation in continuations:
            whole = self.encode(text + continuation)
            if whole[: len(ids)] == ids:
                endings.append(whole[len(ids) :])
            else:
                alone = self.tokenizer(continuation, add_special_tokens=False)
                endings.append(tuple(alone["input_ids"]))
        return self.prompt_ids(engine, text, max(map(len, endings))), endings
