"""The corpus: nothing held out gets in, the tokenizer loses nothing, and the documents say what is true."""

from __future__ import annotations

import random
import re
from itertools import islice, repeat

import pytest
from tokenizers import Tokenizer

from strop.engines import LADDER
from strop.ladder.candidates import SLIPS, candidate
from strop.ladder.corpus import CORPUS_TASKS, DOCUMENT_WEIGHTS, Stream, document, training_problem
from strop.ladder.tokenizer import build_tokenizer
from strop.ladder.train import BATCH_TOKENS, RECIPES, batches, encode
from strop.prompts import CORRECT, INCORRECT
from strop.tasks import Task
from strop.tasks.sudoku4 import GRIDS, is_held_out

every_document = pytest.mark.parametrize("kind", DOCUMENT_WEIGHTS, ids="-".join)
every_task = pytest.mark.parametrize("task", CORPUS_TASKS.values(), ids=CORPUS_TASKS)


def text_of(segments: list[tuple[str, float]]) -> str:
    return "".join(piece for piece, _ in segments)


@every_document
def test_pieces_tokenize_as_the_whole_and_come_back(kind: tuple[str, str]) -> None:
    """What is trained on is what a prompt and its answer give at inference."""
    tokenizer, rng = build_tokenizer(), random.Random(0)
    for _ in range(20):
        segments = document(*kind, rng)
        ids, weights = encode(tokenizer, segments)
        assert ids == tokenizer.encode(text_of(segments)).ids and len(ids) == len(weights) <= 256
        assert tokenizer.decode(ids[1:], skip_special_tokens=False) == text_of(segments)
        assert tokenizer.token_to_id("<unk>") not in ids and sum(weights) > 0


def test_no_test_problem_in_the_stream() -> None:
    """Over a stretch of the stream: every question is a training one, and no held-out grid appears anywhere. Facts are the exception."""
    held_out = [" ".join(grid[i : i + 4] for i in range(0, 16, 4)) for grid in GRIDS if is_held_out(grid)]
    tests = {task.name: {p.question for p in task.problems("test", 400, seed=0)} for task in CORPUS_TASKS.values() if task.name != "recall"}
    seen = 0
    for segments in islice(Stream(0).documents(repeat(False)), 20_000):
        text = text_of(segments)
        found = re.match(r"Question: (.*)\n", text)
        if found is None:
            continue
        seen += 1
        assert not any(found.group(1) in questions for questions in tests.values()), text
        assert " | " not in text and not any(grid in text for grid in held_out), text
    assert seen > 10_000


def test_facts_of_both_splits_are_taught() -> None:
    rng = random.Random(0)
    assert {training_problem(CORPUS_TASKS["recall"], rng).split for _ in range(200)} == {"train", "test"}


@every_task
def test_candidates_are_right_and_wrong_and_checks_know_which(task: Task) -> None:
    """A written check holds exactly where grading says right; both kinds are common."""
    rng = random.Random(1)
    right = 0
    for number in range(300):
        problem = training_problem(task, rng)
        response = candidate(problem, rng, hard=number % 2 == 0)
        graded = task.grade(response, problem).utility_strict == 1.0
        assert task.check(problem, response).correct == graded, (problem, response)
        right += graded
    assert 45 <= right <= 180


def test_verdict_documents_end_in_their_verdict() -> None:
    rng = random.Random(2)
    for task, kind in DOCUMENT_WEIGHTS:
        if kind == "cot-binary":
            text = text_of(document(task, kind, rng))
            assert text.endswith((f"\nVerdict:{CORRECT}</s>", f"\nVerdict:{INCORRECT}</s>"))
            assert text.endswith(f"{INCORRECT}</s>") == bool(re.search(r"n(?: |\n)", text.split("Check:")[1]))


def test_slips_are_declared_and_wrong() -> None:
    assert 150 < len(SLIPS) < 210
    from strop.tasks.arithmetic import apply

    assert all(wrong != apply(*fact) for fact, wrong in SLIPS.items())


def test_batches_pack_whole_documents() -> None:
    rows = next(batches(build_tokenizer(), Stream(3).documents(repeat(False))))
    ids, weights, numbers = rows[0]
    assert len(rows) == BATCH_TOKENS // len(ids) and len(ids) == len(weights) == len(numbers)
    assert max(numbers) == sum(token == 1 for token in ids) and all(
        (token == 0) == (number == 0) for token, number in zip(ids, numbers, strict=True)
    )


def test_shipped_tokenizers_are_the_recipes_own() -> None:
    for name in RECIPES:
        shipped = Tokenizer.from_file(str(LADDER / name / "tokenizer.json"))
        assert shipped.to_str() == build_tokenizer().to_str()


def test_same_seed_same_stream() -> None:
    one, two, other = (list(islice(Stream(seed).documents(repeat(False)), 50)) for seed in (5, 5, 6))
    assert one == two != other


def test_training_runs_and_its_model_loads(tmp_path: object) -> None:
    """A few steps of the real recipe: the loss falls, and the folder is what the engines read."""
    from dataclasses import replace
    from pathlib import Path

    from strop.engines.llama import LlamaEngine
    from strop.ladder.train import train

    folder = Path(str(tmp_path)) / "model"
    card = train(replace(RECIPES["40k"], tokens=60_000), folder, report_every=10_000)
    assert card["loss"] < 4.5 and LlamaEngine(folder).parameters == card["parameters"]
