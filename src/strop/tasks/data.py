"""Rows of a data set, checked: from a file (jsonl, json, csv, parquet) or from the hub through ``datasets``.

A schema says which columns a task needs and of which kind: ``str``, ``int``, or ``list`` (of strings; in a csv, a JSON list). Further
columns are left alone. What does not fit is one UsageError that names the file, the row, what was found and what was expected.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from strop.errors import UsageError

Schema = Mapping[str, type]
LARGEST_FILE = 2_000_000_000
LONGEST_FIELD = 10_000_000
COMMIT = re.compile("[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Row:
    """One row. ``place`` is where it stands, as a message names it: ``questions.csv line 7``."""

    place: str
    fields: Mapping[str, Any]


def describe(schema: Schema) -> str:
    """The columns a task needs, for messages."""
    kinds = {str: "text", int: "whole number", list: "list of texts"}
    return ", ".join(f"{name} ({kinds[kind]})" for name, kind in schema.items())


def read_file(path: Path, schema: Schema) -> list[Row]:
    """Every row of a file, in order, each with the columns of the schema and of their kinds."""
    if not path.is_file():
        raise UsageError(f"there is no file {path}; expected rows with {describe(schema)}")
    if path.stat().st_size > LARGEST_FILE:
        raise UsageError(f"{path} is larger than {LARGEST_FILE:,} bytes; split it")
    readers = {".jsonl": _jsonl, ".json": _json, ".csv": _csv, ".parquet": _parquet}
    if path.suffix not in readers:
        raise UsageError(
            f"{path} ends in {path.suffix or 'nothing'!r}; expected one of {', '.join(readers)}"
        )
    rows = [_checked(Row(place, fields), schema) for place, fields in readers[path.suffix](path)]
    if not rows:
        raise UsageError(f"{path} holds no rows; expected {describe(schema)}")
    return rows


def file_source(file: str) -> dict[str, str]:
    """A file of data, for the run record: its name, and a digest that tells it from others of that name."""
    return {"file": file, "digest": blake2b(Path(file).read_bytes(), digest_size=16).hexdigest()}


def read_hub(
    name: str,
    configs: Sequence[str | None],
    splits: Sequence[str],
    revision: str | None,
    schema: Schema,
) -> tuple[dict[str, list[Row]], str]:
    """The splits of a hub data set, its configurations one after the other, and the commit that ``revision`` was resolved to.

    Needs the extra ``tasks``; runs no code of theirs. UsageError for whatever cannot be loaded.
    """
    try:
        import datasets
    except ImportError:
        raise UsageError(
            f"{name} comes from the hub through the library datasets: pip install 'strop[tasks]', or give --data FILE"
        ) from None
    commit, cache = resolve_revision(name, revision)
    try:
        found = [
            (" ".join(filter(None, (name, config, split))), split, part)
            for config in configs
            for split, part in zip(
                splits,
                datasets.load_dataset(
                    name, config, split=list(splits), revision=commit, cache_dir=str(cache)
                ),
                strict=True,
            )
        ]
    except Exception as error:  # whatever the network, the hub or the library has to say
        raise _unloadable(name, error) from None
    rows: dict[str, list[Row]] = {split: [] for split in splits}
    for place, split, part in found:
        rows[split] += [
            _checked(Row(f"{place} row {number}", dict(fields)), schema)
            for number, fields in enumerate(part, start=1)
        ]
    return rows, commit


def resolve_revision(name: str, revision: str | None) -> tuple[str, Path]:
    """The commit of a hub data set that ``revision`` names, and a cache for that commit alone.

    Where the hub fails, the library ``datasets`` takes the latest of its cache, of whatever commit; hence a cache for each. With
    HF_HUB_OFFLINE=1 a full commit stands for itself.
    """
    from datasets import config
    from huggingface_hub import HfApi, constants

    if Path(name).exists():  # the library would read it in the hub's place, whatever the revision
        raise UsageError(
            f"{name} is also a folder here, and is not to be taken for the hub's; run strop elsewhere, or give --data FILE"
        )
    try:
        known = COMMIT.fullmatch(revision or "") and config.HF_HUB_OFFLINE
        commit = (
            revision
            if known
            else HfApi()
            .dataset_info(name, revision=revision, timeout=constants.HF_HUB_ETAG_TIMEOUT)
            .sha
        )
        if not COMMIT.fullmatch(commit or ""):
            raise ValueError(f"the hub names the commit {commit!r}")
    except Exception as error:  # whatever the network or the hub has to say
        raise _unloadable(name, error) from None
    return str(commit), Path(config.HF_DATASETS_CACHE, "strop", str(commit))


def _unloadable(name: str, error: Exception) -> UsageError:
    reason = " ".join(str(error).split())[:200]
    return UsageError(
        f"cannot load {name} from the hub ({type(error).__name__}: {reason}); "
        "check the network, --data-revision and your access to it, or give --data FILE"
    )


def _checked(row: Row, schema: Schema) -> Row:
    """The row with its columns in their kinds."""
    fields = dict(row.fields)
    for name, kind in schema.items():
        if fields.get(name) is None:
            got = ", ".join(map(str, list(fields)[:8])) or "nothing"
            raise UsageError(
                f"{row.place} has no {name!r}: got columns {got}; expected {describe(schema)}"
            )
        fields[name] = _converted(fields[name], kind)
        if not isinstance(fields[name], kind) or isinstance(fields[name], bool):
            raise UsageError(
                f"{row.place}: {name} is {str(row.fields[name])[:60]!r}; expected {describe({name: kind})}"
            )
    return Row(row.place, fields)


def _converted(value: Any, kind: type) -> Any:
    """A csv has only texts; Parquet has arrays. What cannot be converted is left as it is."""
    if kind is str and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if kind is list and hasattr(value, "tolist"):
        value = value.tolist()
    if kind is not str and isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return value
    return list(map(str, value)) if kind is list and isinstance(value, list | tuple) else value


def _text(path: Path) -> str:
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(
            f"{path} line {line} is not UTF-8 (byte {data[error.start]:#04x}); save the file as UTF-8"
        ) from None


def _object(path: Path, place: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{place} is not JSON ({error}); expected one object a line in .jsonl, a list of objects in .json"
        ) from None


def _jsonl(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if line.strip():
            place = f"{path} line {number}"
            yield place, _as_object(place, _object(path, place, line))


def _json(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    rows = _object(path, str(path), _text(path))
    if not isinstance(rows, list):
        raise UsageError(f"{path} holds {type(rows).__name__}; expected a list of objects")
    for number, row in enumerate(rows, start=1):
        yield f"{path} row {number}", _as_object(f"{path} row {number}", row)


def _as_object(place: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"{place} holds {type(value).__name__}; expected an object")
    return value


def _csv(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    csv.field_size_limit(LONGEST_FIELD)
    reader = csv.DictReader(io.StringIO(_text(path), newline=""), strict=True)
    try:
        for row in reader:
            place = f"{path} line {reader.line_num}"
            if None in row or None in row.values():
                raise UsageError(
                    f"{place} has another number of fields than the header; expected {len(reader.fieldnames or ())}"
                )
            yield place, dict(row)
    except csv.Error as error:
        raise UsageError(
            f"{path} line {reader.line_num} is not csv ({error}); expected comma-separated values with a header line"
        ) from None


def _parquet(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    import polars as pl

    try:
        frame = pl.read_parquet(path)
    except Exception as error:  # Polars raises many kinds for a file that is none
        raise UsageError(f"{path} is not Parquet ({' '.join(str(error).split())[:120]})") from None
    for number, row in enumerate(frame.iter_rows(named=True), start=1):
        yield f"{path} row {number}", row
