"""The contract of every engine: same seed, same sample; agreement on an embedded model."""

from __future__ import annotations

import json

import numpy as np
import pytest

from strop.engines import LADDER, Engine, Request, embedded_models
from strop.engines.base import plain_text
from strop.engines.llama import LlamaEngine
from strop.engines.tabular import TabularEngine
from strop.engines.transformers import TransformersEngine
from strop.prompts import CORRECT, INCORRECT, solution_prompt, verification_prompt
from strop.records import Prompt, Sampling
from strop.seeds import derive
from strop.tasks import EMBEDDED, Arithmetic

SMALLEST = LADDER / "40k"
ROW = {"a": 0.5, "b": 0.3, "c": 0.15, "d": 0.05}


def prompts(count: int) -> list[Prompt]:
    task = Arithmetic()
    return [solution_prompt(task, problem, []) for problem in task.problems("test", count, seed=0)]


@pytest.fixture(scope="module", params=["tabular", "ladder", "transformers"])
def engine(request: pytest.FixtureRequest) -> Engine:
    if request.param == "tabular":
        return TabularEngine({plain_text(prompt): ROW for prompt in prompts(8)})
    return LlamaEngine(SMALLEST) if request.param == "ladder" else TransformersEngine(str(SMALLEST))


def test_same_seed_same_sample_whatever_the_company(engine: Engine) -> None:
    requests = [
        Request(prompt, tuple(derive(i, j) for j in range(6)))
        for i, prompt in enumerate(prompts(8))
    ]
    sampling = Sampling(0.7, 0.9, 40)
    together = engine.sample(requests, sampling).samples
    again = engine.sample(requests, sampling).samples
    alone = [
        engine.sample([Request(r.prompt, r.seeds[2:3])], sampling).samples[0][0] for r in requests
    ]
    assert [[s.token_ids for s in row] for row in together] == [
        [s.token_ids for s in row] for row in again
    ]
    assert [row[2].token_ids for row in together] == [s.token_ids for s in alone]


def test_greedy_takes_the_mode_and_ends_as_declared(engine: Engine) -> None:
    [[first, second]] = engine.sample(
        [Request(prompts(1)[0], (1, 2))], Sampling(0.0, 1.0, 60)
    ).samples
    assert first.token_ids == second.token_ids and first.finish == "end" and engine.counts_end_token


def test_usage_counts_prompts_once(engine: Engine) -> None:
    usage = engine.sample([Request(prompts(1)[0], tuple(range(10)))], Sampling(0.7, 0.9, 40)).usage
    assert (
        usage.prompt_tokens == engine.count_tokens(prompts(1)[0]) and usage.generated_tokens >= 10
    )


def test_the_tokens_of_a_prompt_are_those_that_are_counted(engine: Engine) -> None:
    """Training reads them. An engine that does not know them gives none."""
    for prompt in prompts(4):
        tokens = engine.prompt_tokens(prompt)
        assert len(tokens) == engine.count_tokens(prompt) or tokens == ()
        assert tokens or isinstance(engine, TabularEngine)


@pytest.fixture(scope="module")
def pair() -> tuple[Engine, Engine]:
    return LlamaEngine(LADDER / "250k"), TransformersEngine(str(LADDER / "250k"))


def test_both_engines_give_the_same_token_log_probabilities(pair: tuple[Engine, Engine]) -> None:
    """Each engine's samples, scored by the other, token by token: within 1e-4."""
    ours, theirs = pair
    for task in (cls() for cls in EMBEDDED.values()):
        asked = [solution_prompt(task, problem, []) for problem in task.problems("test", 4, seed=1)]
        for writer, reader in ((ours, theirs), (theirs, ours)):
            drawn = writer.sample(
                [Request(prompt, (7,)) for prompt in asked], Sampling(0.7, 0.9, task.max_tokens)
            ).samples
            for prompt, [sample] in zip(asked, drawn, strict=True):
                text = sample.text
                prefixes = [text[:n] for n in range(1, len(text) + 1)]
                assert reader.score([prompt], prefixes).logprobs_PC == pytest.approx(
                    writer.score([prompt], prefixes).logprobs_PC, abs=1e-4
                )
                end = sample.logprob - reader.score([prompt], [text]).logprobs_PC[0, 0]
                assert sample.finish != "end" or -20 < end < 1e-4


def test_both_engines_draw_the_same_samples_from_the_same_seeds(
    pair: tuple[Engine, Engine],
) -> None:
    """Their random numbers are the same, so only rounding at the border of two tokens differs."""
    requests = [
        Request(prompt, tuple(derive(i, k) for k in range(8)))
        for i, prompt in enumerate(prompts(25))
    ]
    ours, theirs = (
        [
            s.token_ids
            for row in engine.sample(requests, Sampling(0.7, 0.9, 40)).samples
            for s in row
        ]
        for engine in pair
    )
    assert np.mean([a == b for a, b in zip(ours, theirs, strict=True)]) > 0.99


def test_both_engines_answer_alike_greedily_and_judge_alike(pair: tuple[Engine, Engine]) -> None:
    task = Arithmetic()
    problems = task.problems("test", 24, seed=2)
    requests = [Request(solution_prompt(task, problem, []), (0,)) for problem in problems]
    answers = [
        [row[0] for row in engine.sample(requests, Sampling(0.0, 1.0, 64)).samples]
        for engine in pair
    ]
    assert [a.text for a in answers[0]] == [a.text for a in answers[1]]
    assert [a.logprob for a in answers[0]] == pytest.approx(
        [a.logprob for a in answers[1]], abs=1e-3
    )
    judged = [
        verification_prompt("multiple_choice", task, p, a.text, [])
        for p, a in zip(problems, answers[0], strict=True)
    ]
    ours, theirs = (engine.score(judged, (CORRECT, INCORRECT)).logprobs_PC for engine in pair)
    assert ours == pytest.approx(theirs, abs=1e-3)


@pytest.mark.parametrize("name", embedded_models())
def test_every_embedded_model_is_the_same_model_in_transformers(name: str) -> None:
    folder = LADDER / name.removeprefix("ladder/")
    ours, theirs = LlamaEngine(folder), TransformersEngine(str(folder))
    assert ours.parameters == theirs.parameters == embedded_models()[name]["parameters"]
    assert json.loads((folder / "config.json").read_text())["head_dim"] >= 32, (
        "servers such as vLLM load no narrower heads"
    )
    asked, texts = (
        prompts(4),
        [f" {Arithmetic().gold_response(p)}" for p in Arithmetic().problems("test", 4, seed=0)],
    )
    assert ours.score(asked, texts).logprobs_PC == pytest.approx(
        theirs.score(asked, texts).logprobs_PC, abs=1e-3
    )
