"""A wording as a TOML file, to read and to edit. What a file leaves out keeps its default."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from strop.errors import UsageError
from strop.prompts.wording import HOLES, LINES, VERDICTS, WORDING, Example, Wording

TYPE_NAMES = {str: "a text", bool: "true or false", int: "a whole number"}
EXAMPLE_TYPES = {"question": str, "response": str, "check": str, "correct": bool, "score": int}
REQUIRED = tuple(field.name for field in fields(Example) if field.default is MISSING)

HEAD = """\
# Verification prompts. What is left out keeps the value shown here. Use: --prompts FILE.
# The names in braces are replaced by the texts. A prompt ends without a space, because what the
# model writes begins with one.
"""
LINES_HEAD = """\
# The words between a written check and its verdict, score or better answer, and the two verdicts.
# A verification is read by these words. A score is a number from 1 to 10, the better answer is the
# letter A or B.
"""
EXAMPLES_HEAD = """\
# Examples to show before every question, instead of the task's own. All of them are shown, whatever
# --shots. A right and a wrong response to the same question make an example of a tournament. The
# score may be left out: it is 10 if correct, else 1.
#
# [[examples]]
# question = "What is 2 + 3?"
# response = "6"
# check = "2 + 3 is 5, and the answer says 6."
# correct = false
# score = 2
"""


def read_wording(path: str | Path) -> Wording:
    """Read the wording of a file.

    Raises UsageError for a file that cannot be read and for words that cannot be used.
    """
    table = _read(Path(path))
    try:
        _refuse_unknown("", table, [field.name for field in fields(Wording)])
        examples = tuple(_examples(table.pop("examples", [])))
        texts = {name: _of_type(name, value, str) for name, value in table.items()}
        return Wording(**texts, examples=examples)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise UsageError(
            f"there is no file {path}; `strop verifiers --prompts` prints one to begin with"
        )
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read ({error.strerror}); expected a file of prompts"
        ) from None
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{path} is not TOML ({error}); `strop verifiers --prompts` prints an example"
        ) from None


def _examples(tables: Any) -> Iterator[Example]:
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise UsageError(
            f"examples is {tables!r:.60}; expected tables, each under a line [[examples]]"
        )
    for number, table in enumerate(tables, start=1):
        yield _example(f"example {number}: ", table)


def _example(prefix: str, table: dict[str, Any]) -> Example:
    """Build an example; messages of errors begin with the prefix."""
    _refuse_unknown(prefix, table, EXAMPLE_TYPES)
    for name in REQUIRED:
        if name not in table:
            raise UsageError(
                f"{prefix}there is no {name}; expected {', '.join(REQUIRED)}, and score if wanted"
            )
    values = {}
    for name, value in table.items():
        values[name] = _of_type(f"{prefix}{name}", value, EXAMPLE_TYPES[name])
    try:
        return Example(**values)
    except UsageError as error:
        raise UsageError(f"{prefix}{error}") from None


def _refuse_unknown(prefix: str, table: dict[str, Any], known: Iterable[str]) -> None:
    for name in table:
        if name not in known:
            raise UsageError(f"{prefix}there is no key {name!r}; there are {', '.join(known)}")


def _of_type(name: str, value: Any, expected: type) -> Any:
    # Not isinstance: a bool is an int, but a score of true is a mistake.
    if type(value) is not expected:
        raise UsageError(f"{name} is {value!r:.60}; expected {TYPE_NAMES[expected]}")
    return value


def wording_as_toml(wording: Wording = WORDING) -> str:
    """Write a file that reads back as this wording, with comments for the person who edits it."""
    lines = [HEAD]
    for name in HOLES:
        lines += [_entry(name, getattr(wording, name)), ""]
    lines.append(LINES_HEAD)
    for name in (*LINES, *VERDICTS):
        lines.append(_entry(name, getattr(wording, name)))
    lines += ["", EXAMPLES_HEAD]
    return "\n".join(lines) + "".join(_example_table(example) for example in wording.examples)


def _example_table(example: Example) -> str:
    lines = ["", "[[examples]]"]
    for name, value in vars(example).items():
        if value is not None:
            lines.append(_entry(name, value))
    return "\n".join([*lines, ""])


def _entry(name: str, value: str | bool | int) -> str:
    """Write ``name = value``.

    A text of several lines is written as it looks, unless it only begins or ends with a line break.
    """
    if not isinstance(value, str):
        return f"{name} = {json.dumps(value)}"
    if "\n" in value.strip("\n"):
        lines = [_escaped(line) for line in value.split("\n")]
        # TOML leaves out a line break right behind the quotes.
        return f'{name} = """\n' + "\n".join(lines) + '"""'
    return f'{name} = "{_escaped(value)}"'


def _escaped(text: str) -> str:
    """Escape as in JSON, and also the one control character that JSON allows and TOML does not."""
    return json.dumps(text, ensure_ascii=False)[1:-1].replace("\x7f", "\\u007f")
