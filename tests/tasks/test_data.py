"""Rows from files: every format, and one clear line for every mistake in a file.

Covers ``data.py`` and ``dataset.py``; rows from a hub are tested in ``test_hub.py``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import strop
from strop.errors import UsageError
from strop.tasks import find_task
from strop.tasks.data import read_file
from strop.tasks.gsm8k import Gsm8k
from strop.tasks.mmlu import MmluPhysics
from strop.tasks.qa import QuestionsAndAnswers

SCHEMA = {"question": str, "choices": list, "answer": int}
ROWS = [
    {"question": "a?", "choices": ["x", "y, z"], "answer": 1},
    {"question": 'b "quoted"\nline?', "choices": ["1", "2"], "answer": 0},
]


def written(path: Path) -> Path:
    """Write the rows in the format that the path's ending names."""
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n\n" for row in ROWS))
    elif path.suffix == ".json":
        path.write_text(json.dumps(ROWS))
    elif path.suffix == ".csv":
        pl.DataFrame([row | {"choices": json.dumps(row["choices"])} for row in ROWS]).write_csv(
            path
        )
    else:
        pl.DataFrame(ROWS).write_parquet(path)
    return path


@pytest.mark.parametrize("ending", ["jsonl", "json", "csv", "parquet"])
def test_every_format_gives_the_same_rows(ending: str, tmp_path: Path) -> None:
    rows = read_file(written(tmp_path / f"rows.{ending}"), SCHEMA)
    assert [{name: row.fields[name] for name in SCHEMA} for row in rows] == ROWS


def test_a_byte_order_mark_is_no_column(tmp_path: Path) -> None:
    (tmp_path / "bom.csv").write_bytes(b"\xef\xbb\xbfquestion,answer\nwhat?,3\n")
    assert read_file(tmp_path / "bom.csv", {"question": str, "answer": int})[0].fields == {
        "question": "what?",
        "answer": 3,
    }


WRONG: list[tuple[str, bytes, str]] = [
    (
        "a.jsonl",
        b'{"question": "a", "answer": "1"}\n{"question": "b"}\n',
        "a.jsonl line 2 has no 'answer'",
    ),
    ("a.jsonl", b'{"question": "a", "answer": null}\n', "a.jsonl line 1 has no 'answer'"),
    ("a.jsonl", b'{"question": "a", "answer": "1"}\n{"question": \n', "a.jsonl line 2 is not JSON"),
    ("a.jsonl", b"[1, 2]\n", "a.jsonl line 1 holds list; expected an object"),
    ("a.jsonl", b'{"question": ["a"], "answer": "1"}\n', "a.jsonl line 1: question is "),
    ("a.jsonl", b"[" * 200_000, "a.jsonl line 1 is not JSON"),
    (
        "a.jsonl",
        b'{"question": "a", "answer": "1"}\n\xff\xfe\n',
        "a.jsonl line 2 is not UTF-8 (byte 0xff)",
    ),
    (
        "a.jsonl",
        '{"question": "ä", "answer": "1"}'.encode("latin-1"),
        "a.jsonl line 1 is not UTF-8 (byte 0xe4)",
    ),
    ("a.jsonl", b"", "a.jsonl holds no rows"),
    ("a.json", b'{"question": "a"}', "a.json holds dict; expected a list of objects"),
    ("a.json", b"[3]", "a.json row 1 holds int; expected an object"),
    (
        "a.csv",
        b"question,answer\na,1\nb\n",
        "a.csv line 3 has another number of fields than the header",
    ),
    (
        "a.csv",
        b"question,answer\na,1,2\n",
        "a.csv line 2 has another number of fields than the header",
    ),
    (
        "a.csv",
        b"frage,antwort\na,1\n",
        "a.csv line 2 has no 'question': got columns frage, antwort",
    ),
    ("a.csv", b'question,answer\n"a,1\n', "a.csv line"),
    ("a.parquet", b"not parquet", "a.parquet is not Parquet"),
    ("a.txt", b"question", "a.txt ends in '.txt'; expected one of .jsonl, .json, .csv, .parquet"),
    (
        "a.jsonl",
        b'{"id": 1, "question": "a", "answer": "1"}\n{"id": 1, "question": "b", "answer": "2"}\n',
        "has the id 'qa-1' twice",
    ),
    (
        "a.jsonl",
        b'{"question": "a", "answer": "1", "split": "dev"}\n',
        'split is "dev"; expected train or test',
    ),
    (
        "a.jsonl",
        b'{"question": "a", "answer": "1", "split": "train"}\n',
        "asked for 1 test problems of qa, but there are 0",
    ),
]


@pytest.mark.parametrize(
    ("name", "content", "message"), WRONG, ids=[message for *_, message in WRONG]
)
def test_a_wrong_file_is_one_line_that_says_where(
    name: str, content: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError) as error:
        QuestionsAndAnswers(data=str(tmp_path / name)).problems("test", 1, seed=0)
    assert (
        message in str(error.value) and "\n" not in str(error.value) and len(str(error.value)) < 500
    )


def test_rows_that_a_task_cannot_use_name_their_place(tmp_path: Path) -> None:
    (tmp_path / "g.jsonl").write_text('{"question": "a", "answer": "forty-two"}\n')
    with pytest.raises(
        UsageError,
        match=r"g.jsonl line 1: the answer ends in 'forty-two'; "
        "expected a last line such as '#### 42'",
    ):
        Gsm8k(data=str(tmp_path / "g.jsonl")).problems("test", 1, seed=0)
    (tmp_path / "m.jsonl").write_text('{"question": "a", "choices": ["1", "2"], "answer": 1}\n')
    with pytest.raises(
        UsageError, match=r"m.jsonl line 1: 2 choices and answer 1; expected 4 choices"
    ):
        MmluPhysics(data=str(tmp_path / "m.jsonl")).problems("test", 1, seed=0)


def test_a_file_without_train_rows_lends_shots_from_the_package(tmp_path: Path) -> None:
    (tmp_path / "g.jsonl").write_text('{"question": "mine", "answer": "#### 1"}\n')
    task = Gsm8k(data=str(tmp_path / "g.jsonl"))
    shots = task.shots(4, seed=0)
    assert len({shot.question for shot in shots}) == 4 and all(
        shot.split == "train" and shot.question != "mine" for shot in shots
    )


def test_no_shot_asks_what_a_test_problem_asks(tmp_path: Path) -> None:
    rows = [
        {"question": f"q{n}", "answer": str(n), "split": split}
        for n in range(5)
        for split in ("train", "test")
        if (n, split) != (4, "test")
    ]
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = QuestionsAndAnswers(data=str(tmp_path / "q.jsonl"))
    assert [shot.question for shot in task.shots(1, seed=0)] == ["q4"]
    with pytest.raises(UsageError, match="asked for 2 shots of qa, but there are 1"):
        task.shots(2, seed=0)


def test_numbers_are_compared_by_value_where_the_name_asks(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text(json.dumps({"question": "1000 + 200?", "answer": "1200"}) + "\n")
    for name, right in [("qa", 0.0), ("qa:numeric", 1.0)]:
        task = find_task(name, path)
        (problem,) = task.problems("test", 1, seed=0)
        assert task.label == name
        assert task.grade("1,200.0", problem).utility_strict == right


def test_a_run_says_which_file_and_another_content_is_another_run(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text(
        "".join(json.dumps({"question": f"{n}+{n}", "answer": str(2 * n)}) + "\n" for n in range(4))
    )
    task = find_task("qa", path)
    options: dict[str, Any] = {
        "problems": 4,
        "samples": 2,
        "max_tokens": 4,
        "shots": 0,
        "verifiers": ["logprob"],
        "out": tmp_path / "run",
    }
    run = strop.gap("ladder/40k", task, **options)
    assert (
        run.record["asked"]["data"]["file"] == str(path)
        and len(run.record["asked"]["data"]["digest"]) == 32
    )
    path.write_text(path.read_text().replace("3+3", "4+2"))
    from strop.tasks import dataset

    dataset._rows_and_source.cache_clear()
    with pytest.raises(strop.StropError, match="holds another run"):
        strop.gap("ladder/40k", task, **options)


def test_without_the_library_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UsageError, match=r"pip install 'strop\[tasks\]', or give --data FILE"):
        find_task("gsm8k", data_revision="one").problems("test", 1, seed=0)
