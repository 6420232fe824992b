"""Imported samples give the same numbers, and a malformed line leaves nothing behind."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import strop
from strop.cli.main import main
from strop.engines import Engine
from strop.errors import UsageError
from strop.run.gap import import_samples
from strop.run.run import Run

GOOD: dict[str, Any] = {"problem": "p", "text": "t", "utility": 1}
HOSTILE = [
    "",
    "\0",
    "}{",
    "{question}",
    "\x1b[31mred\u202e",
    "</script><script>alert(1)</script>",
    "\U0001f600\n\r\n",
    "9" * 5_000,
]
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A file of these lines, each a dictionary or a text."""

    def written(*lines: dict[str, Any] | str | bytes) -> Path:
        path = tmp_path / "samples.jsonl"
        texts = [line if isinstance(line, str | bytes) else json.dumps(line) for line in lines]
        path.write_bytes(
            b"\n".join(text if isinstance(text, bytes) else text.encode() for text in texts)
        )
        return path

    return written


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("importing") / "original"
    return strop.gap(
        "ladder/40k",
        "recall",
        problems=18,
        samples=6,
        verifiers=["mc", "logprob", "majority"],
        out=out,
    )


@pytest.fixture(scope="module")
def lines(original: Run) -> list[dict[str, Any]]:
    """The original's responses as another program would write them: enough for two parts."""
    problems = {row["problem"]: row for row in original.problems.iter_rows(named=True)}
    scores = dict(
        zip(
            original.scores["mc"].select("problem", "sample").rows(),
            original.scores["mc"]["score"],
            strict=True,
        )
    )
    return [
        {
            "problem": r["problem"],
            "text": r["text"],
            "question": problems[r["problem"]]["question"],
            "answer": r["answer_strict"],
            "reference": problems[r["problem"]]["reference"],
            "utility": r["utility_strict"],
            "logprob": r["logprob"],
            "tokens": r["tokens"],
            "finish": r["finish"],
            "scores": {"glance": scores[r["problem"], r["sample"]]},
        }
        for r in original.responses.iter_rows(named=True)
    ]


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> Engine:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr("strop.run.executors.load_engine", refuse)


def numbers(run: Run, verifier: str, *places: str) -> list[Any]:
    found = [
        run.accuracies["accuracy"].as_json(),
        *(run.document["verifiers"][verifier][q] for q in ("gap", "relative_gap", "auroc")),
    ]
    return found + [run.analysis[place][verifier] for place in places]


def rounded(value: Any) -> Any:
    """Without the last digits, which depend on how many estimates are computed side by side."""
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [rounded(one) for one in value]
    return round(value, 12) if isinstance(value, float) else value


def test_there_and_back_gives_the_same_numbers(
    original: Run, lines: list[dict[str, Any]], write: Write, tmp_path: Path, no_model: None
) -> None:
    run = import_samples(write(*lines), tmp_path / "run", model="elsewhere")
    assert (
        run.document["problems"] == 18
        and run.document["samples"] == 6
        and run.document["model"] == "elsewhere"
    )
    places = ("selection", "gap_inf", "selection_log_likelihood")
    assert rounded(numbers(run, "glance", *places)) == rounded(numbers(original, "mc", *places))
    gaps = [
        [row["gap"] for row in found.analysis["sweeps"][name].values()]
        for found, name in ((run, "glance"), (original, "mc"))
    ]
    assert rounded(gaps[0]) == rounded(gaps[1])
    assert rounded(run.analysis["pass_at_k"]) == rounded(original.analysis["pass_at_k"])
    for name in ("majority", "logprob"):
        run = strop.add_verifier(run.path, name)
        assert rounded(numbers(run, name, "selection")) == rounded(
            numbers(original, name, "selection")
        )
    assert rounded(run.analysis["diversity"]["distinct_answers"]) == rounded(
        original.analysis["diversity"]["distinct_answers"]
    )
    assert run.document["greedy"] == {"value": None, "why": "greedy responses were not imported"}
    assert "<html" in run.report().read_text()
    json.dumps(run.document, allow_nan=False)


def test_a_model_may_judge_imported_responses(
    original: Run, lines: list[dict[str, Any]], write: Write, tmp_path: Path
) -> None:
    """The question and the text are all that the verifier needs."""
    import_samples(write(*lines), tmp_path / "run")
    run = strop.add_verifier(tmp_path / "run", "mc", verify_with="ladder/40k")
    assert run.scores["mc--ladder-40k"]["score"].to_list() == pytest.approx(
        original.scores["mc"]["score"].to_list()
    )
    assert (
        run.document["verifiers"]["mc--ladder-40k"]["gap"]
        == original.document["verifiers"]["mc"]["gap"]
    )


def test_problems_may_have_different_numbers_of_responses(
    write: Write, tmp_path: Path, no_model: None
) -> None:
    rows = [
        {
            "problem": f"p{p}",
            "text": f"{k}",
            "utility": (p + k) % 2,
            "answer": f"{k % 2}",
            "logprob": -1.0 - k,
            "scores": {"own": k},
        }
        for p in range(5)
        for k in range(2 + p)
    ]
    run = import_samples(write(*rows), tmp_path / "run")
    samples = run.evidence.samples
    assert samples.mask_PK.sum(axis=1).tolist() == [2, 3, 4, 5, 6]
    shares = [
        np.mean([row["utility"] for row in rows if row["problem"] == f"p{p}"]) for p in range(5)
    ]
    assert run.accuracies["accuracy"].value == pytest.approx(np.mean(shares))
    best = [(p + 1 + p) % 2 for p in range(5)]
    assert Run(run.path, ("best-of:K",)).summaries[0][1].estimates[
        "accuracy_kept"
    ].value == pytest.approx(np.mean(best))
    assert set(run.analysis["selection"]["own"]) == {"1", "2"}
    assert (
        strop.add_verifier(run.path, "majority").document["verifiers"]["majority"]["gap"]["value"]
        is not None
    )


def test_problems_need_not_stand_together(write: Write, tmp_path: Path) -> None:
    rows = [
        GOOD
        | {"problem": f"p{n % 20}", "text": str(n), "utility": n % 3 == 0, "scores": {"own": n}}
        for n in range(60)
    ]
    run = import_samples(write(*rows), tmp_path / "run")
    assert run.problems["problem"].to_list() == [f"p{n}" for n in range(20)]
    texts = dict(run.responses.group_by("problem", maintain_order=True).agg("text").rows())
    assert texts["p7"] == ["7", "27", "47"]


@pytest.mark.parametrize(
    ("task", "fields", "utility"),
    [
        (None, {"utility": 0.25}, 0.25),
        (None, {"correct": True}, 1),
        (None, {"correct": False, "answer": "1", "reference": "1"}, 0),
        (None, {"answer": " 42", "reference": "42 "}, 1),
        (None, {"answer": 42, "reference": "42"}, 1),
        (None, {"answer": "41", "reference": 42}, 0),
        ("arithmetic", {"utility": 0, "reference": "42"}, 0),
        ("arithmetic", {"text": "GOLD", "reference": "REFERENCE"}, 1),
        ("arithmetic", {"text": "no idea", "reference": "REFERENCE"}, 0),
    ],
    ids=lambda one: json.dumps(one) if isinstance(one, dict) else str(one),
)
def test_what_is_right(
    task: str | None, fields: dict[str, Any], utility: float, write: Write, tmp_path: Path
) -> None:
    from strop.tasks import Arithmetic

    (problem,) = Arithmetic().problems("test", 1, 0)
    meant = {"GOLD": Arithmetic().gold_response(problem), "REFERENCE": problem.reference}
    line = {"problem": "p", "text": "t", "question": problem.question} | {
        key: meant.get(str(v), v) for key, v in fields.items()
    }
    run = import_samples(write(line), tmp_path / "run", task=task)
    assert run.responses["utility_strict"].to_list() == [utility]
    assert run.document["task"] == (task or "imported")


def test_a_task_extracts_the_answers_that_are_not_given(
    original: Run, lines: list[dict[str, Any]], write: Write, tmp_path: Path
) -> None:
    bare = [
        {key: line[key] for key in ("problem", "text", "question", "reference")} for line in lines
    ]
    run = import_samples(write(*bare), tmp_path / "run", task="recall")
    for column in ("answer_strict", "utility_strict", "utility_flexible"):
        assert run.responses[column].to_list() == original.responses[column].to_list()
    assert run.responses["logprob"].is_nan().all() and run.responses["tokens"].is_null().all()
    added = strop.add_verifier(run.path, "logprob").document["verifiers"]["logprob"]
    assert added["left_out"] == len(bare), "an unknown log-probability is left out, not zero"


def test_hostile_texts_survive(write: Write, tmp_path: Path) -> None:
    rows = [
        GOOD
        | {
            "problem": p or "-",
            "text": text,
            "question": p,
            "answer": text,
            "utility": n % 2,
            "scores": {"own": [n, None]},
        }
        for p in HOSTILE
        for n, text in enumerate(HOSTILE)
    ]
    run = import_samples(write(*rows), tmp_path / "run")
    assert run.responses["text"].to_list() == HOSTILE * len(HOSTILE)
    assert run.problems["question"].to_list() == HOSTILE
    page = run.report().read_text()
    assert "<script>alert(1)" not in page and "\x1b" not in page
    strop.add_verifier(run.path, "majority")


def test_scores_may_be_drawn_several_times_and_be_unknown(write: Write, tmp_path: Path) -> None:
    rows = [
        GOOD
        | {
            "text": str(n),
            "utility": n % 2,
            "scores": {"twice": [n, n + 1], "some": None if n else 1.5},
        }
        for n in range(3)
    ]
    run = import_samples(write(*rows), tmp_path / "run")
    assert run.evidence.judges["twice"].score_PK.tolist() == [[0.5, 1.5, 2.5]]
    some = run.evidence.judges["some"].score_PK[0]
    assert some[0] == 1.5 and np.isnan(some[1:]).all()
    assert run.document["verifiers"]["some"]["left_out"] == 2


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in GOOD.items() if name != key}


def spelled(field: str) -> str:
    return f'{{"problem": "p", "text": "t", "utility": 1, {field}}}'


BAD: list[tuple[str, dict[str, Any] | str | bytes, str]] = [
    ("not JSON", "{nope", "is not JSON"),
    ("not text", b"\xff\xfe\x00", "is not JSON"),
    ("an array", "[1, 2]", "holds list, expected a JSON object"),
    ("no problem", without("problem"), "has no problem"),
    ("no text", without("text"), "has no text"),
    ("text is a list", GOOD | {"text": ["x" * 1_000_000]}, "expected a string as text"),
    ("empty problem", GOOD | {"problem": ""}, "has problem ''"),
    (
        "nothing right",
        without("utility"),
        "does not say what is right; expected utility, or correct",
    ),
    ("unknown field", GOOD | {"txet": 1}, "has a field 'txet' that is not known"),
    ("bad finish", GOOD | {"finish": "done"}, "has finish 'done'; expected end or stop or length"),
    (
        "likelier than sure",
        GOOD | {"logprob": 0.5},
        "expected a sum of log-probabilities, 0 or less",
    ),
    ("utility above 1", GOOD | {"utility": 1.5}, "expected a number from 0 to 1"),
    ("utility is text", GOOD | {"utility": "1"}, "expected utility to be a finite number"),
    ("NaN", spelled('"logprob": NaN'), "NaN is no number"),
    ("NaN unused", spelled('"reference": NaN'), "NaN is no number"),
    ("Infinity", spelled('"scores": {"own": -Infinity}'), "Infinity is no number"),
    ("overflow", spelled('"logprob": -1e999'), "expected logprob to be a finite number"),
    ("huge integer", spelled(f'"logprob": -{10**400}'), "expected logprob to be a finite number"),
    ("huger integer", spelled(f'"logprob": -1{"0" * 5_000}'), "is not JSON"),
    ("too many tokens", GOOD | {"tokens": 2**31}, "expected a whole number"),
    ("negative tokens", GOOD | {"tokens": -1}, "expected a whole number"),
    ("deep nesting", "[" * 100_000, "is not JSON"),
    (
        "deep scores",
        spelled('"scores": {"own": ' + "[" * 200 + "]" * 200 + "}"),
        "expected scores of own to be a finite number",
    ),
    ("half a character", spelled('"answer": "\\ud800"'), "no lone surrogate"),
    (
        "half a character asked",
        '{"problem": "p", "text": "\\udfff", "utility": 1}',
        "no lone surrogate",
    ),
    ("too long", GOOD | {"text": "x" * 11_000_000}, "is longer than 10,000,000 bytes"),
    (
        "two references",
        GOOD | {"reference": "b"},
        "the reference 'b', and line 1 None; expected one reference a problem",
    ),
    (
        "two questions",
        GOOD | {"question": "b"},
        "the question 'b', and line 1 'p'; expected one question a problem",
    ),
    (
        "scores on one line",
        GOOD | {"scores": {"own": 1}},
        "has 1 scores of own, and line 1 no scores",
    ),
    ("score with a slash", GOOD | {"scores": {"a/b": 1}}, "expected a name of letters"),
    ("score above the folder", GOOD | {"scores": {"..": 1}}, "expected a name of letters"),
    ("score with a long name", GOOD | {"scores": {"a" * 300: 1}}, "expected a name of letters"),
    ("score without a name", GOOD | {"scores": {"": 1}}, "expected a name of letters"),
    ("score of our verifier", GOOD | {"scores": {"majority": 1}}, "that is no verifier of ours"),
    ("score without a draw", GOOD | {"scores": {"own": []}}, "has scores {'own': []}"),
    (
        "score is text",
        GOOD | {"scores": {"own": "high"}},
        "expected scores of own to be a finite number",
    ),
]


@pytest.mark.parametrize(
    ("bad", "message"), [case[1:] for case in BAD], ids=[case[0] for case in BAD]
)
def test_a_malformed_line_is_named_and_nothing_is_written(
    bad: dict[str, Any] | str | bytes,
    message: str,
    write: Write,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Any,
) -> None:
    path, out = write(GOOD, "", bad), tmp_path / "run"
    monkeypatch.setattr(sys, "argv", ["strop", "import", str(path), "--out", str(out)])
    with pytest.raises(SystemExit) as stop:
        main()
    said = capsys.readouterr()
    assert stop.value.code == 2 and said.out == "" and not out.exists()
    assert said.err.startswith(f"strop: {path} line 3 ") and message in said.err
    assert len(said.err.splitlines()) == 1 and len(said.err) < 600


def test_scores_that_fewer_lines_have_are_refused(write: Write, tmp_path: Path) -> None:
    one, two = GOOD | {"scores": {"own": [1, 2]}}, GOOD | {"scores": {"own": 1}}
    for lines, message in (
        ((one, two), "line 2 has 1 scores of own, and line 1 2 scores of own"),
        ((one, GOOD), "line 2 has no scores"),
    ):
        with pytest.raises(UsageError, match=message):
            import_samples(write(*lines), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_files_that_hold_nothing(write: Write, tmp_path: Path) -> None:
    for path in (write(), write("", "  ")):
        with pytest.raises(UsageError, match="holds no responses"):
            import_samples(path, tmp_path / "run")
    for path in (tmp_path, tmp_path / "missing.jsonl"):
        with pytest.raises(UsageError, match="there is no file"):
            import_samples(path, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("task", ["arithmetic", "signs"])
def test_a_question_that_the_task_cannot_read_is_one_line(
    task: str, write: Write, tmp_path: Path
) -> None:
    path = write(
        {"problem": "p", "text": "so the answer is 4.", "question": "hello", "reference": "4"}
    )
    with pytest.raises(
        UsageError, match=f"line 1 has the question 'hello'; expected one that {task} asks"
    ):
        import_samples(path, tmp_path / "run", task=task)


def test_a_folder_in_use_is_refused_and_left_alone(write: Write, tmp_path: Path) -> None:
    path = write(GOOD)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(strop.StropError, match="is not empty and holds no run"):
        import_samples(path, tmp_path / "mine")
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"
    run = import_samples(path, tmp_path / "run")
    before = {file: file.read_bytes() for file in run.path.rglob("*") if file.is_file()}
    path.write_text(json.dumps(GOOD | {"text": "another"}) + "\n")
    with pytest.raises(strop.StropError, match="holds another run"):
        import_samples(path, tmp_path / "run")
    assert before == {file: file.read_bytes() for file in run.path.rglob("*") if file.is_file()}


def test_one_response_is_enough(write: Write, tmp_path: Path) -> None:
    run = import_samples(write(GOOD | {"logprob": -1.5, "scores": {"own": 3}}), tmp_path / "run")
    json.dumps(run.document, allow_nan=False)
    gap = run.document["verifiers"]["own"]["gap"]
    assert run.document["accuracy"]["value"] == 1 and (gap["value"] == 0 or gap["why"])
    assert math.isclose(run.evidence.logprob_PK[0, 0], -1.5)


def test_a_killed_import_is_finished_by_the_same_command(write: Write, tmp_path: Path) -> None:
    """Parts that are there are left alone, parts that are missing are made."""
    path = write(
        *(GOOD | {"problem": f"p{number}", "scores": {"own": number}} for number in range(40))
    )
    whole = import_samples(path, tmp_path / "run").document
    first, last = (
        tmp_path / "run" / "responses" / "part-00000.parquet",
        tmp_path / "run" / "scores" / "own" / "part-00002.parquet",
    )
    written = first.stat().st_mtime_ns
    last.unlink()
    assert import_samples(path, tmp_path / "run").document == whole
    assert last.exists() and first.stat().st_mtime_ns == written


GOLDS: list[tuple[str, list[dict[str, Any]], list[float]]] = [
    # task, lines, the flexible utility of each
    (
        "gsm8k",
        [{"text": "#### 36", "reference": "36"}, {"text": "So 35.", "reference": "36"}],
        [1, 0],
    ),
    ("math", [{"text": r"\boxed{36}", "reference": 36}, {"text": "35", "reference": 36}], [1, 0]),
    ("natural-questions", [{"text": "Ann Lee", "reference": '["A. Lee", "Ann Lee"]'}], [1]),
    ("natural-questions", [{"text": "Ann Lee", "reference": ["A. Lee", "Ann Lee"]}], [1]),
    ("mmlu-biology", [{"text": "The answer is (C).", "reference": 2}], [1]),
    ("mmlu-biology", [{"text": "the answer is (c).", "reference": "c"}], [1]),
    ("prontoqa", [{"text": "The answer is False.", "reference": False}], [1]),
    ("game24", [{"text": "(10-4)*(5-1)", "question": "1 4 5 10"}], [1]),
    ("qa", [{"text": "Rome", "reference": "rome"}, {"text": "Oslo", "reference": "rome"}], [1, 0]),
    ("math", [{"text": r"\boxed{4, -2}", "reference": r"$\boxed{4}$ or $\boxed{-2}$"}], [1]),
    ("math", [{"text": r"\boxed{-2}", "reference": r"$\boxed{4}$ or $\boxed{-2}$"}], [0]),
    ("math", [{"text": "hm, no idea", "answer": "3", "reference": r"\boxed{3}"}], [1]),
    ("math", [{"text": r"\boxed{3}", "answer": "4", "reference": r"\boxed{3}"}], [0]),
]


@pytest.mark.parametrize(("task", "lines", "utilities"), GOLDS)
def test_bare_golds_and_given_answers_are_used(
    task: str, lines: list[dict[str, Any]], utilities: list[float], write: Write, tmp_path: Path
) -> None:
    rows = [{"problem": "p", **line} for line in lines]
    run = import_samples(write(*rows), tmp_path / "run", task=task)
    assert run.responses["utility_flexible"].to_list() == utilities
    for row, line in zip(run.responses.iter_rows(named=True), lines, strict=True):
        assert "answer" not in line or row["answer_strict"] == line["answer"]


@pytest.mark.parametrize(
    ("task", "reference", "message"),
    [
        ("gsm8k", "3 apples cost 6", "expected for gsm8k a last line such as '#### 42'"),
        ("math", "One is less than two, as we know.", "expected for math a solution"),
        ("natural-questions", "['Ann']", "expected for natural-questions a JSON list"),
        ("mmlu-biology", "4", "expected for mmlu-biology a letter from A to D"),
        ("prontoqa", "perhaps", "expected for prontoqa True or False"),
    ],
)
def test_a_gold_that_the_task_cannot_read_is_named(
    task: str, reference: str, message: str, write: Write, tmp_path: Path
) -> None:
    path = write({"problem": "p", "text": "t", "reference": reference})
    with pytest.raises(UsageError, match=f"line 1 has the reference .*; {message}"):
        import_samples(path, tmp_path / "run", task=task)
    assert not (tmp_path / "run").exists()


def test_columns_may_have_other_names(
    write: Write,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = write(
        {"question": "1+1?", "response": "#### 2", "truth": "2", "seconds": 0.1},
        {"question": "1+1?", "response": "#### 3", "truth": "2", "seconds": 0.2},
    )
    command = ["strop", "import", str(path), "--task", "gsm8k", "--out", str(tmp_path / "run")]
    monkeypatch.setattr(sys, "argv", [*command, "--columns", "text=response,reference=truth"])
    with pytest.raises(SystemExit) as stop:
        main()
    said = capsys.readouterr().out
    assert not stop.value.code
    assert "Accuracy, strict: 50.0%" in said and "of 2 responses to 1 problem\n" in said
    run = Run(tmp_path / "run")
    assert run.problems["problem"].to_list() == run.problems["question"].to_list() == ["1+1?"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ("text", "--columns 'text': expected FIELD=COLUMN"),
        ("txet=response", "--columns 'txet=response': expected FIELD=COLUMN"),
        ("text=a,text=b", "each field once"),
        ("text=gone", "line 1 has no 'gone', which --columns names for text; it has problem, text"),
    ],
)
def test_wrong_columns_are_one_line(
    columns: str,
    message: str,
    write: Write,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["strop", "import", str(write(GOOD)), "--out", str(tmp_path / "run")]
    monkeypatch.setattr(sys, "argv", [*command, "--columns", columns])
    with pytest.raises(SystemExit) as stop:
        main()
    said = capsys.readouterr().err
    assert stop.value.code == 2 and message in said and len(said.splitlines()) == 1


def test_a_majority_without_answers_is_refused(write: Write, tmp_path: Path) -> None:
    run = import_samples(write(GOOD, GOOD | {"utility": 0}), tmp_path / "run")
    with pytest.raises(UsageError, match="majority counts answers, and no response of"):
        strop.add_verifier(run.path, "majority")
    assert not (tmp_path / "run" / "scores").exists()
    assert run.document["accuracy"]["value"] == 0.5
