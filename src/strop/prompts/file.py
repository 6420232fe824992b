"""A wording as a TOML file, to read and to edit. What a file leaves out stays as it is by default."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from strop.errors import UsageError
from strop.prompts.wording import HOLES, LINES, VERDICTS, WORDING, Example, Wording

KINDS = {str: "a text", bool: "true or false", int: "a whole number"}
EXAMPLE_KINDS = {"question": str, "response": str, "check": str, "correct": bool, "score": int}
NEEDED = tuple(field.name for field in fields(Example) if field.default is MISSING)

HEAD = """\
# Verification prompts. What is left out stays as it is here; give the file with --prompts FILE.
# The holes of a frame are filled in as they are named. A prompt ends without a space: what the model writes begins with one.
"""
LINES_HEAD = """\
# What stands between a written check and its verdict, score or better answer, and the two verdicts. A verification is read by these
# words. A score is a number from 1 to 10, the better answer is the letter A or B.
"""
EXAMPLES_HEAD = """\
# Examples that are shown before every question, instead of the task's own, whatever --shots: as many as there are. A right and a
# wrong response to the same question make an example of a tournament. The score may be left out: 10 if correct, else 1.
#
# [[examples]]
# question = "What is 2 + 3?"
# response = "6"
# check = "2 + 3 is 5, and the answer says 6."
# correct = false
# score = 2
"""


def read_wording(path: str | Path) -> Wording:
    """The wording that a file describes. UsageError for a file that cannot be read, and for words that cannot be used."""
    table = _read(Path(path))
    known = [field.name for field in fields(Wording)]
    try:
        _refuse_unknown("", table, known)
        texts = {
            name: _of_kind(name, value, str) for name, value in table.items() if name != "examples"
        }
        return Wording(**texts, examples=tuple(_examples(table.get("examples", []))))
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


def _examples(rows: Any) -> Iterable[Example]:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UsageError(
            f"examples is {rows!r:.60}; expected tables, each under a line [[examples]]"
        )
    for number, row in enumerate(rows, start=1):
        place = f"example {number}: "
        _refuse_unknown(place, row, EXAMPLE_KINDS)
        if missing := [name for name in NEEDED if name not in row]:
            raise UsageError(
                f"{place}there is no {missing[0]}; expected {', '.join(NEEDED)}, and score if wanted"
            )
        values = {
            name: _of_kind(f"{place}{name}", value, EXAMPLE_KINDS[name])
            for name, value in row.items()
        }
        try:
            yield Example(**values)
        except UsageError as error:
            raise UsageError(f"{place}{error}") from None


def _refuse_unknown(place: str, table: dict[str, Any], known: Iterable[str]) -> None:
    if unknown := [name for name in table if name not in known]:
        raise UsageError(f"{place}there is no key {unknown[0]!r}; there are {', '.join(known)}")


def _of_kind(name: str, value: Any, kind: type) -> Any:
    if type(value) is not kind:  # a bool is an int, and a score of true is a slip
        raise UsageError(f"{name} is {value!r:.60}; expected {KINDS[kind]}")
    return value


def wording_as_toml(wording: Wording = WORDING) -> str:
    """A file that reads back as this wording, with comments for who edits it."""
    frames = [_key(name, getattr(wording, name)) for name in HOLES]
    lines = [_key(name, getattr(wording, name)) for name in (*LINES, *VERDICTS)]
    examples = [
        "\n".join(
            [
                "",
                "[[examples]]",
                *(_key(name, value) for name, value in vars(example).items() if value is not None),
                "",
            ]
        )
        for example in wording.examples
    ]
    return "\n".join(
        [HEAD, *(f"{frame}\n" for frame in frames), LINES_HEAD, *lines, "", EXAMPLES_HEAD]
    ) + "".join(examples)


def _key(name: str, value: str | bool | int) -> str:
    """Texts of several lines as they look, unless they begin with a line break: TOML leaves out the first one."""
    if not isinstance(value, str):
        return f"{name} = {json.dumps(value)}"
    if "\n" in value.strip("\n"):
        return f'{name} = """\n' + "\n".join(_escaped(line) for line in value.split("\n")) + '"""'
    return f'{name} = "{_escaped(value)}"'


def _escaped(text: str) -> str:
    """As in JSON, but for the one control character that JSON allows and TOML does not."""
    return json.dumps(text, ensure_ascii=False)[1:-1].replace("\x7f", "\\u007f")
