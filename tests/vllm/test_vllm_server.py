"""The openai engine against `vllm serve`: the embedded engine's numbers up to rounding.

Run with -s to see the numbers. Servers that lack abilities are tested in
``tests/engines/test_openai.py``.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from strop.engines import load_engine
from strop.engines.base import Engine, Request, plain_text
from strop.engines.llama import LlamaEngine
from strop.engines.nucleus import log_probabilities
from strop.engines.openai import OpenAIEngine
from strop.errors import ModelError
from strop.generate import draw_responses, response_seeds
from strop.measure.intervals import Ratio, estimate, resample_counts
from strop.prompts import CORRECT, INCORRECT, solution_prompt, verification_prompt
from strop.records import Prompt, Sample, Sampling, blind
from strop.tasks import EMBEDDED, Arithmetic

VERDICTS = (CORRECT, INCORRECT)
CHAT = "<s>{% for m in messages %}{{ m['content'] }}{% endfor %}"


@pytest.fixture(scope="module")
def served(vllm_server: str) -> OpenAIEngine:
    engine = load_engine(f"openai:m@{vllm_server}")
    assert isinstance(engine, OpenAIEngine)
    return engine


def requests(count: int, seeds: int) -> list[Request]:
    """Return requests for ``count`` problems of every embedded task, with ``seeds`` seeds each."""
    pairs = [
        (task, problem)
        for task in (cls() for cls in EMBEDDED.values())
        for problem in task.problems("test", count, seed=0)
    ]
    return [
        Request(solution_prompt(task, problem, []), response_seeds(0, "test", problem, seeds))
        for task, problem in pairs
    ]


def log_probability(ours: LlamaEngine, prompt: Prompt, token_ids: Sequence[int]) -> float:
    """Return the embedded engine's log-probability of exactly these tokens after the prompt."""
    ids = ours.tokenizer.encode(plain_text(prompt)).ids
    whole = np.array([[*ids, *token_ids]])
    hidden, _ = ours.model.prefill(whole, np.array([whole.shape[1]]))
    return float(
        log_probabilities(
            ours.model.logits(hidden[0, len(ids) - 1 : -1]), np.array(token_ids)
        ).sum()
    )


def judged(ours: LlamaEngine, count: int) -> list[Prompt]:
    """Return verification prompts for responses, right and wrong ones."""
    task = Arithmetic()
    problems = task.problems("test", count, seed=2)
    drawn = ours.sample(
        [Request(solution_prompt(task, problem, []), (1,)) for problem in problems],
        Sampling(1.0, 1.0, 64),
    ).samples
    return [
        verification_prompt("multiple_choice", task, p, s.text, [])
        for p, [s] in zip(problems, drawn, strict=True)
    ]


def test_vllm_has_all_abilities(served: OpenAIEngine) -> None:
    abilities = served.abilities
    assert (
        abilities.several
        and abilities.logprobs
        and abilities.echo
        and abilities.token_ids
        and abilities.seed
        and abilities.ends is True
    )
    assert (
        not abilities.chat
        and abilities.top == 20
        and "top_k" in abilities.always
        and abilities.system.startswith("vllm")
    )


@pytest.mark.parametrize("stop", [(), ("#",)])
def test_log_probabilities_of_200_responses(
    stop: tuple[str, ...], served: OpenAIEngine, ours: LlamaEngine
) -> None:
    """Responses drawn at temperature 0.7 and top-p 0.9 have log-probabilities at temperature 1."""
    asked = requests(10, 5)
    rows = served.sample(asked, Sampling(0.7, 0.9, 64, stop)).samples
    pairs = [
        (request.prompt, sample) for request, row in zip(asked, rows, strict=True) for sample in row
    ]
    apart = [
        abs(sample.logprob - log_probability(ours, prompt, sample.token_ids or ()))
        for prompt, sample in pairs
    ]
    finishes = {sample.finish for _, sample in pairs}
    print(f"{len(pairs)} responses, largest difference {max(apart):.1e}, finishes {finishes}")
    assert len(pairs) == 200 and max(apart) < 1e-3
    assert {sample.finish for _, sample in pairs} >= ({"stop"} if stop else {"end"})
    for _, sample in pairs:
        assert (sample.finish == "end") == (
            sample.token_ids is not None and sample.token_ids[-1] in ours.model.end_tokens
        )
        assert not any(string in sample.text for string in stop)


def test_greedy_texts_are_the_same(served: OpenAIEngine, ours: LlamaEngine) -> None:
    asked = requests(60, 1)
    texts = [
        [row[0].text for row in engine.sample(asked, Sampling(0.0, 1.0, 64)).samples]
        for engine in (served, ours)
    ]
    same = sum(one == other for one, other in zip(*texts, strict=True))
    print(f"{same} of {len(asked)} greedy texts are the same")
    assert same >= 0.99 * len(asked)


@pytest.mark.parametrize("settings", ["", "?top=1"])
def test_multiple_choice(settings: str, vllm_server: str, ours: LlamaEngine) -> None:
    """Scores come from the 20 likeliest tokens, or with ``top=1`` from the echoed text."""
    prompts = judged(ours, 60)
    theirs = load_engine(f"openai:m@{vllm_server}{settings}").score(prompts, VERDICTS)
    apart = np.abs(theirs.logprobs_PC - ours.score(prompts, VERDICTS).logprobs_PC).max()
    print(f"largest difference {apart:.1e}, {theirs.usage.prompt_tokens:,} prompt tokens")
    assert apart < 1e-3


def test_multiple_choice_where_an_option_is_split(
    serve: Callable[[Path], str], split_folder: Path
) -> None:
    engine, ours = load_engine(f"openai:m@{serve(split_folder)}"), LlamaEngine(split_folder)
    assert [
        len(ours.tokenizer.encode(text, add_special_tokens=False).ids) for text in VERDICTS
    ] == [1, len(INCORRECT)]
    prompts = judged(ours, 20)
    apart = np.abs(
        engine.score(prompts, VERDICTS).logprobs_PC - ours.score(prompts, VERDICTS).logprobs_PC
    ).max()
    print(f"largest difference {apart:.1e}")
    assert apart < 1e-3


def test_chat(
    serve: Callable[[Path], str],
    folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
    ours: LlamaEngine,
) -> None:
    """A chat template that adds only the start token gives plain text: same numbers."""
    place = tmp_path_factory.mktemp("chat") / "model"
    shutil.copytree(folder, place)
    settings = json.loads((place / "tokenizer_config.json").read_text())
    (place / "tokenizer_config.json").write_text(json.dumps(settings | {"chat_template": CHAT}))
    engine = load_engine(f"openai:m@{serve(place)}")
    assert isinstance(engine, OpenAIEngine) and engine.abilities.chat and engine.counts_end_token
    asked = requests(5, 2)
    for sampling in (Sampling(0.7, 0.9, 64), Sampling(0.7, 0.9, 64, ("#",))):
        rows = engine.sample(asked, sampling).samples
        pairs = [
            (request.prompt, sample)
            for request, row in zip(asked, rows, strict=True)
            for sample in row
        ]
        apart = [
            abs(s.logprob - log_probability(ours, prompt, s.token_ids or ())) for prompt, s in pairs
        ]
        print(f"{len(pairs)} responses by chat, largest difference {max(apart):.1e}")
        assert max(apart) < 1e-3
    prompts = judged(ours, 20)
    apart = np.abs(
        engine.score(prompts, VERDICTS).logprobs_PC - ours.score(prompts, VERDICTS).logprobs_PC
    )
    assert np.nanmax(apart) < 1e-3 and np.isnan(apart).mean() < 0.05


def accuracy_P(engine: Engine, count: int, samples: int) -> np.ndarray:
    task = Arithmetic()
    problems = task.problems("test", count, seed=0)
    seeds = [response_seeds(0, "parity", problem, samples) for problem in problems]
    drawn: list[list[Sample]] = draw_responses(
        engine, task, [blind(p) for p in problems], [], Sampling(0.7, 0.9, task.max_tokens), seeds
    ).samples
    return np.array(
        [
            np.mean([task.grade(s.text, p).utility_strict for s in row])
            for p, row in zip(problems, drawn, strict=True)
        ]
    )


def test_paired_difference_lies_within_two_points_of_zero(
    served: OpenAIEngine, ours: LlamaEngine
) -> None:
    count = 500
    difference_P = accuracy_P(served, count, 16) - accuracy_P(ours, count, 16)
    result = estimate(
        Ratio(difference_P, np.ones(count), "paired difference of accuracies"),
        resample_counts(count, seed=0),
    )
    print(f"paired difference {result:+.2%}")
    assert (
        result.low is not None
        and result.high is not None
        and result.low > -0.02
        and result.high < 0.02
    )


def test_a_prompt_that_is_too_long_is_one_line(served: OpenAIEngine) -> None:
    with pytest.raises(ModelError, match=r"refuses the request \(status 400\).*max_model_len"):
        served.sample([Request(requests(1, 1)[0].prompt, (1,))], Sampling(1.0, 1.0, 5_000))
