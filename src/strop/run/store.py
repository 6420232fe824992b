"""The run folder: append-only Parquet parts that survive being killed, and a lock against a second writer.

    run.json                    what was asked, resolved
    problems.parquet
    responses/part-00000.parquet    greedy/...    scores/<verifier>/...
    estimates.json  report.html

A part holds a fixed set of problems. It is written under another name, flushed, and renamed: it is whole or not there, and what is
there is never written again. What a part cost travels in its Parquet metadata.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import filelock
import polars as pl

from strop.errors import CorruptPartError, RunLockedError, RunMismatchError, StoreError
from strop.records import Usage, total_usage
from strop.text import slug

FORMAT_VERSION = 1
_ANEW = "delete it and run the same command again: only it is made anew"
PART_PROBLEMS = 16
CUT = 60
"""How many characters of a setting a message shows."""

RESPONSE_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "problem": pl.String,
    "sample": pl.Int32,
    "text": pl.String,
    "token_ids": pl.List(pl.Int32),
    "tokens": pl.Int32,
    "logprob": pl.Float64,
    "finish": pl.String,
    "answer_strict": pl.String,
    "answer_flexible": pl.String,
    "utility_strict": pl.Float64,
    "utility_flexible": pl.Float64,
    "found_by": pl.String,
    "found_at": pl.Int32,
}
"""From ``answer_strict`` on the fields of a ``Grade``: ``found_by`` is the rule that found ``answer_flexible``, ``found_at`` the place of
its first character in ``text``, counted in characters from 0."""
LATER = ("found_by", "found_at")
"""Columns that the parts of earlier versions lack: not known there."""
SCORE_SCHEMA = {
    "problem": pl.String,
    "sample": pl.Int32,
    "draw": pl.Int32,
    "score": pl.Float64,
    "parsed": pl.Boolean,
    "text": pl.String,
}
PROBLEM_SCHEMA = {
    name: pl.String for name in ("problem", "split", "question", "reference", "prompt", "metadata")
}


def differences(
    there: Mapping[str, Any], here: Mapping[str, Any], within: str = ""
) -> Iterator[tuple[str, str, str]]:
    """(name, what is there, what is here) for whatever differs between two records, at the bottom of them and cut short, for messages."""
    for key in sorted({*there, *here}):
        one, other, name = there.get(key), here.get(key), f"{within}{key}"
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            yield from differences(one, other, f"{name} ")
        elif one != other:
            yield name, _cut(repr(one), repr(other)), _cut(repr(other), repr(one))


def _cut(text: str, other: str) -> str:
    """What fits of a text, from a little before it differs from the other."""
    same = next((place for place, (a, b) in enumerate(zip(text, other, strict=False)) if a != b), 0)
    start = max(0, same - CUT // 2) if len(text) > CUT else 0
    return (
        ("…" if start else "")
        + text[start : start + CUT]
        + ("…" if len(text) > start + CUT else "")
    )


class RunFolder:
    """One run on disk. Reading needs no lock; write inside ``with folder.writing():``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    # --- opening ---

    @property
    def exists(self) -> bool:
        return (self.path / "run.json").exists()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the folder's lock. The system frees it when the process dies, however it dies."""
        if self.path.exists() and not self.path.is_dir():
            raise StoreError(f"{self.path} is a file, expected a run folder; choose another --out")
        with _told(f"cannot write to {self.path}"):
            self.path.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(self.path / ".lock")
            try:
                lock.acquire(timeout=0)
            except filelock.Timeout:
                raise RunLockedError(
                    f"another process is writing to {self.path}; wait for it, or choose another --out"
                ) from None
        try:
            with _told(f"cannot write to {self.path}"):
                for leftover in self._leftovers():
                    leftover.unlink()
            yield
        finally:
            lock.release()

    def start(self, record: dict[str, Any], problems: pl.DataFrame) -> dict[str, Any]:
        """Begin the run, or go on with it if the folder holds the same one. Returns the stored record."""
        if not self.exists:
            self._refuse_foreign()
            self._write("problems.parquet", _parquet_bytes(problems, {}))
            self.write_json("run.json", record)
            return record
        stored = self.record()
        if stored["asked"] != record["asked"]:
            found = ", ".join(
                f"{name} {there} there, {here} asked"
                for name, there, here in differences(stored["asked"], record["asked"])
            )
            raise RunMismatchError(
                f"{self.path} holds another run ({found}); choose another --out, or repeat its own command"
            )
        if not (self.path / "problems.parquet").exists():
            self._write("problems.parquet", _parquet_bytes(problems, {}))
        if not self.problems().equals(problems):
            made = stored.get("versions", {}).get("strop", "of another version")
            raise RunMismatchError(
                f"{self.path} holds other problems or prompts, made by strop {made}; choose another --out"
            )
        return stored

    def _refuse_foreign(self) -> None:
        """A folder with files that are no run's is not ours to write to."""
        foreign = sorted(
            path.name
            for path in self.path.iterdir()
            if path.name not in (".lock", "problems.parquet")
        )
        if foreign:
            raise RunMismatchError(
                f"{self.path} is not empty and holds no run ({foreign[0]}); choose another --out"
            )

    def _leftovers(self) -> list[Path]:
        """What a killed writer left half written."""
        top = [
            path
            for path in self.path.glob(".*.partial")
            if path.name.split(".")[1] in ("run", "problems", "estimates", "report")
        ]
        return top + [
            path
            for stage in ("responses", "greedy", "scores")
            for path in (self.path / stage).rglob(".part-*.partial")
        ]

    def record(self) -> dict[str, Any]:
        """run.json."""
        record = self._read_json("run.json")
        if record.get("format_version") != FORMAT_VERSION:
            raise StoreError(
                f"{self.path} has format version {record.get('format_version')}; this strop reads {FORMAT_VERSION}"
            )
        if not isinstance(record.get("asked"), dict):
            raise CorruptPartError(
                f"{self.path / 'run.json'} does not say what was asked; restore it, or start again with another --out"
            )
        return record

    # --- parts ---

    def part_path(self, stage: str, number: int) -> Path:
        """``stage`` is "responses", "greedy" or "scores/<verifier>"."""
        return self.path / stage / f"part-{number:05d}.parquet"

    def write_part(self, stage: str, number: int, frame: pl.DataFrame, usage: Usage) -> None:
        """Write a part, whole or not at all."""
        relative = self.part_path(stage, number).relative_to(self.path)
        self._write(
            str(relative), _parquet_bytes(frame, {"strop_usage": json.dumps(asdict(usage))})
        )

    def has_part(self, stage: str, number: int) -> bool:
        return self.part_path(stage, number).exists()

    def read_part(self, stage: str, number: int) -> pl.DataFrame:
        """One part, with nulls for what its version did not store. Raises CorruptPartError with what to do."""
        frame = self._read_parquet(self.part_path(stage, number))
        if stage not in ("responses", "greedy"):
            return frame
        return frame.with_columns(
            pl.lit(None, RESPONSE_SCHEMA[name]).alias(name)
            for name in LATER
            if name not in frame.columns
        )

    def read_stage(self, stage: str, parts: int) -> pl.DataFrame:
        """All ``parts`` parts of a stage, in order."""
        try:
            return pl.concat([self.read_part(stage, number) for number in range(parts)])
        except pl.exceptions.PolarsError:
            raise CorruptPartError(
                f"the parts in {self.path / stage} differ in their columns; find the changed one, and {_ANEW}"
            ) from None

    def problems(self) -> pl.DataFrame:
        return self._read_parquet(self.path / "problems.parquet")

    def usage(self, stage: str, parts: int) -> Usage:
        """What the parts of a stage cost together."""
        return total_usage(
            self.usage_of_part(stage, number)
            for number in range(parts)
            if self.has_part(stage, number)
        )

    def spent_tokens(self) -> int:
        """What all stored parts of the run cost together."""
        return sum(self._usage_in(path).spent_tokens for path in self.path.rglob("part-*.parquet"))

    def usage_of_part(self, stage: str, number: int) -> Usage:
        """What one part cost."""
        return self._usage_in(self.part_path(stage, number))

    def _usage_in(self, path: Path) -> Usage:
        try:
            return Usage(
                **json.loads(pl.read_parquet_metadata(io.BytesIO(path.read_bytes()))["strop_usage"])
            )
        except (pl.exceptions.PolarsError, OSError, KeyError, TypeError, ValueError):
            raise CorruptPartError(f"{path} does not say what it cost; {_ANEW}") from None

    # --- files ---

    def write_json(self, name: str, document: Any) -> None:
        """Replace a JSON file at once."""
        self.write_text(name, json.dumps(document, indent=2, allow_nan=False) + "\n")

    def write_text(self, name: str, text: str) -> None:
        """Replace a text file at once."""
        self._write(name, text.encode(errors="replace"))

    def _read_json(self, name: str) -> dict[str, Any]:
        try:
            document = json.loads((self.path / name).read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            raise StoreError(
                f"{self.path} holds no run (there is no {name}); give the folder that a run was written to"
            ) from None
        except (ValueError, OSError) as error:
            reason = (
                f"is not JSON ({error})"
                if isinstance(error, ValueError)
                else f"cannot be read ({error.strerror or error})"
            )
            raise CorruptPartError(
                f"{self.path / name} {reason}; restore it, or start again with another --out"
            ) from None
        return document if isinstance(document, dict) else {}

    def _read_parquet(self, path: Path) -> pl.DataFrame:
        try:
            return pl.read_parquet(io.BytesIO(path.read_bytes()))
        except FileNotFoundError:
            raise CorruptPartError(
                f"{path} is missing; run the same command again to make it"
            ) from None
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise CorruptPartError(f"{path} cannot be read ({reason}); {_ANEW}") from None

    def _write(self, name: str, content: bytes) -> None:
        path = self.path / name
        temporary = path.with_name(
            f".{path.name}.{secrets.token_hex(4)}.partial"
        )  # its own: a lost worker may still be writing
        with _told(f"cannot write {path}"):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with temporary.open("wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Turn the system's refusals (no space, no permission, not a folder) into one line; nothing that was written before is lost."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{what}: {error.strerror or error}; mend that, then run the same command again to go on"
        ) from None


def _parquet_bytes(frame: pl.DataFrame, metadata: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer, metadata=metadata)
    return buffer.getvalue()


def default_folder(command: str, asked: dict[str, Any]) -> Path:
    """``runs/gap-ladder-250k-arithmetic-1a2b3c4d``: the same question finds its folder again."""
    digest = hashlib.blake2b(json.dumps(asked, sort_keys=True).encode(), digest_size=4).hexdigest()
    return Path("runs") / f"{command}-{slug(asked['model'])[-60:]}-{asked['task']}-{digest}"


def plain_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that can stand in a folder's name: strings and numbers."""
    return {key: value for key, value in options.items() if isinstance(value, str | int | float)}
