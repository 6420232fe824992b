"""Data sets from a hub: a server on loopback with the hub's own layouts.

The real command line reads it through ``datasets``. The hub's address is read when its library is
imported, so every test runs another process.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

import polars as pl
import pytest

from strop.errors import UsageError
from strop.tasks import TASKS
from strop.tasks.data import read_hub
from strop.tasks.dataset import ROWS
from strop.tasks.mathematics import SUBJECTS
from tests.own_rows import on_own_rows

Files = dict[str, bytes]
NAMES = ["gsm8k", "math", "mmlu-biology", "natural-questions"]
ADDRESS = re.compile(
    r"/(?:api/)?datasets/([^/]+/[^/]+)(?:/(revision|tree|paths-info|resolve)/([^/]+)(?:/(.*))?)?"
)
BIOLOGY = """dataset_info:
- config_name: college_biology
  features:
  - {name: question, dtype: string}
  - {name: subject, dtype: string}
  - {name: choices, sequence: string}
  - {name: answer, dtype: {class_label: {names: {'0': A, '1': B, '2': C, '3': D}}}}
"""
SCRIPT = "from pathlib import Path\nPath({mark!r}).touch()\n"
PROGRAM = """
import json, sys
from strop.tasks import find_task
from strop.cli import main

for arguments in json.load(sys.stdin):
    sys.argv = ["strop", *arguments]
    try:
        if arguments[0] == "rows":
            task = find_task(arguments[1], data_revision=(arguments[2:] or [None])[0])
            rows = task.source()
            for split in ("train", "test"):
                problems = task.problems(split, task.size(split), 0)
                rows[split] = [(problem.question, problem.reference) for problem in problems]
            print(json.dumps(rows))
            sys.exit(0)
        main()
    except SystemExit as stop:
        print(end=f"\\x1e{stop.code}\\x1e", flush=True)
        print(end="\\x1e", file=sys.stderr, flush=True)
"""


class Outcome(NamedTuple):
    """The exit code and both streams of a command."""

    code: int
    out: str
    err: str


def own_rows(task: str, split: str) -> list[dict[str, Any]]:
    """Return the package's own rows of a data set, with the columns of the hub's."""
    rows = [json.loads(line) for line in (ROWS / f"{task}.jsonl").read_text().splitlines()]
    return [
        {name: value for name, value in row.items() if name != "split"}
        for row in rows
        if row["split"] == split
    ]


def laid_out(configs: dict[str, dict[str, list[dict[str, Any]]]], described: str = "") -> Files:
    """Return the files of a repository: Parquet files, and a card that says where each split is."""
    lines = ["---", *described.splitlines(), "configs:"]
    files: Files = {".gitattributes": b""}
    for config, splits in configs.items():
        lines += [f"- config_name: {config}", "  data_files:"]
        for split, rows in splits.items():
            lines += [f"  - split: {split}", f"    path: {config}/{split}-*"]
            content = io.BytesIO()
            pl.DataFrame(rows).write_parquet(content)
            files[f"{config}/{split}-00000-of-00001.parquet"] = content.getvalue()
    return files | {"README.md": "\n".join([*lines, "---", ""]).encode()}


def gsm8k(rows: int | None = None, columns: tuple[str, ...] = ("question", "answer")) -> Files:
    splits = {
        split: [{name: row[name] for name in columns} for row in own_rows("gsm8k", split)[:rows]]
        for split in ("train", "test")
    }
    return laid_out({"main": splits, "socratic": splits})


def data_sets(mark: Path) -> dict[str, dict[str, Files]]:
    """Return every data set by name and branch. A script in one of them would write ``mark``."""
    math = {split: own_rows("math", split) for split in ("train", "test")}
    subjects = {
        config: {
            split: [row for row in rows if row["type"] == subject] for split, rows in math.items()
        }
        for subject, config in SUBJECTS.items()
    }
    biology = {
        split: own_rows("mmlu-biology", ours)
        for split, ours in (("test", "test"), ("validation", "train"), ("dev", "train"))
    }
    open_questions = {
        split: own_rows("natural-questions", ours)
        for split, ours in (("train", "train"), ("validation", "test"))
    }
    return {
        "openai/gsm8k": {
            "main": gsm8k(),
            "v1": gsm8k(rows=9),
            "script": gsm8k() | {"gsm8k.py": SCRIPT.format(mark=str(mark)).encode()},
            "columns": gsm8k(columns=("question",)),
            "gated-401": gsm8k(rows=8),
            "gated-403": gsm8k(rows=8),
            "files-fail": gsm8k(rows=7),
            "strange": gsm8k(rows=6),
        },
        "EleutherAI/hendrycks_math": {"main": laid_out(subjects)},
        "cais/mmlu": {
            "main": laid_out({"abstract_algebra": biology, "college_biology": biology}, BIOLOGY)
        },
        "google-research-datasets/nq_open": {"main": laid_out({"nq_open": open_questions})},
    }


def commit_of(branch: str) -> str:
    return hashlib.sha1(branch.encode()).hexdigest()


class Hub(ThreadingHTTPServer):
    """A server with as much of the hub as its own library needs.

    ``branches`` moves a branch to the commit of another.
    """

    daemon_threads = True

    def __init__(self, mark: Path) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.sets = data_sets(mark)
        self.branches: dict[str, str] = {}
        self.closing = threading.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, format: str, *arguments: Any) -> None:
        """Log nothing: the tests read the streams."""

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.answer(
            json.loads(asked)["paths"] if asked.startswith("{") else parse_qs(asked)["paths"]
        )

    def do_GET(self) -> None:
        self.answer([])

    do_HEAD = do_GET

    def answer(self, paths: list[str]) -> None:
        """Answer one request; ``paths`` are those that paths-info asks for."""
        found = ADDRESS.fullmatch(unquote(urlsplit(self.path).path))
        if not found or found[1] not in self.server.sets:
            return self.reply(404, error="RepoNotFound", told="Repository not found")
        name, kind, revision, path = (
            found[1],
            found[2] or "revision",
            found[3] or "main",
            found[4] or "",
        )
        if revision == "silent":
            self.server.closing.wait(30)
            self.close_connection = True
            return
        if revision == "fails":
            return self.reply(500)
        branches = self.server.sets[name]
        branch = next(
            (branch for branch in branches if revision in (branch, commit_of(branch))), None
        )
        if branch is None:
            return self.reply(404, error="RevisionNotFound", told=f"Invalid rev id: {revision}")
        branch = self.server.branches.get(branch, branch) if revision == branch else branch
        if branch.startswith("gated") and kind == "resolve":
            return self.reply(
                int(branch[-3:]), error="GatedRepo", told="Access to this dataset is restricted."
            )
        if branch == "files-fail" and path.endswith(".parquet"):
            return self.reply(501)
        self.content(
            branches[branch],
            kind,
            path,
            paths,
            name=name,
            commit="../.." if branch == "strange" else commit_of(branch),
        )

    def content(
        self, files: Files, kind: str, path: str, paths: list[str], *, name: str, commit: str
    ) -> None:
        """Return the description, a listing, or a file of the repository."""
        if kind == "revision":
            return self.reply(
                200,
                {
                    "id": name,
                    "sha": commit,
                    "siblings": [{"rfilename": file} for file in files],
                    "tags": [],
                },
            )
        entries = {
            file: {"type": "file", "path": file, "size": len(files[file]), "oid": etag(files[file])}
            for file in files
        }
        entries |= {
            folder: {"type": "directory", "path": folder, "oid": "0" * 40}
            for folder in {str(Path(f).parent) for f in files} - {"."}
        }
        if kind == "paths-info":
            return self.reply(200, [entries[one] for one in paths if one in entries])
        if kind == "tree":
            return self.reply(
                200,
                [entry for one, entry in entries.items() if str(Path(one).parent) == (path or ".")],
            )
        if path not in files:
            return self.reply(404, error="EntryNotFound", told="Entry not found")
        self.reply(200, files[path], {"ETag": f'"{etag(files[path])}"', "X-Repo-Commit": commit})

    def reply(
        self,
        status: int,
        body: Any = b"",
        headers: dict[str, str] | None = None,
        *,
        error: str = "",
        told: str = "",
    ) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        told_headers = {"X-Error-Code": error, "X-Error-Message": told} if told else {}
        for name, value in (
            (headers or {}) | told_headers | {"Content-Length": str(len(content))}
        ).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def etag(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder for the libraries' cache, the runs, and what a script would write."""
    return tmp_path_factory.mktemp("hub")


@pytest.fixture(scope="module")
def hub(folder: Path) -> Iterator[Hub]:
    with Hub(folder / "script-ran") as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.closing.set()
        server.shutdown()


def strop(
    folder: Path, address: str, commands: list[list[str]], offline: bool = False
) -> list[Outcome]:
    """Run the commands one after the other in another process, with the hub at ``address``."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("HF_") and not name.lower().endswith("_proxy")
    }
    told = {
        "HF_ENDPOINT": address,
        "HF_HOME": str(folder / "home"),
        "HF_HUB_OFFLINE": str(int(offline)),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_UPDATE_DOWNLOAD_COUNTS": "0",
        "HF_HUB_ETAG_TIMEOUT": "2",
        "NO_PROXY": "*",
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=folder,
        env=kept | told,
        input=json.dumps(commands),
        capture_output=True,
        text=True,
        timeout=60,
    )
    out, err = done.stdout.split("\x1e")[:-1], done.stderr.split("\x1e")
    assert done.returncode == 0 and len(out) == 2 * len(commands), done.stderr
    return [Outcome(int(out[2 * n + 1]), out[2 * n], err[n]) for n in range(len(commands))]


def gap(out: Path, *options: str, task: str = "gsm8k") -> list[str]:
    asked = [
        "--problems",
        "4",
        "--samples",
        "1",
        "--max-tokens",
        "4",
        "--shots",
        "0",
        "--verifier",
        "logprob",
        "--out",
        str(out),
    ]
    return ["gap", "--model", "ladder/25k", "--task", task, *asked, *options]


@pytest.fixture(scope="module")
def read(hub: Hub, folder: Path) -> dict[str, Outcome]:
    """Read every data set, and older revisions of one."""
    commands = {name: ["rows", name] for name in NAMES} | {
        one: ["rows", "gsm8k", one] for one in ("v1", commit_of("v1"))
    }
    return dict(zip(commands, strop(folder, hub.address, list(commands.values())), strict=True))


def rows(outcome: Outcome) -> dict[str, Any]:
    """Return a task's questions and references by split, and its source."""
    assert outcome.code == 0, outcome.err
    found: dict[str, Any] = json.loads(outcome.out)
    return found | {split: {tuple(one) for one in found[split]} for split in ("train", "test")}


@pytest.mark.parametrize("name", NAMES)
def test_every_data_set_is_read_as_it_lies_on_the_hub(
    name: str, hub: Hub, read: dict[str, Outcome]
) -> None:
    task = on_own_rows(TASKS[name])
    expected = {
        split: {(one.question, one.reference) for one in task.problems(split, task.size(split), 0)}
        for split in ("train", "test")
    }
    found = rows(read[name])
    assert {split: found[split] for split in expected} == expected
    assert (found["hub"], found["revision"]) == (task.hub, commit_of("main"))


def test_a_revision_has_its_own_rows_and_its_commit(read: dict[str, Outcome]) -> None:
    tag, commit = rows(read["v1"]), rows(read[commit_of("v1")])
    assert tag == commit and tag["revision"] == commit_of("v1")
    assert (
        tag["test"]
        == {(row["question"], row["answer"]) for row in own_rows("gsm8k", "test")[:9]}
        < rows(read["gsm8k"])["test"]
    )


def test_a_cached_commit_is_read_offline_and_stands_in_for_no_other(
    read: dict[str, Outcome], folder: Path
) -> None:
    other = gap(folder / "other", "--data-revision", commit_of("columns"))
    again, unloaded, unresolved = strop(
        folder,
        nowhere(),
        [["rows", "gsm8k", commit_of("v1")], other, gap(folder / "other")],
        offline=True,
    )
    assert rows(again) == rows(read["v1"])
    assert "Couldn't reach 'openai/gsm8k'" in told(unloaded) and "offline mode is enabled" in told(
        unresolved
    )


@pytest.fixture(scope="module")
def run(hub: Hub, folder: Path) -> Path:
    """Finish a run of the branch main."""
    (done,) = strop(folder, hub.address, [gap(folder / "run")])
    assert done.code == 0, done.err
    return folder / "run"


def test_a_run_says_its_commit_and_a_branch_that_moved_is_another_run(
    hub: Hub, folder: Path, run: Path
) -> None:
    asked = json.loads((run / "run.json").read_text())["asked"]
    assert asked["data"] == {"hub": "openai/gsm8k", "revision": commit_of("main")}
    hub.branches["main"] = "v1"
    (moved,) = strop(folder, hub.address, [gap(run)])
    del hub.branches["main"]
    assert moved.code == 2 and all(
        word in told(moved) for word in ("holds another run", commit_of("main"), commit_of("v1"))
    )


def test_a_report_needs_no_hub(folder: Path, run: Path) -> None:
    (run / "report.html").unlink()
    (reported,) = strop(folder, nowhere(), [["report", str(run)]])
    assert reported.code == 0 and (run / "report.html").exists(), reported.err


REFUSED = {
    "nowhere": "RevisionNotFoundError: 404 Client Error. Revision Not Found",
    "fails": "HfHubHTTPError: Server error '500 Internal Server Error'",
    "files-fail": "FileNotFoundError: An error happened while trying to locate the file on the Hub",
    "silent": "ReadTimeout: timed out",
    "strange": "the hub names the commit '../..'",
    "gated-401": "is a gated dataset on the Hub. You must be authenticated",
    "gated-403": "is a gated dataset on the Hub. Visit the dataset page",
    "script": "Dataset scripts are no longer supported, but found gsm8k.py",
    "columns": "openai/gsm8k main train row 1 has no 'answer': got columns question; "
    "expected question (text), answer (text)",
}


@pytest.fixture(scope="module")
def refused(hub: Hub, folder: Path) -> dict[str, Outcome]:
    """Ask for every branch that cannot be loaded, with another commit in the cache."""
    commands = [gap(folder / one, "--data-revision", one) for one in REFUSED]
    loaded, *outcomes = strop(folder, hub.address, [["rows", "gsm8k"], *commands])
    assert loaded.code == 0, loaded.err
    return dict(zip(REFUSED, outcomes, strict=True))


@pytest.mark.parametrize("branch", REFUSED)
def test_what_cannot_be_loaded_is_one_clear_line(
    branch: str, refused: dict[str, Outcome], folder: Path
) -> None:
    assert refused[branch].code == 2 and REFUSED[branch] in told(refused[branch])
    assert not (folder / branch).exists() and not (folder / "script-ran").exists()


def test_an_unknown_data_set_and_no_hub_at_all(hub: Hub, folder: Path) -> None:
    taken = hub.sets.pop("cais/mmlu")
    (unknown,) = strop(folder, hub.address, [gap(folder / "unknown", task="mmlu-physics")])
    hub.sets["cais/mmlu"] = taken
    (refused,) = strop(folder, nowhere(), [gap(folder / "unreachable")])
    assert unknown.code == refused.code == 2
    assert "cannot load cais/mmlu from the hub (RepositoryNotFoundError: 404 Client Error" in told(
        unknown
    )
    assert "ConnectError: [Errno" in told(refused) and "or give --data FILE" in told(refused)


def test_a_folder_of_the_same_name_is_not_taken_for_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "openai" / "gsm8k").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        UsageError,
        match=r"openai/gsm8k is also a folder here.*; run strop elsewhere, or give --data FILE",
    ):
        read_hub("openai/gsm8k", ["main"], ["test"], None, {"question": str})


def told(outcome: Outcome) -> str:
    """Return the one line for the user: the last, below the libraries' progress."""
    *before, last = outcome.err.splitlines()
    assert last.startswith("strop: ") and outcome.out == "", outcome
    assert not any(line.startswith("strop: ") or "Traceback" in line for line in before), (
        outcome.err
    )
    return last


def nowhere() -> str:
    """Return an address of this machine on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"http://127.0.0.1:{taken.getsockname()[1]}"
