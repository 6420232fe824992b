"""``strop gap``: the JSON document, several runs, a dry run, own prompts, difficulties."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.run_command import SMALL, strop


def test_one_document_on_stdout_with_the_keys_of_the_contract(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    assert (
        strop(
            monkeypatch,
            "gap",
            *SMALL,
            "--task",
            "signs",
            "--out",
            str(out),
            "--json",
            "--weigh",
            "quantile:0.5",
            "--weigh",
            "threshold:0.5",
        )
        == 0
    )
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert {
        "definition",
        "model",
        "verifier_model",
        "task",
        "problems",
        "samples",
        "design",
        "accuracy",
        "accuracy_flexible",
        "greedy",
    } <= set(document)
    assert (
        document["design"] == "fixed"
        and document["run"] == str(out)
        and set(document["verifiers"]) == {"mc", "cot-binary"}
    )
    assert set(document["accuracy"]) - {"caution"} == {"value", "low", "high", "level", "n"}
    assert [row["weigh"] for row in document["estimates"]] == ["quantile:0.5", "threshold:0.5"] * 2
    wanted = {
        "weigh",
        "gap",
        "gap_flexible",
        "relative_gap",
        "relative_gap_with_zeros",
        "accuracy_kept",
        "kept_share",
        "auroc",
        "auroc_pooled",
    }
    assert wanted | {
        "tpr",
        "fpr",
        "name",
        "verifier_model",
        "unparsed",
        "unparsed_share",
        "left_out",
        "no_survivor",
        "no_room",
        "option_mass",
    } == set(document["verifiers"]["mc"])
    assert document["verifiers"]["mc"]["weigh"] == "quantile:0.5"
    assert set(document["usage"]) == {
        "prompt_tokens",
        "cached_tokens",
        "generated_tokens",
        "flops",
        "seconds",
    }
    stages = document["usage_by_stage"]
    assert list(stages)[:2] == ["responses", "greedy"] and {
        f"scores/{name}" for name in document["verifiers"]
    } == set(list(stages)[2:])
    for key, total in document["usage"].items():
        assert sum(stage[key] for stage in stages.values()) == pytest.approx(total)
    assert (
        json.loads((out / "estimates.json").read_text()) == document
        and (out / "report.html").exists()
    )


def test_a_corrupt_part_is_named_and_redone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    command = ("gap", *SMALL, "--task", "recall", "--verifier", "mc", "--out", str(out), "--json")
    assert strop(monkeypatch, *command) == 0
    first = json.loads(capsys.readouterr().out)
    part = out / "responses" / "part-00001.parquet"
    part.write_bytes(part.read_bytes()[:100])
    assert strop(monkeypatch, *command) == 2
    assert "part-00001.parquet cannot be read" in capsys.readouterr().err
    part.unlink()
    assert strop(monkeypatch, *command) == 0
    again = json.loads(capsys.readouterr().out)
    assert {**again, "usage": None, "usage_by_stage": None} == {
        **first,
        "usage": None,
        "usage_by_stage": None,
    }


def test_several_pairs_give_one_folder_each_and_one_report(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    arguments = (
        "gap",
        *SMALL,
        "--model",
        "ladder/125k",
        "--task",
        "recall",
        "--task",
        "signs",
        "--verifier",
        "mc",
        "--out",
        str(tmp_path),
        "--json",
    )
    assert strop(monkeypatch, *arguments) == 0
    runs = json.loads(capsys.readouterr().out)["runs"]
    assert [(run["model"], run["task"]) for run in runs] == [
        (m, t) for m in ("ladder/40k", "ladder/125k") for t in ("recall", "signs")
    ]
    assert len({run["run"] for run in runs}) == 4 and all(
        (Path(run["run"]) / "run.json").exists() for run in runs
    )
    assert (tmp_path / "report.html").exists()


def test_dry_run_shows_the_prompts_and_writes_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert strop(monkeypatch, "gap", *SMALL, "--task", "signs", "--shots", "2", "--dry-run") == 0
    out = capsys.readouterr().out
    assert (
        "solution prompt, exactly as sent" in out
        and "Is this answer correct or incorrect?\nVerdict:" in out
        and "FLOPs" in out
    )
    assert strop(monkeypatch, "gap", *SMALL, "--task", "signs", "--dry-run", "--json") == 0
    [document] = json.loads(capsys.readouterr().out)["dry_run"]
    assert document["prompts"]["solution"].endswith("\nAnswer:") and document["flops_at_most"] > 0
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_own_prompts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Edited prompts are shown, sent and recorded; the default's scores are not reused."""
    monkeypatch.chdir(tmp_path)
    assert strop(monkeypatch, "verifiers", "--prompts") == 0
    printed = capsys.readouterr().out
    default, mine, bad = (tmp_path / name for name in ("default.toml", "mine.toml", "bad.toml"))
    default.write_text(printed)
    mine.write_text(printed.replace("Is this answer correct or incorrect?", "Right?"))
    bad.write_text("binary = 'Check it.'")
    command = ("gap", *SMALL, "--task", "signs", "--verifier", "mc")
    assert strop(monkeypatch, *command, "--prompts", str(mine), "--dry-run") == 0
    shown = capsys.readouterr().out
    assert "\nRight?\nVerdict:" in shown and "Is this answer correct" not in shown
    assert strop(monkeypatch, *command, "--out", "run", "--prompts", str(default), "--json") == 0
    usual = json.loads(capsys.readouterr().out)
    assert not [note for note in usual["notes"] if "words of its own" in note]
    assert strop(monkeypatch, *command, "--out", "run", "--json") == 0
    assert json.loads(capsys.readouterr().out) == usual
    assert strop(monkeypatch, *command, "--out", "own", "--prompts", str(mine), "--json") == 0
    own = json.loads(capsys.readouterr().out)
    assert "mc asks in words of its own: multiple_choice" in own["notes"]
    assert own["accuracy"] == usual["accuracy"]
    added = ("verify", "run", "--prompts", str(mine), "--json", "--verifier")
    assert (
        strop(monkeypatch, *added, "cot-binary") == 0
        and "cot-binary" in json.loads(capsys.readouterr().out)["verifiers"]
    )
    for refused, message in (
        ((*added, "mc"), "run has scores of mc with settings wording None"),
        ((*added, "majority"), "--prompts is for verifiers that put a question into words"),
        (
            (*command, "--prompts", str(bad)),
            "binary has no holes; expected {question} and {response}, each once",
        ),
        (
            ("cross", "--model", "ladder/40k", "--task", "signs", "--prompts", str(bad)),
            "binary has no holes",
        ),
        (("scale", "--task", "signs", "--prompts", str(bad)), "binary has no holes"),
    ):
        assert strop(monkeypatch, *refused) == 2
        out, err = capsys.readouterr()
        assert out == "" and len(err.strip().splitlines()) == 1 and message in err


def test_difficulties_are_runs_of_their_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    asked = [
        "gap",
        *SMALL,
        "--task",
        "recall",
        "--task",
        "signs:hard",
        "--difficulty",
        "easy",
        "--difficulty",
        "standard",
    ]
    assert (
        strop(
            monkeypatch, *asked, "--verifier", "logprob", "--out", str(tmp_path / "run"), "--json"
        )
        == 0
    )
    runs = json.loads(capsys.readouterr().out)["runs"]
    assert [run["task"] for run in runs] == ["recall:easy", "recall", "signs:hard"]
    assert {path.name for path in (tmp_path / "run").iterdir() if path.is_dir()} == {
        "recall-easy",
        "recall",
        "signs-hard",
    }
