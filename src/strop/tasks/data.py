"""Checked rows of a data set: from a file (jsonl, json, csv, parquet) or from the hub.

A schema says which columns a task needs and their types: ``str``, ``int``, or ``list`` (of strings;
in a csv, a JSON list). Other columns are kept as they are. A row that does not fit raises a
UsageError that names the file, the row, what was found and what was expected.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from strop.errors import UsageError
from strop.quiet import quiet_libraries

Schema = Mapping[str, type]
Fields = Mapping[str, Any]
LARGEST_FILE = 2_000_000_000
LONGEST_FIELD = 10_000_000
COMMIT = re.compile("[0-9a-f]{40}")
TYPE_NAMES = {str: "text", int: "whole number", list: "list of texts"}


@dataclass(frozen=True, slots=True)
class Row:
    """One row. ``location`` names it in messages: ``questions.csv line 7``."""

    location: str
    fields: Mapping[str, Any]


def describe(schema: Schema) -> str:
    """Return the columns of a schema and their types, for messages."""
    return ", ".join(f"{name} ({TYPE_NAMES[column]})" for name, column in schema.items())


def read_file(
    path: Path,
    schema: Schema,
    adapted: Callable[[Fields], Fields] = dict,
    csv_columns: tuple[str, ...] = (),
) -> list[Row]:
    """Return every row of a file, in order, with the columns of the schema in their types.

    ``adapted`` turns rows of other known layouts into rows of the schema. ``csv_columns``: the
    columns of a csv file that has no header.
    """
    if not path.is_file():
        raise UsageError(f"there is no file {path}; expected rows with {describe(schema)}")
    if path.stat().st_size > LARGEST_FILE:
        raise UsageError(f"{path} is larger than {LARGEST_FILE:,} bytes; split it")
    readers = {".jsonl": _jsonl, ".json": _json, ".csv": _csv, ".parquet": _parquet}
    if path.suffix not in readers:
        suffix = path.suffix or "nothing"
        raise UsageError(f"{path} ends in {suffix!r}; expected one of {', '.join(readers)}")
    if path.suffix == ".csv" and _lacks_header(path, csv_columns):
        read = _csv(path, csv_columns)
    else:
        read = readers[path.suffix](path)
    rows = [_checked(Row(row.location, adapted(row.fields)), schema) for row in read]
    if not rows:
        raise UsageError(f"{path} holds no rows; expected {describe(schema)}")
    return rows


def file_source(file: str) -> dict[str, str]:
    """Return a file's name, and a digest of its content, for the run record."""
    digest = blake2b(Path(file).read_bytes(), digest_size=16).hexdigest()
    return {"file": file, "digest": digest}


def read_hub(
    name: str,
    configs: Sequence[str | None],
    splits: Sequence[str],
    revision: str | None,
    schema: Schema,
) -> tuple[dict[str, list[Row]], str]:
    """Return the splits of a hub data set and the commit that ``revision`` names.

    The configurations follow one another in each split. Needs the extra ``tasks``; code of the data
    set is not run. Raises UsageError if anything cannot be loaded.
    """
    try:
        import datasets
    except ImportError:
        raise UsageError(
            f"{name} comes from the hub through the library datasets: "
            "pip install 'strop[tasks]', or give --data FILE"
        ) from None
    commit, cache = resolve_revision(name, revision)
    loaded: list[tuple[str | None, list[Any]]] = []
    try:
        for config in configs:
            with quiet_libraries("datasets"):
                parts = datasets.load_dataset(
                    name, config, split=list(splits), revision=commit, cache_dir=str(cache)
                )
            loaded.append((config, parts))
    except Exception as error:  # the network, the hub and the library raise many types
        raise _unloadable(name, error) from None
    rows: dict[str, list[Row]] = {split: [] for split in splits}
    for config, parts in loaded:
        for split, part in zip(splits, parts, strict=True):
            location = " ".join(filter(None, (name, config, split)))
            for number, fields in enumerate(part, start=1):
                row = Row(f"{location} row {number}", dict(fields))
                rows[split].append(_checked(row, schema))
    return rows, commit


def resolve_revision(name: str, revision: str | None) -> tuple[str, Path]:
    """Return the commit that ``revision`` of a hub data set names, and a cache folder for it alone.

    If the hub fails, the library ``datasets`` uses the latest commit in its cache, so every commit
    needs a cache of its own. With HF_HUB_OFFLINE=1 a full commit is not looked up.
    """
    from datasets import config
    from huggingface_hub import HfApi, constants

    if Path(name).exists():  # the library would read it instead of the hub, whatever the revision
        raise UsageError(
            f"{name} is also a folder here, and is not to be taken for the hub's; "
            "run strop elsewhere, or give --data FILE"
        )
    try:
        if config.HF_HUB_OFFLINE and COMMIT.fullmatch(revision or ""):
            commit = revision
        else:
            info = HfApi().dataset_info(
                name, revision=revision, timeout=constants.HF_HUB_ETAG_TIMEOUT
            )
            commit = info.sha
        if not COMMIT.fullmatch(commit or ""):
            raise ValueError(f"the hub names the commit {commit!r}")
    except Exception as error:  # the network and the hub raise many types
        raise _unloadable(name, error) from None
    return str(commit), Path(config.HF_DATASETS_CACHE, "strop", str(commit))


def _unloadable(name: str, error: Exception) -> UsageError:
    reason = " ".join(str(error).split())[:200]
    return UsageError(
        f"cannot load {name} from the hub ({type(error).__name__}: {reason}); "
        "check the network, --data-revision and your access to it, or give --data FILE"
    )


def _checked(row: Row, schema: Schema) -> Row:
    """Return the row with the columns of the schema in their types."""
    fields = dict(row.fields)
    for name, column in schema.items():
        if fields.get(name) is None:
            columns = ", ".join(map(str, list(fields)[:8])) or "nothing"
            raise UsageError(
                f"{row.location} has no {name!r}: got columns {columns}; "
                f"expected {describe(schema)}"
            )
        fields[name] = _converted(fields[name], column)
        # A bool is an int in Python, but True is no whole number of a data set.
        if not isinstance(fields[name], column) or isinstance(fields[name], bool):
            raise UsageError(
                f"{row.location}: {name} is {str(row.fields[name])[:60]!r}; "
                f"expected {describe({name: column})}"
            )
    return Row(row.location, fields)


def _converted(value: Any, column: type) -> Any:
    """Convert what file formats cannot express: a csv has only texts, Parquet has arrays.

    A value that cannot be converted is returned as it is.
    """
    if column is str:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return str(value) if is_number else value
    if column is list and hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return value
    if column is list and isinstance(value, list | tuple):
        return [str(item) for item in value]
    return value


def _text(path: Path) -> str:
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(
            f"{path} line {line} is not UTF-8 (byte {data[error.start]:#04x}); "
            "save the file as UTF-8"
        ) from None


def _parse_json(location: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{location} is not JSON ({error}); "
            "expected one object a line in .jsonl, a list of objects in .json"
        ) from None


def _jsonl(path: Path) -> Iterator[Row]:
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if line.strip():
            location = f"{path} line {number}"
            yield _object_row(location, _parse_json(location, line))


def _json(path: Path) -> Iterator[Row]:
    values = _parse_json(str(path), _text(path))
    if not isinstance(values, list):
        raise UsageError(f"{path} holds {type(values).__name__}; expected a list of objects")
    for number, value in enumerate(values, start=1):
        yield _object_row(f"{path} row {number}", value)


def _object_row(location: str, value: Any) -> Row:
    if not isinstance(value, dict):
        raise UsageError(f"{location} holds {type(value).__name__}; expected an object")
    return Row(location, value)


def _lacks_header(path: Path, csv_columns: tuple[str, ...]) -> bool:
    """Return whether the first line is a row: it has as many fields, and names no column."""
    if not csv_columns:
        return False
    csv.field_size_limit(LONGEST_FIELD)
    try:
        first = next(csv.reader(io.StringIO(_text(path), newline=""), strict=True), [])
    except csv.Error:
        return False  # the reader of rows says what is wrong
    names = {field.strip().lower() for field in first}
    return len(first) == len(csv_columns) and csv_columns[0].lower() not in names


def _csv(path: Path, columns: tuple[str, ...] | None = None) -> Iterator[Row]:
    """Yield the rows; without ``columns`` the first line names them."""
    csv.field_size_limit(LONGEST_FIELD)
    reader = csv.DictReader(io.StringIO(_text(path), newline=""), columns, strict=True)
    try:
        for fields in reader:
            location = f"{path} line {reader.line_num}"
            # DictReader puts surplus values under the key None, and None for missing values.
            if None in fields or None in fields.values():
                raise UsageError(
                    f"{location} has another number of fields than the header; "
                    f"expected {len(reader.fieldnames or ())}"
                )
            yield Row(location, dict(fields))
    except csv.Error as error:
        raise UsageError(
            f"{path} line {reader.line_num} is not csv ({error}); "
            "expected comma-separated values with a header line"
        ) from None


def _parquet(path: Path) -> Iterator[Row]:
    import polars as pl

    try:
        frame = pl.read_parquet(path)
    except Exception as error:  # Polars raises many types for a file that is no Parquet
        reason = " ".join(str(error).split())[:120]
        raise UsageError(f"{path} is not Parquet ({reason})") from None
    for number, fields in enumerate(frame.iter_rows(named=True), start=1):
        yield Row(f"{path} row {number}", fields)
