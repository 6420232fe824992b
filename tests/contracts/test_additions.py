"""Add one of each kind by one line in its registry, and use it through the public face.

CONTRIBUTING.md says how. A trainer with its method is added in tests/improvement/test_methods.py.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

import strop
from strop.cli.main import app
from strop.engines import ENGINE_KINDS, Engine, EngineKind, Generation, Request, Scored
from strop.engines.base import plain_text
from strop.records import Problem, Prompt, Sample, Sampling, Score, Usage
from strop.tasks import TASKS
from strop.tasks.base import Check, Grade, Task, draw_distinct, split_of
from strop.tasks.extraction import Found, whole
from strop.verify import VERIFIERS, Candidate, Verdicts, VerificationContext, Verifier
from strop.weigh import WEIGHTS, Weight
from strop.weigh.base import Floats, Mask

SMALL = {"problems": 4, "samples": 4}


@dataclass(frozen=True)
class ReverseDigits(Task):
    """Strings of ``length`` digits."""

    length: int = 4

    name: ClassVar[str] = "reverse-digits"
    description: ClassVar[str] = "write a string of digits backwards"
    max_tokens: ClassVar[int] = 8

    def draw(self, rng: random.Random) -> Problem:
        digits = "".join(rng.choices("0123456789", k=self.length))
        split = split_of(0.5, self.name, digits)
        return Problem(f"{self.name}-{digits}", split, question=digits, reference=digits[::-1])

    def problems(self, split: str, count: int, seed: int) -> list[Problem]:
        return draw_distinct(self.draw, self.name, split, count, seed)

    def gold_response(self, problem: Problem) -> str:
        return problem.question[::-1]

    def grade(self, text: str, problem: Problem) -> Grade:
        numbers = list(re.finditer(r"\d+", text[:10_000]))
        last = Found(numbers[-1][0], "last number", numbers[-1].start()) if numbers else None
        return Grade.of(whole(text, 100), last, right=lambda answer: answer == problem.reference)

    def check(self, problem: Problem, response: str) -> Check:
        gold = self.gold_response(problem)
        text = f"{problem.question} backwards is {gold}."
        return Check(text, holds=(response.strip() == gold,))


@dataclass(frozen=True)
class Letters(Verifier):
    """The share of letters among the characters of a response."""

    name: ClassVar[str] = "letters"
    description: ClassVar[str] = "the share of letters in the response; asks no model"
    default_weight: ClassVar[str] = "quantile:0.5"
    asks_model: ClassVar[bool] = False
    samples_text: ClassVar[bool] = False

    def score(self, candidates: Sequence[Candidate], context: VerificationContext) -> Verdicts:
        scores = []
        for candidate in candidates:
            letters = sum(character.isalpha() for character in candidate.text)
            scores.append(Score(letters / max(1, len(candidate.text)), parsed=True))
        return Verdicts(scores, Usage())


@dataclass(frozen=True)
class Top(Weight):
    """Keep the m best responses to each problem, and all ties with the m-th."""

    m: int = 1

    name: ClassVar[str] = "top"
    description: ClassVar[str] = "keeps the m best responses to each problem, ties included"
    rank_based: ClassVar[bool] = True
    is_filter: ClassVar[bool] = True
    axis: ClassVar[str | None] = "responses kept, m"
    whole_axis: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.m % 1 != 0 or self.m < 1:
            raise ValueError(f"top:{self.m:g} is out of range; expected a whole number, 1 or more")

    def weigh(self, score_PK: Floats, mask_PK: Mask) -> Floats:
        descending_PK = -np.sort(-score_PK, axis=1)
        last_P1 = descending_PK[:, [min(self.m, score_PK.shape[1]) - 1]]
        return ((score_PK >= last_P1) & np.isfinite(score_PK)).astype(float)

    @classmethod
    def sweep(cls, score_N: Floats) -> list[Weight]:
        return [cls(m) for m in (1, 2, 3)]


class EchoEngine(Engine):
    """Answers every prompt with the text after the prefix of its name."""

    def __init__(self, text: str, label: str) -> None:
        self.text = text
        self.label = label

    @property
    def name(self) -> str:
        return self.label

    @property
    def parameters(self) -> int:
        return 0

    def render(self, prompt: Prompt) -> str:
        return plain_text(prompt)

    def count_tokens(self, prompt: Prompt) -> int:
        return 1

    def sample(self, requests: Sequence[Request], sampling: Sampling) -> Generation:
        answer = Sample(self.text, (0,), 0.0, "end")
        samples = [[answer for _ in request.seeds] for request in requests]
        return Generation(samples, Usage(prompt_tokens=len(requests)))

    def score(self, prompts: Sequence[Prompt], continuations: Sequence[str]) -> Scored:
        row = [0.0 if text == self.text else -np.inf for text in continuations]
        return Scored(np.array([row for _ in prompts]), Usage(prompt_tokens=len(prompts)))


def run_command(*words: str) -> str:
    """Run a command of strop, and return what it prints."""
    result = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TASKS, ReverseDigits.name, ReverseDigits)
    assert "write a string of digits backwards" in run_command("tasks")
    run = strop.gap("ladder/25k", "reverse-digits", **SMALL, out=tmp_path / "run")
    assert run.record["asked"]["task"] == "reverse-digits"
    # The run can be read again by the name of its task alone.
    assert strop.Run(tmp_path / "run").plan.task == ReverseDigits()


def test_a_verifier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VERIFIERS, Letters.name, Letters)
    assert "the share of letters" in run_command("verifiers")
    folder = tmp_path / "run"
    strop.gap("ladder/25k", "signs", verifiers=["majority"], **SMALL, out=folder)
    printed = run_command("verify", str(folder), "--verifier", "letters", "--json")
    assert "letters" in json.loads(printed)["verifiers"]
    texts = strop.Run(folder).responses["text"]
    expected = [sum(map(str.isalpha, text)) / max(1, len(text)) for text in texts]
    assert strop.Run(folder).scores["letters"]["score"].to_list() == pytest.approx(expected)


def test_a_weight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(WEIGHTS, Top.name, Top)
    weights = ["top:1", "top:2"]
    run = strop.gap(
        "ladder/25k", "signs", verifiers=["logprob"], weights=weights, **SMALL, out=tmp_path / "run"
    )
    kept = run.estimates.filter(quantity="kept_share").select("weigh", "value").rows()
    assert kept == [("top:1", 0.25), ("top:2", 0.5)]
    with pytest.raises(strop.StropError, match=r"top:0.5 is out of range"):
        strop.gap("ladder/25k", "signs", weights=["top:0.5"])


def test_a_weight_is_in_the_table_on_the_page_and_in_the_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class TopLetters(Letters):
        default_weight: ClassVar[str] = "top:1"

    monkeypatch.setitem(WEIGHTS, Top.name, Top)
    monkeypatch.setitem(VERIFIERS, TopLetters.name, TopLetters)
    folder = tmp_path / "run"
    sizes = ["--problems", "4", "--samples", "4"]
    words = ["--model", "ladder/25k", "--task", "signs", "--verifier", "letters", *sizes]
    table = run_command("gap", *words, "--out", str(folder))
    assert "@top:1" in table
    page = (folder / "report.html").read_text(encoding="utf-8")
    # The list of weights, and the axis of the curve of gaps, whose values are whole numbers.
    assert f"<code>top:m</code> {Top.description}" in page
    assert "responses kept, m" in page
    assert '"values":[1,2,3]' in page.replace(".0", "")
    (reader,) = re.findall(r'id="reader-data">(.*?)</script>', page)
    kept = []
    for problem in json.loads(reader)[0]["problems"]:
        scores = [response["scores"][0] for response in problem["responses"]]
        best = max(score["score"] for score in scores)
        kept += [score["kept"] == (score["score"] == best) for score in scores]
    assert kept and all(kept)


@pytest.mark.filterwarnings("ignore:mc. ")  # a constant engine writes neither option
def test_an_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    echo = EngineKind("echo:TEXT", "answers with TEXT", module=__name__, loader="EchoEngine")
    monkeypatch.setitem(ENGINE_KINDS, "echo:", echo)
    run = strop.gap("echo:Answer 12", "arithmetic", **SMALL, out=tmp_path / "run")
    assert set(run.responses["text"]) == {"Answer 12"}
    assert run.record["model"]["engine"] == "EchoEngine"


def test_a_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Imported here: the studies need altair, and the other tests of this file do not.
    from strop.studies import STUDIES, Study
    from strop.studies.frame.findings import Finding
    from strop.studies.frame.runs import Runs, RunSpec

    @dataclass(frozen=True)
    class LengthsStudy(Study):
        """The mean length of a response beside the accuracy, model by model."""

        models: tuple[str, ...] = ("ladder/25k", "ladder/40k")
        task: str = "signs"
        problems: int = 100
        samples: int = 16

        name: ClassVar[str] = "lengths"
        description: ClassVar[str] = "response length against accuracy"

        @classmethod
        def quick(cls) -> LengthsStudy:
            return cls(problems=4, samples=4)

        def wanted(self) -> Sequence[RunSpec]:
            return [self.spec(model) for model in self.models]

        def spec(self, model: str) -> RunSpec:
            return RunSpec(model, self.task, problems=self.problems, samples=self.samples)

        def findings(self, runs: Runs) -> Iterator[Finding]:
            rows = []
            sentences = []
            for model in self.models:
                run = runs.run(self.spec(model))
                tokens, accuracy = run.responses["tokens"].mean(), run.accuracies["accuracy"]
                rows.append((model, tokens, accuracy.value))
                sentences.append(f"{model}: {tokens:.1f} tokens, accuracy {accuracy:.1%}.")
            data = pl.DataFrame(rows, schema=["model", "tokens", "accuracy"], orient="row")
            title = "Length and accuracy"
            yield Finding("lengths", title, "no result.", " ".join(sentences), "open.", data)

    monkeypatch.setitem(STUDIES, LengthsStudy.name, LengthsStudy)
    assert "response length against accuracy" in run_command("study", "--list")
    command = ["study", "lengths", "--quick", "--task", "recall", "--out", str(tmp_path)]
    assert "2 runs" in run_command(*command, "--dry-run")
    page = Path(run_command(*command).strip())
    assert "ladder/40k: " in page.read_text(encoding="utf-8")
    assert pl.read_parquet(tmp_path / "lengths" / "lengths.parquet").height == 2
