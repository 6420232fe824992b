"""verify/base.py and verify/__init__.py: verifiers with a wording of their own."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import strop
from strop.engines.base import plain_text
from strop.engines.tabular import TabularEngine
from strop.prompts import WORDING, Example, Wording, solution_prompt
from strop.run.plan import Plan
from strop.tasks import Recall
from strop.verify import (
    VERIFIERS,
    ChainOfThoughtBinary,
    ChainOfThoughtScore,
    MultipleChoice,
    PromptedVerifier,
    Tournament,
)
from tests.verify.german import GERMAN

PROMPTED = [kind for kind in VERIFIERS.values() if issubclass(kind, PromptedVerifier)]


def test_what_ends_a_verification_follows_its_frame() -> None:
    """A base model goes on with a question as its own examples begin.

    "Question:" may then be part of a check.
    """
    shown = Plan("m", Recall(), shots=2)
    examples = (Example("q", "r", "c", True),)
    for plan, wording, stop in (
        (Plan("m", Recall()), GERMAN, ()),
        (shown, WORDING, ("\nQuestion:",)),
        (shown, GERMAN, ("\nFrage:",)),
        (Plan("m", Recall()), replace(GERMAN, examples=examples), ("\nFrage:",)),
        (Plan("m", Recall()), replace(WORDING, examples=examples), ("\nQuestion:",)),
    ):
        assert plan.verification_sampling(ChainOfThoughtBinary(wording=wording)).stop == stop
    assert (
        shown.verification_sampling(ChainOfThoughtScore(wording=GERMAN)).stop == ()
    )  # its frame begins with the question itself
    assert shown.verification_sampling(VERIFIERS["majority"]()).stop == ("\nQuestion:",)


@pytest.mark.parametrize("kind", PROMPTED, ids=lambda kind: kind.name)
def test_settings_hold_the_words_that_are_used_and_not_the_default(
    kind: type[PromptedVerifier],
) -> None:
    wording = replace(
        GERMAN,
        multiple_choice="{question} {response}?",
        examples=(Example("q", "r", "c", True), Example("q", "s", "c", False, 3)),
    )
    settings = kind(wording=wording).settings()
    assert kind().settings() == {key: value for key, value in settings.items() if key != "wording"}
    assert (
        list(settings["wording"]) == list(kind.worded)
        and json.loads(json.dumps(settings)) == settings
    )
    assert settings["wording"]["examples"][1] == {
        "question": "q",
        "response": "s",
        "check": "c",
        "correct": False,
        "score": 3,
    }
    unused = {"verdict", "better", "score_line"} - set(kind.worded)
    assert (
        kind(wording=replace(WORDING, **dict.fromkeys(unused, "\nSo:"))).settings()
        == kind().settings()
    )


def own_table(wording: Wording, says_right: float) -> TabularEngine:
    """Answers rightly half the time, and knows its answers by the wording's prompts alone."""
    task, table = Recall(), dict[str, dict[str, float]]()
    for problem in Plan("tabular", task, problems=4).draw_problems():
        table[plain_text(solution_prompt(task, problem, []))] = {
            f" {problem.reference}": 0.5,
            " zz": 0.5,
        }
        for answer in (str(problem.reference), "zz"):
            right = says_right if answer != "zz" else 1 - says_right
            filled = [
                f.replace("{question}", problem.question).replace("{response}", answer)
                for f in (wording.multiple_choice, wording.binary)
            ]
            table[filled[0]] = {wording.correct: right, wording.incorrect: 1 - right}
            table[filled[1]] = {
                f" gut{wording.verdict}{wording.correct}": right,
                f" x{wording.verdict}{wording.incorrect}": 1 - right,
            }
    return TabularEngine(table)


def test_a_run_asks_and_reads_in_its_own_words(tmp_path: Path) -> None:
    wording = replace(GERMAN, multiple_choice="{question}: {response}? Richtig/Falsch")
    engine = own_table(wording, says_right=0.999)
    verifiers = [MultipleChoice(wording=wording), ChainOfThoughtBinary(wording=wording)]
    run = strop.gap(
        engine,
        "recall",
        problems=4,
        samples=8,
        temperature=1.0,
        top_p=1.0,
        verifiers=verifiers,
        out=tmp_path / "run",
    )
    rows = run.responses.join(run.scores["mc"], on=["problem", "sample"])
    assert ((rows["score"] > 0.5) == (rows["utility_strict"] == 1)).all() and set(
        rows["score"].round(3)
    ) == {0.999, 0.001}
    assert run.scores["cot-binary"]["parsed"].all() and set(run.scores["cot-binary"]["score"]) == {
        0.0,
        1.0,
    }
    assert (
        "mc asks in words of its own: multiple_choice, correct, incorrect" in run.document["notes"]
    )
    again = strop.gap(
        engine,
        "recall",
        problems=4,
        samples=8,
        temperature=1.0,
        top_p=1.0,
        verifiers=verifiers,
        out=tmp_path / "run",
    )
    assert again.document == run.document


def test_scores_in_other_words_are_refused(tmp_path: Path) -> None:
    """A run refuses them, and so does adding a verifier, in one line with the difference."""
    settings = {"problems": 4, "samples": 4, "out": tmp_path / "run"}
    run = strop.gap("ladder/40k", "recall", verifiers=["mc"], **settings)
    assert "wording" not in json.dumps(run.record)
    changed = replace(
        WORDING, multiple_choice=WORDING.multiple_choice.replace("correct or incorrect?", "right?")
    )
    with pytest.raises(
        strop.StropError,
        match=r"scores of mc with settings wording None, "
        r"and settings wording {'multiple_choice': .* was asked",
    ):
        strop.add_verifier(run.path, MultipleChoice(wording=changed))
    with pytest.raises(
        strop.StropError,
        match=r"holds another run .*verifiers mc wording None there, {'multiple_choice'",
    ) as refused:
        strop.gap("ladder/40k", "recall", verifiers=[MultipleChoice(wording=changed)], **settings)
    assert len(str(refused.value)) < 300 + len(str(tmp_path))
    strop.add_verifier(run.path, Tournament(wording=GERMAN))
    with pytest.raises(
        strop.StropError,
        match=r"with settings wording tournament ….*bessere, A oder.*, "
        r"and settings wording tournament ….*schlechtere.*…",
    ):
        strop.add_verifier(
            run.path,
            Tournament(
                wording=replace(
                    GERMAN, tournament=GERMAN.tournament.replace("bessere", "schlechtere")
                )
            ),
        )
    unused = strop.add_verifier(
        run.path, MultipleChoice(wording=replace(WORDING, better="\nBest:"))
    )
    assert unused.scores["mc"].equals(run.scores["mc"])


def test_names_are_found_in_a_wording(tmp_path: Path) -> None:
    from strop.verify import find_verifier, find_verifiers

    assert [find_verifier(name) for name in VERIFIERS] == [kind() for kind in VERIFIERS.values()]
    assert find_verifiers(["mc", "majority"], GERMAN) == [
        MultipleChoice(wording=GERMAN),
        VERIFIERS["majority"](),
    ]
    with pytest.raises(
        strop.StropError,
        match=r"--prompts is for verifiers .*\(mc, cot-binary, cot-score, cot-mc, tournament\); "
        r"got majority",
    ):
        find_verifiers(["majority"], GERMAN)
    assert find_verifiers(["majority"], WORDING)
