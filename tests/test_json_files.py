"""Every way in which a file of strop's own can be broken is one line that names the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from strop.errors import CorruptPartError, MissingFileError, StoreError
from strop.json_files import read_json


def write(folder: Path, content: bytes) -> Path:
    path = folder / "improve.json"
    path.write_bytes(content)
    return path


def test_an_object_comes_back(tmp_path: Path) -> None:
    path = write(tmp_path, '{"asked": {"name": "β"}, "rounds": []}'.encode())
    assert read_json(path, needs=("asked", "rounds")) == {"asked": {"name": "β"}, "rounds": []}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is not JSON: Expecting value"),
        (b'{"asked": {', "it is not JSON"),
        (b"\xff\xfe", "it is not JSON: 'utf-8'"),
        (b"[" * 100_000, "it is not JSON"),
        (b"[1]", "it is no JSON object"),
        (b"null", "it is no JSON object"),
        (b'{"rounds": 1}', "it lacks asked, method"),
    ],
)
def test_a_changed_file_is_one_line(tmp_path: Path, content: bytes, reason: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(CorruptPartError) as error:
        read_json(path, needs=("asked", "rounds", "method"), advice="restore it")
    message = str(error.value)
    assert message.startswith(f"{path} cannot be read; it was changed ({reason}")
    assert message.endswith(": restore it") and "\n" not in message


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    path = write(tmp_path, b"{}")
    for missing in (tmp_path / "none.json", path / "below.json"):
        with pytest.raises(MissingFileError, match=r"there is no .*\.json; delete it, and repeat"):
            read_json(missing)


def test_a_folder_in_its_place(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be read"):
        read_json(tmp_path)
