"""The run folder under faults: whole parts or none, one writer, one clear line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from strop.errors import CorruptPartError, RunLockedError, RunMismatchError, StoreError
from strop.records import Usage
from strop.run.store import FORMAT_VERSION, PROBLEM_SCHEMA, RunFolder

RECORD = {"format_version": FORMAT_VERSION, "asked": {"model": "m", "seed": 0}}
PROBLEMS = pl.DataFrame([("p", "test", "q", "r", "q", "{}")], schema=PROBLEM_SCHEMA, orient="row")
FRAME = pl.DataFrame({"problem": ["p"] * 3, "sample": [0, 1, 2]})


def test_parts_come_back_with_what_they_cost(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    with folder.writing():
        folder.start(RECORD, PROBLEMS)
        for number in range(3):
            folder.write_part("scores/mc", number, FRAME, Usage(prompt_tokens=2, seconds=0.5))
    assert folder.read_stage("scores/mc", 3).height == 9 and folder.usage("scores/mc", 3) == Usage(
        prompt_tokens=6, seconds=1.5
    )
    assert folder.problems().equals(PROBLEMS) and not folder.has_part("scores/mc", 3)


def test_the_same_run_goes_on_and_another_is_refused(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    with folder.writing():
        folder.start(RECORD, PROBLEMS)
        assert folder.start(RECORD, PROBLEMS) == RECORD
        with pytest.raises(RunMismatchError, match=r"seed 0 there, 1 asked.*choose another --out"):
            folder.start(RECORD | {"asked": {"model": "m", "seed": 1}}, PROBLEMS)


def test_a_folder_of_other_things_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    folder = RunFolder(tmp_path)
    with folder.writing(), pytest.raises(RunMismatchError, match=r"holds no run \(thesis\.txt\)"):
        folder.start(RECORD, PROBLEMS)
    assert (tmp_path / "thesis.txt").read_text() == "precious" and not (
        tmp_path / "run.json"
    ).exists()


def test_killed_between_its_first_two_files_it_starts_again(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    with folder.writing():
        folder.start(RECORD, PROBLEMS)
    (tmp_path / "run" / "run.json").unlink()
    with folder.writing():
        assert folder.start(RECORD, PROBLEMS) == RECORD


def test_half_written_files_are_swept_away_by_the_next_writer(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    with folder.writing():
        folder.start(RECORD, PROBLEMS)
        folder.write_part("responses", 0, FRAME, Usage())
    leftover = tmp_path / "run" / "responses" / ".part-00001.parquet.partial"
    leftover.write_bytes(b"PAR1 half")
    assert not folder.has_part("responses", 1)
    with folder.writing():
        assert not leftover.exists()


def test_a_second_writer_in_another_process_is_refused(tmp_path: Path) -> None:
    program = (
        "from strop.run.store import RunFolder; from pathlib import Path\n"
        f"with RunFolder(Path({str(tmp_path)!r})).writing(): pass"
    )
    with RunFolder(tmp_path).writing():
        second = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=False
        )
    assert "RunLockedError" in second.stderr and "another process is writing" in second.stderr
    with (
        RunFolder(tmp_path).writing(),
        pytest.raises(RunLockedError),
        RunFolder(tmp_path).writing(),
    ):
        pass


@pytest.mark.parametrize("content", [b"", b"garbage", None], ids=["empty", "garbage", "truncated"])
def test_a_corrupt_part_is_named(tmp_path: Path, content: bytes | None) -> None:
    folder = RunFolder(tmp_path / "run")
    with folder.writing():
        folder.write_part("responses", 0, FRAME, Usage())
    path = folder.part_path("responses", 0)
    path.write_bytes(path.read_bytes()[:-20] if content is None else content)
    with pytest.raises(
        CorruptPartError,
        match=r"part-00000\.parquet cannot be read .*delete it and run the same command again",
    ):
        folder.read_part("responses", 0)
    with pytest.raises(CorruptPartError, match=r"part-00000\.parquet"):
        folder.usage("responses", 1)


def test_no_run_and_broken_json_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="holds no run"):
        RunFolder(tmp_path).record()
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(CorruptPartError, match=r"run\.json cannot be read; .* not JSON: .*restore"):
        RunFolder(tmp_path).record()
    (tmp_path / "run.json").write_text('{"format_version": 99}')
    with pytest.raises(StoreError, match="format version 99"):
        RunFolder(tmp_path).record()
    with pytest.raises(StoreError, match="holds no run"):
        RunFolder(tmp_path / "run.json").record()


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(StoreError, match="cannot write to"),
        RunFolder(tmp_path / "file" / "run").writing(),
    ):
        pass
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    if os.geteuid() != 0:  # permissions do not bind root; the case above does
        with (
            pytest.raises(StoreError, match="Permission denied"),
            RunFolder(closed / "run").writing(),
        ):
            pass


FULL_DISK = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
options = "--model ladder/40k --task recall --problems 32 --samples 8 --out"
sys.argv = ["strop", "gap", *options.split(), sys.argv[2]]
from strop.cli import main
main()
"""


def test_a_disk_that_takes_no_more_is_one_line_and_nothing_is_lost(tmp_path: Path) -> None:
    """Limit the file size so that the problems fit, and a part of the responses does not."""
    out = tmp_path / "run"
    full = subprocess.run(
        [sys.executable, "-c", FULL_DISK, "6000", str(out)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert full.returncode == 2 and "Traceback" not in full.stderr, full.stderr
    assert (
        full.stderr.strip().splitlines()[-1].startswith("strop: cannot write")
        and "run the same command again" in full.stderr
    )
    assert not list(out.rglob(".*.partial"))
    again = subprocess.run(
        [sys.executable, "-c", FULL_DISK, "100000000", str(out)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 0, again.stderr
