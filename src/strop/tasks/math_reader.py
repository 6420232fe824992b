r"""Read the tokens of a mathematical answer into pieces, and write pieces as one string.

A piece is what stays together, such as a command with all its arguments: ``\frac12`` and
``\frac{1}{2}`` become the same piece.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from strop.tasks.math_numbers import spell, value_of
from strop.tasks.math_tokens import words

MAX_DEPTH = 40
"""The deepest nesting that is read: the reader is recursive."""

_TEXT = words(r"\text \textit \textrm \textnormal \mbox \hbox \mathrm")
_FONTS = words(r"\textbf \mathbf \mathit \mathsf \operatorname")
_ARGUMENTS = {r"\frac": 2, r"\binom": 2, r"\sqrt": 1, "^": 1, "_": 1}
# Between these, text is one element: it may be a number that has one spelling.
_SEPARATORS = words(r"( ) [ ] \{ \} = < > \le \ge \ne \in \cup \cap & \\") | {", "}
_OPERATORS = frozenset("+-/ ")
_COMMAND_AT_END = re.compile(r"\\[A-Za-z]+\Z")
_WORD = re.compile(r"[A-Za-z]{2,}")


class UnreadableError(Exception):
    """The answer is nested deeper than MAX_DEPTH."""


class Piece(NamedTuple):
    r"""A part of an answer; ``is_text`` marks the content of ``\text{}`` and the like."""

    text: str
    is_text: bool = False


COMMA = Piece(", ")
SPACE = Piece(" ")


def read_pieces(tokens: list[str]) -> list[Piece]:
    """Read all tokens. Raises UnreadableError for those that are nested too deep."""
    return _Reader(tokens).sequence()


class _Reader:
    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens[::-1]  # a stack: the next token is the last item
        self.depth = 0

    def sequence(self, closer: str = "") -> list[Piece]:
        """Read up to the closer, which is consumed too, or to the end."""
        self._go_deeper()
        pieces: list[Piece] = []
        open_parentheses = 0
        while self.tokens:
            token = self.tokens.pop()
            if closer == ")" and token in "()":
                open_parentheses += 1 if token == "(" else -1
            if token == closer and open_parentheses <= 0:
                break
            self._add(token, pieces)
        self.depth -= 1
        return pieces

    def _add(self, token: str, pieces: list[Piece]) -> None:
        """Append to ``pieces`` what begins with the token."""
        if token in _TEXT or token in _FONTS:
            pieces.append(Piece(self._argument(), is_text=token in _TEXT))
        elif token in _ARGUMENTS:
            pieces.append(Piece(self._command(token)))
        elif token == "{":
            group = self.sequence("}")
            if pieces and _COMMAND_AT_END.search(pieces[-1].text):
                # An argument of a command that is not in _ARGUMENTS: keep its braces.
                pieces[-1] = Piece(f"{pieces[-1].text}{{{write_pieces(group)}}}")
            else:
                pieces.extend(group)
        elif token == ",":
            # ", and" is one comma.
            while pieces[-1:] == [SPACE]:
                pieces.pop()
            if pieces[-1:] != [COMMA]:
                pieces.append(COMMA)
        elif token != "}":
            pieces.append(Piece(token))

    def _command(self, name: str) -> str:
        """Return a command with braces around each of its arguments."""
        option = ""
        if name == r"\sqrt" and self.tokens[-1:] == ["["]:
            self.tokens.pop()
            option = f"[{write_pieces(self.sequence(']'))}]"
        arguments = [self._argument(name) for _ in range(_ARGUMENTS[name])]
        if name == "^" and arguments[0] in (r"\circ", ""):
            return ""  # degrees, or nothing
        return name + option + "".join(f"{{{argument}}}" for argument in arguments)

    def _argument(self, name: str = "") -> str:
        r"""Read a group or one sign; ``\frac`` takes one digit, others take a whole number."""
        while self.tokens[-1:] == [" "]:
            self.tokens.pop()
        token = self.tokens.pop() if self.tokens else ""
        if token == "{":
            return write_pieces(self.sequence("}"))
        if token == "(" and name in (r"\sqrt", "^"):
            return write_pieces(self.sequence(")"))
        if token in ("-", "+") and name == "^":
            return token + self._argument("_")
        if token in _ARGUMENTS:
            self._go_deeper()
            command = self._command(token)
            self.depth -= 1
            return command
        is_command = token.startswith("\\")
        if len(token) > 1 and not is_command and (token.isalpha() or name == r"\frac"):
            self.tokens.append(token[1:])  # only the first character is the argument
            return token[0]
        if token in ("}", ")", "]"):
            self.tokens.append(token)  # it closes what is around; the argument is missing
            return ""
        return token

    def _go_deeper(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise UnreadableError


def write_pieces(pieces: list[Piece]) -> str:
    """Join pieces. What stands between two separators is one element with one spelling."""
    written: list[str] = []
    element: list[str] = []
    for piece in pieces:
        is_boundary = piece.text.startswith((r"\begin{", r"\end{"))
        if piece.text in _SEPARATORS or is_boundary:
            written += [_element(element), piece.text]
            element = []
        else:
            element.append(piece.text)
    return _glue([*written, _element(element)])


def _glue(pieces: list[str]) -> str:
    """Join pieces, with a space only between a command and a letter."""
    text = ""
    for piece in filter(None, pieces):
        # Looking at the end only keeps this linear; no command is longer.
        after_command = _COMMAND_AT_END.search(text[-30:])
        text += f" {piece}" if after_command and piece[0].isalpha() else piece
    return text


def _element(pieces: list[str]) -> str:
    """Drop the spaces without meaning, and spell numbers and simple fractions in one way."""
    kept: list[str] = []
    for index, piece in enumerate(pieces):
        if piece != " ":
            kept.append(piece)
        elif kept and index + 1 < len(pieces) and _space_counts(kept[-1], pieces[index + 1]):
            kept.append(" ")
    text = _glue(kept)
    value = value_of(text)
    if value is not None:
        return spell(value)
    return _as_fraction(kept) or text


def _space_counts(left: str, right: str) -> bool:
    """Return whether a space between two pieces separates numbers or words."""
    if " " in (left, right):
        return False
    if left[-1:].isdigit() and right[:1].isdigit():
        return True
    before_word = _WORD.match(right) and (left[-1:].isalnum() or left[-1:] == "}")
    after_word = _WORD.match(left) and right[:1].isalnum()
    return bool(before_word or after_word)


def _as_fraction(pieces: list[str]) -> str | None:
    r"""Return ``a/b`` or ``-a/b`` as ``\frac{a}{b}``; None if an operator stands in a or b."""
    sign = "-" if pieces[:1] == ["-"] else ""
    numerator = pieces[len(sign) : -2]
    if pieces[-2:-1] != ["/"] or not numerator:
        return None
    denominator = pieces[-1]
    if _OPERATORS & {*numerator, denominator} or _WORD.fullmatch(denominator):
        return None
    return rf"{sign}\frac{{{_glue(numerator)}}}{{{denominator}}}"
