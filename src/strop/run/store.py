"""The run folder: Parquet parts, which are written whole or not at all, and a lock for the writer.

    run.json                    the settings, resolved
    problems.parquet
    responses/part-00000.parquet    greedy/...    scores/<verifier>/...
    estimates.json  report.html

A part holds a fixed set of problems. It is written under another name, flushed, and renamed; so it
is either whole or absent, and an existing part is never written again. Its usage stands in its
Parquet metadata.
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

from strop.errors import (
    CorruptPartError,
    MissingFileError,
    RunLockedError,
    RunMismatchError,
    StoreError,
)
from strop.json_files import read_json
from strop.records import Usage, total_usage
from strop.text import slug

FORMAT_VERSION = 1
PART_PROBLEMS = 16
EXCERPT = 60
"""The number of characters of a setting that a message shows."""
_MAKE_AGAIN = "delete it and run the same command again: only it is made anew"

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
"""The columns from ``answer_strict`` on are the fields of a ``Grade``. ``found_by`` is the rule
that found ``answer_flexible``, ``found_at`` the index of its first character in ``text``."""
LATER = ("found_by", "found_at")
"""Columns that parts of earlier versions lack; they are read as null."""
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


class RunFolder:
    """One run on disk. Reading needs no lock; write inside ``with folder.writing():``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    # --- opening ---

    @property
    def exists(self) -> bool:
        """True if a run was begun in the folder."""
        return (self.path / "run.json").exists()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the folder's lock. The system releases it if the process dies."""
        if self.path.exists() and not self.path.is_dir():
            raise StoreError(f"{self.path} is a file, expected a run folder; choose another --out")
        with _one_line_errors(f"cannot write to {self.path}"):
            self.path.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(self.path / ".lock")
            try:
                lock.acquire(timeout=0)
            except filelock.Timeout:
                raise RunLockedError(
                    f"another process is writing to {self.path}; wait for it, "
                    "or choose another --out"
                ) from None
        try:
            with _one_line_errors(f"cannot write to {self.path}"):
                for leftover in self._leftovers():
                    leftover.unlink()
            yield
        finally:
            lock.release()

    def start(self, record: dict[str, Any], problems: pl.DataFrame) -> dict[str, Any]:
        """Begin the run, or resume it if the folder holds the same one. Return its record."""
        if not self.exists:
            self._refuse_other_files()
            self._write("problems.parquet", _parquet_bytes(problems, {}))
            self.write_json("run.json", record)
            return record
        stored = self.record()
        if stored["asked"] != record["asked"]:
            changes = ", ".join(
                f"{name} {there} there, {here} asked"
                for name, there, here in differences(stored["asked"], record["asked"])
            )
            raise RunMismatchError(
                f"{self.path} holds another run ({changes}); choose another --out, "
                "or repeat its own command"
            )
        if not (self.path / "problems.parquet").exists():
            self._write("problems.parquet", _parquet_bytes(problems, {}))
        if not self.problems().equals(problems):
            maker = stored.get("versions", {}).get("strop", "of another version")
            raise RunMismatchError(
                f"{self.path} holds other problems or prompts, made by strop {maker}; "
                "choose another --out"
            )
        return stored

    def _refuse_other_files(self) -> None:
        """Raise RunMismatchError if the folder holds files that belong to no run."""
        own = (".lock", "problems.parquet")
        others = sorted(path.name for path in self.path.iterdir() if path.name not in own)
        if others:
            raise RunMismatchError(
                f"{self.path} is not empty and holds no run ({others[0]}); choose another --out"
            )

    def _leftovers(self) -> list[Path]:
        """Return the temporary files that a killed writer left behind."""
        written_here = ("run", "problems", "estimates", "report")
        leftovers = [
            path for path in self.path.glob(".*.partial") if path.name.split(".")[1] in written_here
        ]
        for stage in ("responses", "greedy", "scores"):
            leftovers += (self.path / stage).rglob(".part-*.partial")
        return leftovers

    def record(self) -> dict[str, Any]:
        """Return the content of run.json."""
        start_again = "restore it, or start again with another --out"
        try:
            record = read_json(self.path / "run.json", advice=start_again)
        except MissingFileError:
            raise StoreError(
                f"{self.path} holds no run (there is no run.json); "
                "give the folder that a run was written to"
            ) from None
        if record.get("format_version") != FORMAT_VERSION:
            raise StoreError(
                f"{self.path} has format version {record.get('format_version')}; "
                f"this strop reads {FORMAT_VERSION}"
            )
        if not isinstance(record.get("asked"), dict):
            raise CorruptPartError(
                f"{self.path / 'run.json'} lacks the settings of the run; {start_again}"
            )
        return record

    @property
    def part_problems(self) -> int:
        """The number of problems in a part of the run that the folder holds."""
        size = self.record().get("problems_per_part", PART_PROBLEMS)
        if type(size) is not int or size < 1:
            raise CorruptPartError(
                f"{self.path / 'run.json'}: problems_per_part is {size!r}, expected 1 or more; "
                "restore it, or start again with another --out"
            )
        return size

    # --- parts ---

    def part_path(self, stage: str, number: int) -> Path:
        """Return the path of a part. ``stage`` is "responses", "greedy" or "scores/<verifier>"."""
        return self.path / stage / f"part-{number:05d}.parquet"

    def write_part(self, stage: str, number: int, frame: pl.DataFrame, usage: Usage) -> None:
        """Write a part, whole or not at all."""
        relative = self.part_path(stage, number).relative_to(self.path)
        metadata = {"strop_usage": json.dumps(asdict(usage))}
        self._write(str(relative), _parquet_bytes(frame, metadata))

    def copy_part(self, stage: str, number: int, source: Path) -> None:
        """Copy a part that another run has made, whole or not at all."""
        relative = self.part_path(stage, number).relative_to(self.path)
        self._write(str(relative), source.read_bytes())

    def has_part(self, stage: str, number: int) -> bool:
        return self.part_path(stage, number).exists()

    def read_part(self, stage: str, number: int) -> pl.DataFrame:
        """Read one part; columns that its version did not store are null.

        Raises CorruptPartError with what to do.
        """
        frame = self._read_parquet(self.part_path(stage, number))
        if stage not in ("responses", "greedy"):
            return frame
        return frame.with_columns(
            pl.lit(None, RESPONSE_SCHEMA[name]).alias(name)
            for name in LATER
            if name not in frame.columns
        )

    def read_stage(self, stage: str, parts: int) -> pl.DataFrame:
        """Read all parts of a stage, in order."""
        try:
            return pl.concat([self.read_part(stage, number) for number in range(parts)])
        except pl.exceptions.PolarsError:
            raise CorruptPartError(
                f"the parts in {self.path / stage} differ in their columns; "
                f"find the changed one, and {_MAKE_AGAIN}"
            ) from None

    def problems(self) -> pl.DataFrame:
        return self._read_parquet(self.path / "problems.parquet")

    # --- usage ---

    def usage(self, stage: str, parts: int) -> Usage:
        """Return the usage of all parts of a stage that exist."""
        return total_usage(
            self.usage_of_part(stage, number)
            for number in range(parts)
            if self.has_part(stage, number)
        )

    def spent_tokens(self) -> int:
        """Return the number of tokens that all stored parts of the run took."""
        return sum(self._usage_in(path).spent_tokens for path in self.path.rglob("part-*.parquet"))

    def usage_of_part(self, stage: str, number: int) -> Usage:
        """Return the usage of one part."""
        return self._usage_in(self.part_path(stage, number))

    def _usage_in(self, path: Path) -> Usage:
        try:
            metadata = pl.read_parquet_metadata(io.BytesIO(path.read_bytes()))
            return Usage(**json.loads(metadata["strop_usage"]))
        except (pl.exceptions.PolarsError, OSError, KeyError, TypeError, ValueError):
            raise CorruptPartError(f"{path} lacks the record of its usage; {_MAKE_AGAIN}") from None

    # --- files ---

    def write_json(self, name: str, document: Any) -> None:
        """Replace a JSON file in one step."""
        self.write_text(name, json.dumps(document, indent=2, allow_nan=False) + "\n")

    def write_text(self, name: str, text: str) -> None:
        """Replace a text file in one step."""
        self._write(name, text.encode(errors="replace"))

    def _read_parquet(self, path: Path) -> pl.DataFrame:
        try:
            return pl.read_parquet(io.BytesIO(path.read_bytes()))
        except FileNotFoundError:
            raise CorruptPartError(
                f"{path} is missing; run the same command again to make it"
            ) from None
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise CorruptPartError(f"{path} cannot be read ({reason}); {_MAKE_AGAIN}") from None

    def _write(self, name: str, content: bytes) -> None:
        path = self.path / name
        # A random name, because a worker that was given up may still be writing the same part.
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
        with _one_line_errors(f"cannot write {path}"):
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
def _one_line_errors(failure: str) -> Iterator[None]:
    """Turn an error of the system (disk full, no permission) into one line that says what to do."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{failure}: {error.strerror or error}; mend that, "
            "then run the same command again to go on"
        ) from None


def _parquet_bytes(frame: pl.DataFrame, metadata: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer, metadata=metadata)
    return buffer.getvalue()


# --- comparing records ---


def differences(
    there: Mapping[str, Any], here: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, str, str]]:
    """Yield (name, stored value, new value) for each difference between two records.

    Nested records are compared entry by entry. Long values are cut short, for messages.
    """
    for key in sorted({*there, *here}):
        stored, new = there.get(key), here.get(key)
        name = f"{prefix}{key}"
        if isinstance(stored, Mapping) and isinstance(new, Mapping):
            yield from differences(stored, new, f"{name} ")
        elif stored != new:
            yield name, _excerpt(repr(stored), repr(new)), _excerpt(repr(new), repr(stored))


def _excerpt(text: str, other: str) -> str:
    """Return a part of a long text, from a little before it differs from the other."""
    if len(text) <= EXCERPT:
        return text
    pairs = enumerate(zip(text, other, strict=False))
    first_difference = next((index for index, (a, b) in pairs if a != b), 0)
    start = max(0, first_difference - EXCERPT // 2)
    end = start + EXCERPT
    before = "…" if start else ""
    after = "…" if len(text) > end else ""
    return before + text[start:end] + after


# --- names of folders ---


def default_folder(command: str, asked: dict[str, Any]) -> Path:
    """Return ``runs/gap-ladder-250k-arithmetic-1a2b3c4d``: equal settings give the same folder."""
    settings = json.dumps(asked, sort_keys=True).encode()
    digest = hashlib.blake2b(settings, digest_size=4).hexdigest()
    return Path("runs") / f"{command}-{slug(asked['model'])[-60:]}-{asked['task']}-{digest}"


def plain_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that can stand in a folder's name: strings and numbers."""
    return {key: value for key, value in options.items() if isinstance(value, str | int | float)}
