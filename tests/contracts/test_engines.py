"""What every engine promises: the tabular one exactly, the others by agreement with each other on an embedded model."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from strop.engines import LADDER, Engine, Request, embedded_models, load_engine
from strop.engines.base import plain_text
from strop.engines.llama import CHUNK_ROWS, LlamaEngine, _chunks
from strop.engines.tabular import TabularEngine
from strop.engines.transformers import TransformersEngine
from strop.errors import ModelError, UsageError
from strop.prompts import CORRECT, INCORRECT, solution_prompt, verification_prompt
from strop.records import Message, Prompt, Sampling
from strop.seeds import derive
from strop.tasks import EMBEDDED, Arithmetic

SMALLEST = LADDER / "40k"
PROMPT: Prompt = (Message("user", "q"),)
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
    """Their random numbers are the same, so only rounding tells them apart: a token at the border of two."""
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


def test_the_ladder_is_what_was_promised() -> None:
    """Six sizes and a second family of two, in 16 MB, with cards that say what they are."""
    cards = embedded_models()
    families = [card["family"] for card in cards.values()]
    assert families.count("full") >= 6 and families.count("lean") >= 2
    assert sum(path.stat().st_size for path in LADDER.rglob("*")) < 16e6
    for card in cards.values():
        assert (
            "DESIGNED" in card["imperfections"]
            and card["licence"] == "Apache-2.0"
            and card["corpus"]
        )
        cells = card["evaluation"]["cells"]
        assert len(cells) == 12 and card["evaluation"]["seeds_trained"] >= (
            3 if card["family"] == "full" else 1
        )
        assert all(
            {"accuracy", "cot-binary tpr", "cot-binary fpr"} <= cell.keys()
            for cell in cells.values()
        )


def test_log_probability_counts_the_end_token() -> None:
    engine = LlamaEngine(SMALLEST)
    prompt = prompts(1)[0]
    [[sample]] = engine.sample([Request(prompt, (3,))], Sampling(0.7, 0.9, 60)).samples
    assert sample.token_ids[-1] in engine.model.end_tokens
    without = engine.score([prompt], [sample.text]).logprobs_PC[0, 0]
    assert sample.logprob < without + 1e-5


def test_frequencies_follow_the_log_probabilities() -> None:
    """First tokens at temperature 1: every share within five standard errors of the probability that scoring gives."""
    engine = LlamaEngine(SMALLEST)
    prompt = (Message("user", "Question: 1?2?3?4?5=6 (+-)\nAnswer: 1"),)
    samples = engine.sample(
        [Request(prompt, tuple(derive("frequency", i) for i in range(4000)))], Sampling(1.0, 1.0, 1)
    ).samples[0]
    shares = Counter(sample.text for sample in samples)
    texts = ["+", "-", "*"]
    probabilities = np.exp(engine.score([prompt], texts).logprobs_PC[0])
    for text, p in zip(texts, probabilities, strict=True):
        assert abs(shares[text] / 4000 - p) < 5 * np.sqrt(p * (1 - p) / 4000) + 1e-3
    for sample in samples[:20]:
        assert sample.finish == "length" and len(sample.token_ids) == 1


def test_finished_rows_leave_without_a_trace() -> None:
    """Rows of very different lengths, in chunks of different widths, against one row at a time."""
    engine = LlamaEngine(SMALLEST)
    requests = [
        Request(prompt, tuple(derive(i, j) for j in range(1 + i % 3)))
        for i, prompt in enumerate(prompts(9))
    ]
    mixed = engine.sample(requests, Sampling(1.5, 1.0, 64)).samples
    for request, row in zip(requests, mixed, strict=True):
        for seed, sample in zip(request.seeds, row, strict=True):
            [[alone]] = engine.sample(
                [Request(request.prompt, (seed,))], Sampling(1.5, 1.0, 64)
            ).samples
            assert alone.token_ids == sample.token_ids and alone.logprob == pytest.approx(
                sample.logprob, abs=1e-3
            )


def test_stop_strings_end_a_response_and_are_counted() -> None:
    engine = LlamaEngine(SMALLEST)
    prompt = prompts(1)[0]
    [[whole]] = engine.sample([Request(prompt, (3,))], Sampling(0.0, 1.0, 60)).samples
    [[cut]] = engine.sample([Request(prompt, (3,))], Sampling(0.0, 1.0, 60, stop=("=",))).samples
    assert cut.finish == "stop" and cut.text == whole.text.split("=")[0]
    assert (
        cut.token_ids == whole.token_ids[: len(cut.token_ids)]
        and len(cut.token_ids) == len(cut.text) + 1
    )


def test_options_of_several_tokens_are_scored_whole() -> None:
    engine = LlamaEngine(SMALLEST)
    prompt = prompts(1)[0]
    whole = engine.score([prompt], ["12", "1"]).logprobs_PC[0]
    then = engine.score([(Message("user", plain_text(prompt) + "1"),)], ["2"]).logprobs_PC[0, 0]
    assert whole[0] == pytest.approx(whole[1] + then, abs=1e-5)


@pytest.mark.parametrize("counts", [[3] * 5, [1, 2, 3], [600], [600] * 2, [CHUNK_ROWS], [600, 1]])
def test_chunks_cover_every_seed_once_and_are_rectangular(counts: list[int]) -> None:
    chunks = list(_chunks(counts))
    covered = Counter((i, j) for chunk in chunks for i, a, b in chunk for j in range(a, b))
    assert covered == Counter((i, j) for i, count in enumerate(counts) for j in range(count))
    for chunk in chunks:
        assert (
            len({b - a for _, a, b in chunk}) == 1 and sum(b - a for _, a, b in chunk) <= CHUNK_ROWS
        )


def test_tabular_frequencies_and_top_p_are_exact() -> None:
    engine = TabularEngine({"q": ROW})
    seeds = tuple(derive("tabular", i) for i in range(20_000))
    for sampling, law in (
        (Sampling(1.0, 1.0, 1), ROW),
        (Sampling(1.0, 0.6, 1), {"a": 0.625, "b": 0.375}),
        (Sampling(1.0, 0.01, 1), {"a": 1.0}),
        (
            Sampling(0.5, 1.0, 1),
            {text: p**2 / sum(q**2 for q in ROW.values()) for text, p in ROW.items()},
        ),
    ):
        samples = engine.sample([Request(PROMPT, seeds)], sampling).samples[0]
        shares = Counter(sample.text for sample in samples)
        assert set(shares) == set(law)
        for text, p in law.items():
            assert (
                abs(shares[text] / len(seeds) - p) < 5 * np.sqrt(p * (1 - p) / len(seeds)) + 1e-12
            )
        assert samples[0].logprob == pytest.approx(np.log(ROW[samples[0].text]))


def test_bad_models_are_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there are ladder/25k"):
        load_engine("ladder/9000k")
    with pytest.raises(ModelError, match="sum to 1"):
        TabularEngine({"q": {"a": 0.5}})
    with pytest.raises(ModelError, match="no row for the prompt"):
        TabularEngine({"q": ROW}).sample(
            [Request((Message("user", "other"),), (1,))], Sampling(1, 1, 1)
        )
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    with pytest.raises(ModelError, match=r"model\.safetensors"):
        LlamaEngine(tmp_path)
    with pytest.raises(UsageError, match="fewer shots"):
        LlamaEngine(SMALLEST).sample([Request(prompts(1)[0], (1,))], Sampling(1, 1, 2000))


def test_every_shipped_model_has_a_card_and_loads() -> None:
    for name, card in embedded_models().items():
        engine = load_engine(name)
        assert (
            engine.parameters == card["parameters"]
            and card["flops"] == 6 * card["parameters"] * card["tokens"]
        )
        assert isinstance(engine, LlamaEngine) and engine.model.head_size >= 32
