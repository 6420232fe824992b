"""The verdict of a run: verdict.py and circumstances.py, and the updates that it rests on."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import strop
from strop.cli.main import app
from strop.errors import CorruptPartError
from strop.records import Estimate
from strop.run.circumstances import PILOT, circumstances_of
from strop.run.run import Run
from strop.run.stored import StoredRun
from strop.run.unreadable import MANY_UNREADABLE
from strop.run.updates import UPDATES, Update, shipped
from strop.run.verdict import Circumstances, verdict
from strop.tasks import find_task

FILTER = "cot-binary@threshold:0.5"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A gap well above zero, a verifier that knows nothing, and the controls."""
    out = tmp_path_factory.mktemp("verdict") / "run"
    return strop.gap(
        "ladder/125k",
        verifiers=["cot-binary", "mc", "chance", "oracle"],
        problems=80,
        samples=8,
        out=out,
    )


def rounds(share: float, task: str = "arithmetic") -> list[Update]:
    """Return eight past rounds that kept this share of their gaps, and had pilots."""
    updates = []
    for number in range(8):
        gap = 0.1 + 0.03 * number
        gain = share * gap
        updates.append(
            Update(
                f"ladder/m{number}",
                task,
                FILTER,
                "rft",
                gap,
                gain,
                gap - gain,
                0.01,
                0.005,
                gain / 2,
                0.005,
                "lr 0.0003 x 1 epochs, batch 64",
            )
        )
    return updates


def judge(run: Run, past: list[Update], **changed: Any) -> dict[str, Any]:
    circumstances = circumstances_of(StoredRun(run.path))
    fields = {**vars(circumstances), **changed}
    return verdict(run.evidence, run.counts_BP, past, Circumstances(**fields))


def imported(tmp_path: Path, rows: list[dict[str, Any]]) -> Run:
    """Return a run of made-up samples."""
    file = tmp_path / "samples.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return strop.import_samples(file, tmp_path / "run")


def rows(right: list[list[int]], scores: bool = True) -> list[dict[str, Any]]:
    """Return samples of problems, right (1) or wrong (0), with a verifier that knows it."""
    made = []
    for problem, labels in enumerate(right):
        for number, label in enumerate(labels):
            row = {"problem": str(problem), "text": f"text {number}", "utility": label}
            made.append(row | ({"scores": {"judge": label}} if scores else {}))
    return made


def known_command(command: str) -> bool:
    """Whether the command line knows the command and its options; values are not tried."""
    words = shlex.split(command)
    assert words[0] == "strop"
    help_text = CliRunner().invoke(app, [words[1], "--help"], env={"COLUMNS": "200"}).output
    return all(word in help_text for word in words[2:] if word.startswith("--"))


# --- ordinary runs ---


def test_it_trains_where_past_rounds_kept_their_gaps(run: Run) -> None:
    found = judge(run, rounds(0.9))
    assert (found["train"], found["source"], found["verifier"]) == ("yes", "past", "cot-binary")
    assert found["probability_worth"] >= 0.9 and "probable" in found["why"]
    assert found["next"] == (
        "strop improve --model ladder/125k --task arithmetic --problems 80 --samples 8"
    )
    assert known_command(found["next"])


def test_it_does_not_where_past_rounds_lost_them(run: Run) -> None:
    found = judge(run, rounds(0.0))
    assert (found["train"], found["next"]) == ("no", "")
    assert found["probability_worth"] <= 0.1


def test_a_task_that_no_round_was_on_asks_for_a_pilot(run: Run) -> None:
    found = judge(run, rounds(0.9, task="signs"))
    assert (found["train"], found["source"]) == ("unclear", "run")
    assert found["gain"]["value"] is None and found["expected_accuracy"]["value"] is None
    assert found["next"].endswith("--pilot") and known_command(found["next"])
    assert f"--out {run.path} --pilot" in found["next"], "the pilot goes on with this run"
    elsewhere = judge(run, [], can_train=False)
    assert "--past" in elsewhere["why"] and elsewhere["next"] == ""


def test_a_pilot_decides(run: Run) -> None:
    pilot = Estimate(0.08, 0.06, 0.1, 0.95, 80, "pilot")
    found = judge(run, rounds(0.9), pilots={FILTER: pilot})
    assert (found["train"], found["source"]) == ("yes", "pilot")
    assert found["next"].endswith(f"--pilot --out {run.path}/improve"), "its samples are used again"
    nothing = Estimate(0.0, -0.005, 0.005, 0.95, 2000, "pilot")
    assert judge(run, rounds(0.9), pilots={FILTER: nothing})["train"] == "no"
    between = Estimate(0.015, -0.01, 0.04, 0.95, 80, "pilot")
    unclear = judge(run, rounds(0.9), pilots={FILTER: between})
    assert unclear["train"] == "unclear"
    assert unclear["next"].endswith("--problems 320 --pilot") and known_command(unclear["next"])
    other = judge(run, rounds(0.9), pilots={"mc@quantile:0.7": pilot})
    assert other["source"] == "past", "a pilot of another filter says nothing of this one"


def test_controls_are_never_chosen(run: Run) -> None:
    assert judge(run, [])["verifier"] == "cot-binary"


def test_forecasts_stay_within_what_is_possible(run: Run) -> None:
    for share in (0.0, 0.9, 3.0):
        found = judge(run, rounds(share))
        expected, gain = found["expected_accuracy"], found["gain"]
        assert 0 <= expected["low"] <= expected["value"] <= expected["high"] <= 1
        assert gain["value"] == pytest.approx(
            expected["value"] - run.document["accuracy"]["value"], abs=1e-9
        )


def test_what_the_format_and_the_likelihood_say_stands_beside(run: Run) -> None:
    found = judge(run, [])
    assert found["format_gain"]["value"] == pytest.approx(
        run.document["accuracy_flexible"]["value"] - run.document["accuracy"]["value"]
    )
    assert 0.5 < found["likelihood_auroc"]["low"] < found["likelihood_auroc"]["high"] <= 1
    assert found["cost_of_round"]["responses"] == 400 * 8


def test_a_gap_that_may_be_zero_says_how_many_problems_would_tell(tmp_path: Path) -> None:
    run = strop.gap("ladder/25k", "recall", problems=16, samples=4, out=tmp_path / "run")
    found = judge(run, [])
    assert found["train"] in ("unclear", "no")
    if found["situation"] == "gap_unclear":
        assert found["next"].startswith("strop plan") and known_command(found["next"])


# --- special situations ---


def test_one_response_each(tmp_path: Path) -> None:
    found = imported(tmp_path, rows([[1], [0], [1]])).document["verdict"]
    assert (found["train"], found["situation"]) == ("unclear", "one_response")
    assert "gain" not in found


@pytest.mark.parametrize(
    ("right", "situation", "train"),
    [
        ([[0, 0, 0]] * 12, "all_wrong", "no"),
        ([[1, 1, 1]] * 12, "all_right", "no"),
        ([[1, 1, 1], [0, 0, 0]] * 6, "all_or_nothing", "no"),
    ],
)
def test_nothing_to_choose_among(
    tmp_path: Path, right: list[list[int]], situation: str, train: str
) -> None:
    found = imported(tmp_path, rows(right)).document["verdict"]
    assert (found["train"], found["situation"]) == (train, situation)
    assert "probability_worth" not in found


def test_the_next_command_keeps_the_run_s_own_options(run: Run) -> None:
    """Sizes, examples and limits stay, but for the option that is to change."""
    sizes = ["--shots", "2", "--max-tokens", "40", "--problems", "80", "--samples", "8"]
    found = judge(run, [], sizes=sizes, resume=[], can_train=True)
    assert shlex.split(found["next"])[6:] == [*sizes, "--pilot"]
    wrong = strop.gap(
        "ladder/25k", "sudoku4", problems=12, samples=2, shots=1, max_tokens=3, out=run.path / "w"
    )
    found = wrong.document["verdict"]
    assert found["situation"] == "all_wrong"
    words = shlex.split(found["next"])
    assert words[-2:] == ["--shots", "4"] and words.count("--shots") == 1
    assert words[6:-2] == ["--max-tokens", "3", "--problems", "12", "--samples", "2"]
    again = judge(wrong, [], shots=4)
    assert shlex.split(again["next"])[-2:] == ["--shots", "8"]


def test_the_next_command_finds_the_task_of_a_file(tmp_path: Path) -> None:
    """The game of 24 from a file has a label of its own, which no command knows."""
    puzzles = tmp_path / "game24.csv"
    puzzles.write_text("Rank,Puzzles\n1,1 1 4 6\n2,1 1 11 11\n3,1 1 3 8\n")
    task = find_task("game24", puzzles)
    run = strop.gap(
        "ladder/25k", task, problems=3, samples=2, shots=0, max_tokens=3, out=tmp_path / "run"
    )
    words = shlex.split(run.document["verdict"]["next"])
    named = words[words.index("--task") + 1]
    assert named == "game24" != task.label
    assert find_task(named, puzzles) == task


def test_a_format_that_nobody_met_is_not_a_no(tmp_path: Path) -> None:
    file = tmp_path / "samples.jsonl"
    texts = ["The answer is 1.", "The answer is 2."]
    lines = [
        {"problem": str(problem), "text": text, "reference": "#### 1", "scores": {"j": 1}}
        for problem in range(10)
        for text in texts
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    run = strop.import_samples(file, tmp_path / "run", task="gsm8k")
    found = run.document["verdict"]
    assert (found["train"], found["situation"]) == ("unclear", "format")
    assert "50.0%" in found["why"] and found["format_gain"]["value"] == pytest.approx(0.5)


def test_identical_responses(tmp_path: Path) -> None:
    samples = [
        {"problem": str(problem), "text": "same", "utility": problem % 2, "scores": {"j": 1}}
        for problem in range(8)
        for _ in range(4)
    ]
    found = imported(tmp_path, samples).document["verdict"]
    assert (found["train"], found["situation"]) == ("unclear", "identical")
    assert "seed" in found["why"]


def test_imported_responses_need_no_text(tmp_path: Path) -> None:
    made = [row | {"text": ""} for row in rows([[1, 0, 1, 0], [0, 1, 0, 0]] * 6)]
    found = imported(tmp_path, made).document["verdict"]
    assert found["situation"] not in ("identical", "empty")
    assert found["verifier"] == "judge"


def test_unreadable_checks_are_no_verdict(run: Run) -> None:
    worst = dict.fromkeys(("cot-binary", "mc"), 0.95)
    found = judge(run, rounds(0.9), unreadable=worst)
    assert (found["train"], found["situation"]) == ("unclear", "unreadable")
    assert "95%" in found["why"] and known_command(found["next"])
    some = judge(run, rounds(0.9), unreadable={"cot-binary": MANY_UNREADABLE + 0.1})
    assert "20% of the checks of cot-binary" in some["caution"]
    one = judge(run, rounds(0.9), unreadable={"cot-binary": 0.95})
    assert one["verifier"] == "mc", "an unreadable verifier is not chosen"


def test_no_verifier_that_could_filter(tmp_path: Path) -> None:
    """The next command works on imported responses: it needs no model, or names one."""
    made = rows([[1, 0], [0, 1]] * 6, scores=False)
    run = imported(tmp_path, made)
    found = run.document["verdict"]
    assert (found["train"], found["situation"]) == ("unclear", "no_verifier")
    assert found["next"].endswith("--verifier cot-binary --verify-with MODEL")
    assert known_command(found["next"])
    answered = judge(run, [], has_answers=True)
    assert answered["next"] == f"strop verify {run.path} --verifier majority"


def test_responses_without_a_vote_are_no_unreadable_checks(tmp_path: Path) -> None:
    made = []
    for problem in range(12):
        for answer, right in (("1", 1), ("1", 1), ("2", 0), (None, 0), (None, 0), (None, 0)):
            row = {"problem": str(problem), "text": "t", "utility": right}
            made.append(row | ({"answer": answer} if answer else {}))
        made[-1]["text"] = "another"
    run = strop.add_verifier(imported(tmp_path, made).path, "majority")
    found = run.document["verdict"]
    assert run.document["verifiers"]["majority"]["unparsed"] == 36
    assert found["situation"] != "unreadable"
    assert found["verifier"] == "majority"


def test_a_gap_around_zero_names_the_verifier(tmp_path: Path) -> None:
    """The scores of 22 problems are right, and those of 18 are the wrong way round."""
    made = []
    for problem in range(40):
        for label in (1, 0):
            score = label if problem < 22 else 1 - label
            row = {"problem": str(problem), "text": f"text {label}", "utility": label}
            made.append(row | {"scores": {"judge": score}})
    found = imported(tmp_path, made).document["verdict"]
    assert (found["train"], found["situation"]) == ("unclear", "gap_unclear")
    assert found["why"].startswith("whether judge keeps better responses is not shown")
    assert "problems would show it" in found["why"]


def test_a_gap_that_one_problem_decides_is_no_clear_no(tmp_path: Path) -> None:
    """One right response of 384, which the verifier rejects: seen with a real model on facts."""
    right = [[1] + [0] * 7] + [[0] * 8] * 47
    made = rows(right, scores=False)
    for number, row in enumerate(made):
        row["scores"] = {"judge": number % 2}
    found = imported(tmp_path, made).document["verdict"]
    assert found["gap"]["high"] < 0.02
    assert (found["train"], found["situation"]) == ("unclear", "gap_unclear")
    assert "rests on about 1 problem that differ from the rest, too few" in found["why"]


# --- what it rests on ---


def test_the_package_s_updates_and_named_ones_are_both_used(run: Run, tmp_path: Path) -> None:
    own_pair = [u for u in shipped() if (u.model, u.task) == ("ladder/125k", "arithmetic")]
    assert own_pair, "the pair was trained"
    assert len(run.past) == len(shipped()) - len(own_pair), "its own outcome is left out"
    (run.path / UPDATES).write_text("nonsense\n1,2\n")
    with pytest.raises(CorruptPartError, match="cannot be read"):
        _ = Run(run.path).past
    (run.path / UPDATES).unlink()


def test_a_damaged_pilot_is_as_none(run: Run) -> None:
    (run.path / PILOT).write_text("{")
    assert circumstances_of(StoredRun(run.path)).pilots == {}
    (run.path / PILOT).unlink()
