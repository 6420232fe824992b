"""Prompts as text and as tokens, for the engines that use a tokenizer of transformers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from strop.engines.base import Engine, check_room, is_open, leading_tokens, plain_text
from strop.errors import ModelError, UsageError
from strop.records import Prompt

Ids = tuple[int, ...]

_FIRST_MARK = 0x100000
_LAST_MARK = 0x10FFFD
"""The private characters that stand for special tokens in a user's text: Unicode's last plane.

Gemma 3 has 6,249 special tokens, more than the private characters of the first plane.
"""
_NEVER = "(?!)"
"""A pattern that matches nothing: for a tokenizer without special tokens."""
_ANCHOR = "\n"
_ANSWER = "answer"
"""Stands for an assistant's turn, to see how the chat template begins one."""
_NEEDS_BOS = ("gemma",)
"""Families of models that write nonsense without a BOS, whatever their tokenizer adds."""


@dataclass(frozen=True)
class Renderer:
    """Renders prompts through the tokenizer's chat template if ``chat``, else as plain text.

    ``prefix``: the tokens that begin every plain prompt, such as a BOS. A tokenizer may also put an
    end token after a text; that is left out, since a prompt goes on.
    ``needs_bos``: the prefix begins a chat too, unless its template has written it.
    ``marks``: the special tokens, each with the character that stands for it where a user's text
    contains its letters. Those letters are ordinary text, not the special token.
    """

    tokenizer: Any
    chat: bool
    prefix: Ids = ()
    needs_bos: bool = False
    marks: dict[str, str] = field(default_factory=dict)

    @classmethod
    def for_model(
        cls, name: str, tokenizer: Any, chat: bool | None, model_type: str = ""
    ) -> Renderer:
        """Return a renderer that uses the chat template as requested.

        ``chat`` None: use the template if there is one. Raise UsageError if it is requested and
        there is none. ``model_type``: the family of the model, as its configuration names it.
        """
        has_template = bool(getattr(tokenizer, "chat_template", None))
        if chat and not has_template:
            raise UsageError(
                f"model {name}: chat is true, but its tokenizer has no chat template; "
                "leave chat out"
            )
        needs_bos = model_type.startswith(_NEEDS_BOS) and tokenizer.bos_token_id is not None
        prefix = leading_tokens(tokenizer)
        if needs_bos and not prefix:
            prefix = (tokenizer.bos_token_id,)
        use_template = has_template if chat is None else chat
        return cls(tokenizer, use_template, prefix, needs_bos, _mark_specials(tokenizer))

    def render(self, prompt: Prompt) -> str:
        """Return the text that the model receives."""
        return self._restore(self._marked(prompt))

    def tokens(self, prompt: Prompt) -> Ids:
        """Return the tokens that the model receives."""
        return self._encode(self._marked(prompt))

    def count_tokens(self, prompt: Prompt) -> int:
        return len(self.tokens(prompt))

    def prompt_ids(self, engine: Engine, prompt: Prompt, new_tokens: int) -> Ids:
        """Return the prompt's tokens.

        Raise UsageError if there are none, or if ``new_tokens`` more do not fit the engine.
        """
        return self._checked(engine, self.tokens(prompt), new_tokens)

    def _checked(self, engine: Engine, ids: Ids, new_tokens: int) -> Ids:
        if not ids:
            raise UsageError(
                f"{engine.name}: the prompt has no tokens; expected at least one, "
                "so write something into it"
            )
        check_room(engine, len(ids), new_tokens)
        return ids

    def scoring_job(
        self, engine: Engine, prompt: Prompt, continuations: Sequence[str]
    ) -> tuple[Ids, list[Ids]]:
        """Return the prompt's tokens, and those of each continuation after it.

        Behind a chat template, a continuation begins as the template begins an assistant's turn:
        without the space that plain text has there. An open prompt ends in the assistant's words,
        and its continuations follow them as they stand. A continuation is tokenised together with
        its prompt if this leaves the prompt's own tokens as they are, else alone.
        """
        begins = self.chat and not is_open(prompt)
        text = self._answering(prompt, engine.thinking) if self.chat else self._marked(prompt)
        ids = self._encode(text)
        beginning = self._beginning(prompt, text) if begins else ""
        endings = []
        for continuation in continuations:
            ending = self._mark(continuation)
            if begins and ending.strip(" "):
                ending = beginning + ending.lstrip(" ")
            whole = self._encode(text + ending)
            if whole[: len(ids)] == ids:
                endings.append(whole[len(ids) :])
            else:
                endings.append(self._encode_alone(ending))
        return self._checked(engine, ids, max(map(len, endings))), endings

    # --- text ---

    def _marked(self, prompt: Prompt) -> str:
        """Return the rendered text, with marks for special tokens that a user's text contains."""
        if not self.chat:
            return self._mark(plain_text(prompt))
        if is_open(prompt):
            return self._answering(prompt, "")
        return self._apply_template(self._turns(prompt), add_generation_prompt=True)

    def _answering(self, prompt: Prompt, thinking: str) -> str:
        """Return the rendered text of a chat, up to the place where the answer goes on.

        Some templates open a span of thinking at the end of the prompt. It is closed, as they
        close it themselves for an answer without thinking; else the answer would stand inside it.
        An open prompt goes on with its own words.
        """
        asked = prompt[:-1] if is_open(prompt) else prompt
        text = self._apply_template(self._turns(asked), add_generation_prompt=True)
        closing = ""
        if thinking and text.rstrip().endswith(f"<{thinking}>"):
            closing = f"\n</{thinking}>\n\n"
        if not is_open(prompt):
            return text + closing
        beginning = self._beginning(asked, text)
        return text + closing + beginning + self._mark(prompt[-1].content.lstrip(" "))

    def _turns(self, prompt: Prompt) -> list[dict[str, str]]:
        turns = []
        for turn in prompt:
            turns.append({"role": turn.role, "content": self._mark(turn.content.strip())})
        return turns

    def _apply_template(self, turns: list[dict[str, str]], add_generation_prompt: bool) -> str:
        text = self.tokenizer.apply_chat_template(
            turns, tokenize=False, add_generation_prompt=add_generation_prompt
        )
        return str(text)

    def _beginning(self, prompt: Prompt, text: str) -> str:
        """Return the white space that the template writes before an assistant's words, if any.

        ``text``: the rendered prompt. A template that renders an answered question in another way
        than an open one shows nothing, and the words then follow the prompt at once.
        """
        turns = [*self._turns(prompt), {"role": "assistant", "content": _ANSWER}]
        try:
            answered = self._apply_template(turns, add_generation_prompt=False)
        except Exception:  # a template raises whatever its author chose
            return ""
        if not answered.startswith(text):
            return ""
        beginning, _, _ = answered[len(text) :].partition(_ANSWER)
        return beginning if beginning.isspace() else ""

    def _mark(self, text: str) -> str:
        return self._specials.sub(lambda found: self.marks[found[0]], text)

    def _restore(self, text: str) -> str:
        return text.translate(self._letters)

    @cached_property
    def _specials(self) -> re.Pattern[str]:
        """Match any special token; the longest one where several begin at the same place."""
        return re.compile("|".join(map(re.escape, self.marks)) or _NEVER)

    @cached_property
    def _letters(self) -> dict[int, str]:
        """Map each mark to the letters of its special token, as ``str.translate`` wants it."""
        return {ord(mark): special for special, mark in self.marks.items()}

    # --- tokens ---

    def _encode(self, text: str) -> Ids:
        """Return the tokens of a marked text."""
        ids = self._encode_marked(text)
        if self.chat and not self.needs_bos:
            return ids  # the template has written all special tokens
        if self.chat and ids[: len(self.prefix)] == self.prefix:
            return ids
        return self.prefix + ids

    def _encode_marked(self, text: str) -> Ids:
        """Return the tokens of a marked text, without any that the tokenizer adds."""
        if self._restore(text) == text:
            return self._plain_ids(text)
        # The text is cut at the template's special tokens, as a tokenizer does it. Between them,
        # the letters of a special token are ordinary text.
        ids: list[int] = []
        start = 0
        for special in self._specials.finditer(text):
            ids += self._letters_ids(text[start : special.start()])
            ids.append(self.tokenizer.convert_tokens_to_ids(special[0]))
            start = special.end()
        return (*ids, *self._letters_ids(text[start:]))

    def _letters_ids(self, text: str) -> Ids:
        """Return the tokens of a marked text without special tokens."""
        return self._plain_ids(self._restore(text), split_special_tokens=True) if text else ()

    def _encode_alone(self, text: str) -> Ids:
        """Return the tokens of a text that goes on after another one.

        SentencePiece puts a space before the very first word; so the text follows an anchor.
        """
        anchor = self._encode_marked(_ANCHOR)
        whole = self._encode_marked(_ANCHOR + text)
        if whole[: len(anchor)] == anchor:
            return whole[len(anchor) :]
        return self._encode_marked(text)

    def _plain_ids(self, text: str, **settings: bool) -> Ids:
        encoded = self.tokenizer(text, add_special_tokens=False, **settings)
        return tuple(encoded["input_ids"])


def _mark_specials(tokenizer: Any) -> dict[str, str]:
    """Return a private character for every special token, the longest tokens first."""
    specials = set(tokenizer.all_special_tokens)
    for token in getattr(tokenizer, "added_tokens_decoder", {}).values():
        if token.special:
            specials.add(token.content)
    specials.discard("")
    ordered = sorted(specials, key=lambda special: (-len(special), special))
    most = _LAST_MARK - _FIRST_MARK + 1
    if len(ordered) > most:
        raise ModelError(
            f"the tokenizer has {len(ordered):,} special tokens; expected at most {most:,}"
        )
    marks = {}
    for index, special in enumerate(ordered):
        marks[special] = chr(_FIRST_MARK + index)
    return marks
