"""The corpus: nothing held out gets in, and the documents say what is true."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice, repeat

import pytest

from strop.engines import embedded_models
from strop.ladder import train
from strop.ladder.corpus import (
    CORPUS_TASKS,
    DOCUMENT_WEIGHTS,
    FAMILIES,
    KINDS,
    EmbeddedTask,
    Stream,
    document,
    training_problem,
)
from strop.ladder.recipes import RECIPES
from strop.ladder.worksheets import Segments
from strop.prompts import CORRECT, INCORRECT
from strop.seeds import fraction
from strop.tasks.arithmetic import HELD_OUT_SHARE
from strop.tasks.signs import read_question
from strop.tasks.sudoku4 import GRIDS, in_rows, is_held_out

every_document = pytest.mark.parametrize("kind", DOCUMENT_WEIGHTS, ids="-".join)
every_task = pytest.mark.parametrize(
    "task", [tasks[0] for tasks in CORPUS_TASKS.values()], ids=CORPUS_TASKS
)
RECIPES_SHIPPED = [card["recipe"] for card in embedded_models().values()]


def text_of(segments: list[tuple[str, float]]) -> str:
    return "".join(piece for piece, _ in segments)


HELD_OUT_GRIDS = [in_rows(grid) for grid in GRIDS if is_held_out(grid)]


def test_no_test_problem_in_a_stretch_of_the_stream() -> None:
    seen = sum(
        check_document(text_of(segments))
        for segments in islice(Stream(0).documents(repeat(False)), 5_000)
    )
    assert seen > 2_500


@pytest.mark.parametrize(
    ("family", "seed"), sorted({(r["family"], r["seed"]) for r in RECIPES_SHIPPED})
)
def test_no_test_problem_in_the_whole_stream_of_a_shipped_model(
    family: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Draw the stream of a training again and check every document, down to the last token."""
    seen = [0]

    class Checked(Stream):
        def documents(self, early: Iterator[bool]) -> Iterator[Segments]:
            for segments in super().documents(early):
                seen[0] += check_document(text_of(segments))
                yield segments

    monkeypatch.setattr(train, "Stream", Checked)
    tokens = 0
    recipe = replace(RECIPES["25k"], family=family, seed=seed)
    for batch in train.Training.begin(recipe).rows():
        tokens += train.tokens_in(batch)
        if tokens >= recipe.tokens:
            break
    assert seen[0] > 50_000


def check_document(text: str) -> bool:
    """Return whether the document is about a problem; assert that it is not a held-out one.

    Facts are the exception: the test of ``recall`` is of memory.
    """
    assert not any(grid in text for grid in HELD_OUT_GRIDS), text
    match = re.match(r"Question: (.*)\n", text)
    if match is None:
        return False
    question = match.group(1)
    if "?" in question:
        digits, _, pair = read_question(question)
        assert fraction("held out", "signs", digits, *sorted(pair)) >= HELD_OUT_SHARE, text
    elif question[0].isdigit() and "=" not in question and " " not in question:
        assert all(
            fraction("held out", "arithmetic", question[:end]) >= HELD_OUT_SHARE
            for end in range(3, len(question) + 1, 2)
        ), text
    else:
        assert re.fullmatch(r"[a-z]{3}|[1-4. ]{19}", question), text
    return True


@every_task
def test_the_tests_own_problems_are_held_out(task: EmbeddedTask) -> None:
    """The check of the stream would report a held-out problem."""
    if task.name == "recall":
        return
    for level in task.levels:
        for problem in type(task).at(level).problems("test", 50, seed=1):
            with pytest.raises(AssertionError):
                check_document(
                    f"Question: {problem.question}\nAnswer: {task.gold_response(problem)}"
                )


def test_facts_of_both_splits_are_taught() -> None:
    rng = random.Random(0)
    assert {training_problem(CORPUS_TASKS["recall"][0], rng).split for _ in range(200)} == {
        "train",
        "test",
    }


def test_verdict_documents_end_in_their_verdict() -> None:
    rng = random.Random(2)
    for task, kind in DOCUMENT_WEIGHTS:
        if kind == "cot-binary":
            text = text_of(document(task, kind, rng))
            assert text.endswith((f"\nVerdict:{CORRECT}</s>", f"\nVerdict:{INCORRECT}</s>"))
            assert text.endswith(f"{INCORRECT}</s>") == bool(
                re.search(r"n(?: |\n)", text.split("Check:")[1])
            )


def test_same_seed_same_stream() -> None:
    one, two, other = (
        list(islice(Stream(seed).documents(repeat(False)), 50)) for seed in (5, 5, 6)
    )
    assert one == two != other


def test_the_families_differ_in_judged_candidates_alone() -> None:
    full, lean = FAMILIES["full"].weights, FAMILIES["lean"].weights
    assert {key: lean[key] / full[key] for key in full} == pytest.approx(
        {key: 0.1 if key[1] in KINDS[1:] else 1 for key in full}
    )


def test_the_right_one_wins_a_tournament_document() -> None:
    rng = random.Random(4)
    for task in CORPUS_TASKS:
        winners = []
        for _ in range(60):
            first, second = re.findall(
                r" (Correct|Incorrect)\n",
                (text := text_of(document(task, "tournament", rng))).split("Check:")[1],
            )
            winner = text.removesuffix("</s>")[-1]
            winners.append(winner)
            assert first == second or winner == ("A" if first == "Correct" else "B"), text
        assert 15 < winners.count("A") < 45
