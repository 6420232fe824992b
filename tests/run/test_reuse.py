"""Parts of a smaller run are taken over by a larger one, if they are those that it would make."""

from __future__ import annotations

from pathlib import Path

import pytest

from strop.engines import load_engine
from strop.progress import Silent
from strop.run.executors import Execution, Threads
from strop.run.gap import sample, verify_run
from strop.run.run import Run
from strop.run.verification import Verification
from strop.verify import find_verifier

MODEL = "ladder/25k"


def drawn(out: Path, problems: int, reuse: Path | None = None, seed: int = 0) -> Run:
    return sample(
        load_engine(MODEL),
        "recall",
        out=out,
        workers=1,
        problems=problems,
        samples=4,
        seed=seed,
        reuse=reuse,
    )


def stamps(run: Run, stage: str) -> list[float]:
    """Return the seconds that each part took: a copy has those of its original."""
    return [run.folder.usage_of_part(stage, part).seconds for part in range(run.plan.parts)]


def test_a_larger_run_takes_over_the_parts_of_a_smaller_one(tmp_path: Path) -> None:
    small = drawn(tmp_path / "small", 32)
    large = drawn(tmp_path / "large", 48, reuse=small.path)
    fresh = drawn(tmp_path / "fresh", 48)
    assert large.responses.equals(fresh.responses) and large.greedy.equals(fresh.greedy)
    assert stamps(large, "responses")[:2] == stamps(small, "responses")


def test_scores_are_taken_over_with_their_responses(tmp_path: Path) -> None:
    small, large = drawn(tmp_path / "small", 32), drawn(tmp_path / "large", 48)
    verification = Verification.of(find_verifier("mc"), load_engine(MODEL))
    execution = Execution(Threads(1), Silent())
    verify_run(small, verification, execution)
    verify_run(large, verification, execution, reuse=small.path)
    small, large = Run(small.path), Run(large.path)
    assert stamps(large, "scores/mc")[:2] == stamps(small, "scores/mc")
    assert large.scores["mc"].head(small.scores["mc"].height).equals(small.scores["mc"])


@pytest.mark.parametrize("other", ["seed", "part", "nothing"])
def test_parts_that_differ_are_not_taken_over(tmp_path: Path, other: str) -> None:
    """Another seed draws other problems; half a part is no part; a missing folder has none."""
    small = drawn(tmp_path / "small", 24 if other == "part" else 32, seed=int(other == "seed"))
    reuse = tmp_path / "none" if other == "nothing" else small.path
    large = drawn(tmp_path / "large", 48, reuse=reuse)
    fresh = drawn(tmp_path / "fresh", 48)
    assert large.responses.equals(fresh.responses)
    pairs = zip(stamps(large, "responses"), stamps(small, "responses"), strict=False)
    taken_over = sum(seconds == earlier for seconds, earlier in pairs)
    assert taken_over == (1 if other == "part" else 0)
