"""Faults by users, disks and other programs, across run/store, stored, record and loop.

Each gives one clear line and exit code 2, and nothing is lost.
"""

from __future__ import annotations

import io
import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from strop.cli.main import main
from strop.run.store import RunFolder

ASKED = [
    "gap",
    "--model",
    "ladder/40k",
    "--task",
    "recall",
    "--problems",
    "40",
    "--samples",
    "4",
    "--verifier",
    "mc",
]


class Outcome:
    """What a command left: its exit code and both streams."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    def assert_told(self, *words: str) -> None:
        """Exit code 2, nothing on stdout, exactly one line on stderr that holds the words."""
        assert self.code == 2 and self.out == "", (self.code, self.out)
        assert (
            self.err.startswith("strop: ") and self.err.endswith("\n") and self.err.count("\n") == 1
        ), self.err
        assert all(word in self.err for word in words), self.err

    def assert_told_last(self, *words: str) -> None:
        """The same after progress was shown: the last line says it, once."""
        assert self.code == 2 and self.out == "" and "Traceback" not in self.err
        said = [line for line in self.err.splitlines() if line.startswith("strop: ")]
        assert said == self.err.splitlines()[-1:] and all(word in said[0] for word in words), (
            self.err
        )


Command = Callable[..., Outcome]


@pytest.fixture
def strop(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """A command, run in this process."""

    def run(*arguments: str | Path) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["strop", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        assert isinstance(stop.value.code, int)
        return Outcome(stop.value.code, *capsys.readouterr())

    return run


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, to be copied and spoilt."""
    out = tmp_path_factory.mktemp("finished") / "run"
    subprocess.run(
        [sys.executable, "-m", "strop", *ASKED, "--out", str(out)], check=True, capture_output=True
    )
    return out


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def parts(run: Path) -> dict[Path, tuple[bytes, int]]:
    return {
        path: (path.read_bytes(), path.stat().st_mtime_ns) for path in run.rglob("part-*.parquet")
    }


# --- what the user types ---


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ("--problems 600 --task recall", "only"),
        (
            "--problems 600",
            "only",
        ),  # of the default tasks, recall alone lacks them: known before the others are sampled
        ("--shots 900 --task recall", "train problems"),
        ("--max-tokens 0", "--max-tokens 0"),
        ("--top-p 1.5", "--top-p 1.5"),
        ("--top-p nan", "--top-p nan"),
        ("--temperature inf", "--temperature inf"),
        ("--weigh quantile:", "expected quantile:NUMBER"),
        ("--weigh threshold:inf", "finite"),
        ("--verify-with ladder/huge", "'ladder/huge'"),
    ],
)
def test_nothing_is_written_for_what_cannot_be(
    options: str, word: str, strop: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    strop("gap", "--model", "ladder/40k", "--out", "run", *options.split()).assert_told(word)
    assert list(tmp_path.iterdir()) == []


def test_one_document_without_nan_for_one_problem_and_sample(
    strop: Command, tmp_path: Path
) -> None:
    done = strop(
        "gap",
        "--model",
        "ladder/40k",
        "--task",
        "recall",
        "--problems",
        "1",
        "--samples",
        "1",
        "--out",
        tmp_path / "run",
        "--json",
    )

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    assert done.code == 0
    document = json.loads(done.out, parse_constant=refuse)
    assert (
        document["verifiers"]["mc"]["auroc"]["value"] is None
        and document["verifiers"]["mc"]["auroc"]["why"]
    )
    assert document["accuracy"]["low"] is None and document["accuracy"]["why"]


def test_other_weights_and_workers_find_the_default_folders_again(
    strop: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    several = [
        "gap",
        "--model",
        "ladder/40k",
        "--problems",
        "4",
        "--samples",
        "2",
        "--task",
        "recall",
        "--task",
        "signs",
        "--verifier",
        "mc",
    ]
    assert strop(*several).code == 0
    before = parts(tmp_path)
    assert strop(*several, "--weigh", "quantile:0.5", "--workers", "1").code == 0
    assert parts(tmp_path) == before


def test_interrupt_in_this_process_says_how_to_go_on(
    strop: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("strop.run.stages.draw_responses", interrupt)
    done = strop(*ASKED, "--out", tmp_path / "run")
    assert done.code == 130 and f"--out {tmp_path / 'run'}" in done.err.splitlines()[-1]


# --- what else lies in the folder ---


def test_a_file_for_a_folder(strop: Command, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("precious")
    strop(*ASKED, "--out", file).assert_told("is a file", "choose another --out")
    strop(*ASKED, "--out", file / "run").assert_told("Not a directory")
    assert file.read_text() == "precious"


def test_a_foreign_folder_keeps_all_its_files(strop: Command, tmp_path: Path) -> None:
    """Also those that end like our half-written ones."""
    for name in ("thesis.tex", ".download.partial", "deep/.video.partial"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("precious")
    strop(*ASKED, "--out", tmp_path).assert_told("holds no run")
    assert all(
        (tmp_path / name).exists()
        for name in ("thesis.tex", ".download.partial", "deep/.video.partial")
    )


def test_a_second_command_is_refused(strop: Command, run: Path) -> None:
    program = (
        "import sys, pathlib, strop.run.store as s\n"
        "with s.RunFolder(pathlib.Path(sys.argv[1])).writing(): print(flush=True); input()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program, str(run)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None and holder.stdout.readline() == "\n"
    before = parts(run)
    strop(*ASKED, "--out", run).assert_told("another process is writing")
    strop("verify", run, "--verifier", "cot-score").assert_told("another process is writing")
    holder.kill()  # the lock dies with its holder
    holder.communicate()
    assert strop(*ASKED, "--out", run).code == 0 and parts(run) == before


def test_paths_of_all_alphabets(strop: Command, tmp_path: Path) -> None:
    out = tmp_path / "Läufe 試し" / "a b'c[1]"
    assert strop(*ASKED, "--out", out).code == 0
    done = strop(*ASKED, "--out", out, "--json")
    assert json.loads(done.out)["run"] == str(out)


def test_several_runs_do_not_move_into_one(strop: Command, run: Path) -> None:
    before = sorted(run.rglob("*"))
    strop(*ASKED, "--task", "signs", "--out", run).assert_told("choose another --out")
    assert sorted(run.rglob("*")) == before


# --- what happens to files that were written ---


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[]", "no JSON object"),
        ("null", "no JSON object"),
        ('{"format_version": 1}', "lacks the settings of the run"),
        ('{"format_version": 2}', "format version 2"),
        (
            '{"format_version": 1, "asked": {}, "verifiers": {}, "verifier_model": "m", '
            '"design": "fixed"}',
            "",
        ),
        (
            '{"format_version": 1, "asked": {"task": "tarot", "task_settings": {}}, '
            '"verifiers": {}, "verifier_model": "", "design": ""}',
            "",
        ),
    ],
)
def test_a_changed_record(content: str, word: str, strop: Command, run: Path) -> None:
    (run / "run.json").write_text(content)
    before = parts(run)
    for command in (
        [*ASKED, "--out", run],
        ["verify", run, "--verifier", "cot-score"],
        ["report", run],
    ):
        strop(*command).assert_told(word)
    assert parts(run) == before


def test_a_lost_record_is_not_taken_for_an_empty_folder(strop: Command, run: Path) -> None:
    (run / "run.json").unlink()
    before = parts(run)
    strop(*ASKED, "--out", run).assert_told("not empty and holds no run")
    assert parts(run) == before


@pytest.mark.parametrize("stage", ["responses", "greedy", "scores/mc"])
def test_a_lost_part_is_made_again_and_no_other(
    stage: str, strop: Command, finished: Path, run: Path
) -> None:
    before = parts(run)
    lost = run / stage / "part-00001.parquet"
    lost.unlink()
    strop("report", run).assert_told("part-00001.parquet is missing", "run the same command again")
    assert strop(*ASKED, "--out", run).code == 0
    after = parts(run)
    assert {path: seen for path, seen in after.items() if path != lost} == {
        path: seen for path, seen in before.items() if path != lost
    }
    assert pl.read_parquet(lost).equals(pl.read_parquet(finished / stage / "part-00001.parquet"))


def test_lost_problems_are_written_again_and_changed_ones_refused(
    strop: Command, finished: Path, run: Path
) -> None:
    (run / "problems.parquet").unlink()
    assert strop(*ASKED, "--out", run).code == 0
    problems = pl.read_parquet(run / "problems.parquet")
    assert problems.equals(pl.read_parquet(finished / "problems.parquet"))
    problems.with_columns(prompt=pl.lit("Otherwise?")).write_parquet(run / "problems.parquet")
    strop(*ASKED, "--out", run).assert_told("other problems or prompts")


def test_parts_that_were_rewritten_by_hand(strop: Command, run: Path) -> None:
    """A row twice, a column gone, no note of the cost: each is told."""
    path = RunFolder(run).part_path("responses", 1)
    frame = pl.read_parquet(path)
    for changed, word in (
        (pl.concat([frame, frame[:1]]), "a part was changed"),
        (frame[1:], "a part was changed"),
        (frame.drop("finish"), "differ in their columns"),
        (frame, "lacks the record of its usage"),
    ):
        changed.write_parquet(path)
        strop(*ASKED, "--out", run).assert_told_last(word)


def test_whatever_befalls_a_part_is_told(finished: Path, tmp_path: Path) -> None:
    """Damage a part a hundred times: its rows come back, or CorruptPartError is raised."""
    from strop.errors import CorruptPartError

    whole = (finished / "responses" / "part-00000.parquet").read_bytes()
    folder, rng = RunFolder(tmp_path), random.Random(0)
    path = folder.part_path("responses", 0)
    path.parent.mkdir()
    told = 0
    for _ in range(100):
        spoilt, place = bytearray(whole), rng.randrange(len(whole))
        kind = rng.choice(("flip", "zero", "cut"))
        if kind == "flip":
            spoilt[place] ^= 1 << rng.randrange(8)
        elif kind == "zero":
            spoilt[place : place + 200] = bytes(len(spoilt[place : place + 200]))
        else:
            spoilt = spoilt[:place]
        path.write_bytes(spoilt)
        try:
            folder.read_part("responses", 0)
        except CorruptPartError as error:
            told += path.name in str(error)
    assert told > 50
    assert pl.read_parquet(io.BytesIO(whole)).height == 64


# --- verify beside gap ---


def test_verify_waits_for_a_whole_run(strop: Command, run: Path) -> None:
    (run / "scores" / "mc" / "part-00002.parquet").unlink()
    strop("verify", run, "--verifier", "cot-score").assert_told("is not complete")
    assert not (run / "scores" / "cot-score").exists()


def test_a_verify_that_was_stopped_does_not_stand_in_the_way(
    strop: Command, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stop verify after its first part: the run's own command works, and verify is resumed."""
    write, written = RunFolder.write_part, list[str]()

    def write_once(*arguments: object) -> None:
        if "scores/cot-score" in written:
            raise KeyboardInterrupt
        write(*arguments)
        written.append(str(arguments[1]))

    monkeypatch.setattr(RunFolder, "write_part", write_once)
    assert strop("verify", run, "--verifier", "cot-score", "--workers", "1").code == 130
    monkeypatch.undo()
    assert strop(*ASKED, "--out", run).code == 0
    before = parts(run)
    assert len([path for path in before if path.parent.name == "cot-score"]) == 1
    assert strop("verify", run, "--verifier", "cot-score").code == 0
    assert before.items() <= parts(run).items()
    assert set(json.loads((run / "estimates.json").read_text())["verifiers"]) == {"mc", "cot-score"}


# --- tables of exact models ---


@pytest.mark.parametrize(
    "content",
    [
        None,
        "",
        "[1]",
        '{"a": 1}',
        '{"a": {}}',
        '{"a": {"b": "x"}}',
        '{"a": {"b": null}}',
        '{"a": {"b": 0.5}}',
        '{"a": {"b": NaN}}',
        b"\xff\xfe",
    ],
)
def test_a_malformed_table(content: str | bytes | None, strop: Command, tmp_path: Path) -> None:
    table = tmp_path / "table.json"
    if content is None:
        table.mkdir()
    else:
        table.write_bytes(content.encode() if isinstance(content, str) else content)
    strop(
        "gap", "--task", "recall", "--model", f"tabular:{table}", "--out", tmp_path / "run"
    ).assert_told("table.json")
    assert not (tmp_path / "run").exists()


def test_a_table_without_the_prompt(strop: Command, tmp_path: Path) -> None:
    (tmp_path / "table.json").write_text('{"Question: ?\\nAnswer:": {" a": 1}}')
    done = strop(
        "gap",
        "--task",
        "recall",
        "--model",
        f"tabular:{tmp_path / 'table.json'}",
        "--out",
        tmp_path / "run",
    )
    done.assert_told_last("has no row for the prompt")


# --- the shell ---


def test_import_costs_nothing() -> None:
    program = (
        "import strop, strop.cli, sys; "
        "print(sorted({'torch', 'transformers', 'polars', 'numpy', 'altair'} & set(sys.modules)))"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        ).stdout
        == "[]\n"
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_output_that_finds_no_room() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "strop", "tasks"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "No space left" in done.stderr


def test_a_reader_that_leaves_early() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "strop", "tasks"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert "Traceback" not in process.stderr.read() and process.wait() in (
        0,
        1,
    )  # typer answers 1 where Python does not buffer
    process.stderr.close()
