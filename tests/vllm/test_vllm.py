"""The vLLM engine against the embedded engine: the same weights give the same numbers.

They differ by rounding only. Run with -s to see the numbers.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from strop.engines import LADDER, Engine, Request, load_engine
from strop.engines.base import plain_text
from strop.engines.llama import LlamaEngine
from strop.engines.nucleus import log_probabilities
from strop.engines.vllm import VllmEngine
from strop.errors import ModelError, UsageError
from strop.generate import draw_responses, response_seeds
from strop.measure.intervals import Ratio, estimate, resample_counts
from strop.prompts import CORRECT, INCORRECT, solution_prompt, verification_prompt
from strop.records import Message, Prompt, Sample, Sampling, blind
from strop.seeds import derive
from strop.tasks import EMBEDDED, Arithmetic

VERDICTS = (CORRECT, INCORRECT)


def requests(count: int, seeds: int = 1, shots: int = 0) -> list[Request]:
    """Return requests for ``count`` problems of every embedded task, with ``seeds`` seeds each."""
    asked = []
    for task in (cls() for cls in EMBEDDED.values()):
        examples = task.problems("train", shots, seed=1) if shots else []
        for problem in task.problems("test", count, seed=0):
            asked.append(
                Request(
                    solution_prompt(task, problem, examples),
                    response_seeds(0, "test", problem, seeds),
                )
            )
    return asked


def drawn(engine: Engine, asked: Sequence[Request], sampling: Sampling) -> list[Sample]:
    return [sample for row in engine.sample(asked, sampling).samples for sample in row]


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
    """Return verification prompts for greedy answers, right and wrong ones."""
    task = Arithmetic()
    problems = task.problems("test", count, seed=2)
    answers = drawn(
        ours,
        [Request(solution_prompt(task, problem, []), (0,)) for problem in problems],
        Sampling(0, 1, task.max_tokens),
    )
    return [
        verification_prompt("multiple_choice", task, p, a.text, [])
        for p, a in zip(problems, answers, strict=True)
    ]


# --- the contract of an engine ---


def test_same_seed_same_sample_whatever_the_company(engine: VllmEngine) -> None:
    """Repeated, the same; alone, the same but for rare tokens decided by rounding."""
    asked, sampling = requests(6, seeds=4), Sampling(0.7, 0.9, 40)
    together = drawn(engine, asked, sampling)
    again = drawn(engine, asked, sampling)
    alone = [
        drawn(engine, [Request(item.prompt, (seed,))], sampling)[0]
        for item in asked
        for seed in item.seeds
    ]
    assert [s.token_ids for s in together] == [s.token_ids for s in again]
    share = np.mean([a.token_ids == b.token_ids for a, b in zip(together, alone, strict=True)])
    print(f"same sample alone: {share:.1%}")
    assert share >= 0.98


def test_different_seeds_give_different_samples(engine: VllmEngine) -> None:
    [row] = engine.sample(
        [Request(requests(1)[0].prompt, tuple(2**64 - 1 - i for i in range(32)))],
        Sampling(1.5, 1, 40),
    ).samples
    assert len({sample.token_ids for sample in row}) > 16


def test_frequencies_follow_the_log_probabilities(engine: VllmEngine) -> None:
    """First tokens follow the scores at temperature 1, and lie in the nucleus at top-p 0.6."""
    prompt = (Message("user", "Question: 1?2?3?4?5=6 (+-)\nAnswer: 1"),)
    texts = [chr(code) for code in range(32, 127)]
    probabilities = dict(
        zip(texts, np.exp(engine.score([prompt], texts).logprobs_PC[0]), strict=True)
    )
    seeds = tuple(derive("frequency", i) for i in range(4000))
    shares = Counter(s.text for s in drawn(engine, [Request(prompt, seeds)], Sampling(1, 1, 1)))
    for text, p in probabilities.items():
        assert abs(shares[text] / 4000 - p) < 5 * np.sqrt(p * (1 - p) / 4000) + 1e-3
    ranked = sorted(probabilities, key=lambda text: -probabilities[text])
    above = np.cumsum([0, *(probabilities[text] for text in ranked)])
    nucleus = {text for text, mass in zip(ranked, above, strict=False) if mass < 0.6}
    assert {s.text for s in drawn(engine, [Request(prompt, seeds)], Sampling(1, 0.6, 1))} == nucleus


def test_usage_is_what_vllm_counted(engine: VllmEngine) -> None:
    """Run and cached prompt tokens add up; repeated long prompts are found in the cache."""
    asked = requests(2, seeds=3, shots=8)
    given = sum(engine.count_tokens(item.prompt) * len(item.seeds) for item in asked)
    first, second = (engine.sample(asked, Sampling(0.7, 0.9, 8)) for _ in range(2))
    for generation in (first, second):
        usage = generation.usage
        assert usage.prompt_tokens + usage.cached_tokens == given
        assert usage.generated_tokens == sum(
            len(s.token_ids) for row in generation.samples for s in row
        )
        assert usage.flops > 2 * engine.parameters * (
            usage.prompt_tokens + usage.generated_tokens - 24
        )
    assert (
        second.usage.cached_tokens >= first.usage.cached_tokens > 0
        and second.usage.cached_tokens > given / 3
    )


def test_flops_are_those_of_the_ladder_engine(engine: VllmEngine, ours: LlamaEngine) -> None:
    """The same work: one greedy response to each prompt, with nothing cached."""
    asked = [Request((Message("user", f"Question: {i}*7+{i}\nAnswer:"),), (0,)) for i in range(9)]
    theirs, mine = (each.sample(asked, Sampling(0, 1, 30)).usage for each in (engine, ours))
    assert (
        theirs.cached_tokens == mine.cached_tokens == 0
        and theirs.generated_tokens == mine.generated_tokens
    )
    assert theirs.flops == pytest.approx(float(mine.flops))


def test_its_properties_are_those_of_the_embedded_engine(
    engine: VllmEngine, ours: LlamaEngine, folder: Path
) -> None:
    assert (
        engine.parameters == ours.parameters
        and engine.context == ours.context
        and engine.counts_end_token
    )
    assert (
        engine.describe()["vllm"] and engine.describe()["dtype"] == "float32" and engine.fingerprint
    )
    prompt = requests(1)[0].prompt
    assert engine.render(prompt) == ours.render(prompt) and engine.count_tokens(
        prompt
    ) == ours.count_tokens(prompt)
    with pytest.raises(UsageError, match="fewer shots or a smaller --max-tokens"):
        engine.sample([Request(prompt, (1,))], Sampling(0, 1, 1024))
    assert engine.sample([], Sampling(0, 1, 8)).samples == [] and engine.score(
        [], VERDICTS
    ).logprobs_PC.shape == (0, 2)
    assert engine.score([prompt], ["", "1"]).logprobs_PC[0, 0] == 0


# --- the same numbers as the embedded engine ---


def test_log_probabilities_of_200_responses(engine: VllmEngine, ours: LlamaEngine) -> None:
    """The sum is over all tokens of a response, including the one that ended it."""
    asked = requests(50)
    assert len(asked) == 200
    found: Counter[str] = Counter()
    for sampling in (
        Sampling(0.7, 0.9, 100),
        Sampling(0.7, 0.9, 100, stop=("=", " #", "4 ")),
        Sampling(1, 1, 5),
    ):
        differences = []
        for item, sample in zip(asked, drawn(engine, asked, sampling), strict=True):
            found[sample.finish] += 1
            differences.append(
                abs(sample.logprob - log_probability(ours, item.prompt, sample.token_ids))
            )
            text = ours.tokenizer.decode(list(sample.token_ids))
            ending = (
                max(sampling.stop, key=lambda string: text.endswith(string))
                if sample.finish == "stop"
                else ""
            )
            assert (sample.token_ids[-1] in ours.model.end_tokens) == (sample.finish == "end")
            assert text == sample.text + ending and len(sample.token_ids) <= sampling.max_tokens
            assert (len(sample.token_ids) == sampling.max_tokens) or sample.finish != "length"
        print(
            f"200 responses, stop {sampling.stop}, {sampling.max_tokens} tokens: "
            f"largest difference {max(differences):.1e}"
        )
        assert max(differences) < 1e-3
    print(dict(found))
    assert min(found[finish] for finish in ("end", "stop", "length")) >= 50


def test_greedy_responses_are_the_same(engine: VllmEngine, ours: LlamaEngine) -> None:
    """Texts agree on at least 99% of 400 problems, with log-probabilities within 1e-3."""
    asked = requests(100)
    theirs, mine = (drawn(each, asked, Sampling(0, 1, 120)) for each in (engine, ours))
    same = [(a, b) for a, b in zip(theirs, mine, strict=True) if a.token_ids == b.token_ids]
    largest = max(abs(a.logprob - b.logprob) for a, b in same)
    print(f"greedy: {len(same)} of {len(asked)} identical, log-probabilities within {largest:.1e}")
    assert len(same) >= 0.99 * len(asked) and largest < 1e-3
    assert all((a.text, a.finish) == (b.text, b.finish) for a, b in same)


def test_every_end_token_of_the_generation_config_ends_a_response(
    folder: Path, ours: LlamaEngine, tmp_path: Path
) -> None:
    """It counts, and is not in the text; here it is "=", which every arithmetic response has."""
    shutil.copytree(folder, tmp_path / "model")
    path = tmp_path / "model" / "generation_config.json"
    [equals] = ours.tokenizer.encode("=", add_special_tokens=False).ids
    path.write_text(
        json.dumps(
            json.loads(path.read_text()) | {"eos_token_id": [*ours.model.end_tokens, equals]}
        )
    )
    task = Arithmetic()
    asked = [
        Request(solution_prompt(task, problem, []), (0,))
        for problem in task.problems("test", 8, seed=0)
    ]
    for item, sample in zip(
        asked, drawn(VllmEngine(str(tmp_path / "model")), asked, Sampling(0, 1, 100)), strict=True
    ):
        assert sample.finish == "end" and sample.token_ids[-1] == equals and "=" not in sample.text
        assert sample.logprob == pytest.approx(
            log_probability(ours, item.prompt, sample.token_ids), abs=1e-3
        )


def test_a_chat_template_writes_the_prompt_and_its_special_tokens(
    folder: Path, ours: LlamaEngine, tmp_path: Path
) -> None:
    """The rendered text has one begin token, and the embedded engine's log-probabilities."""
    shutil.copytree(folder, tmp_path / "model")
    path = tmp_path / "model" / "tokenizer_config.json"
    template = (
        "<s>{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
        "{% if add_generation_prompt %}assistant:{% endif %}"
    )
    path.write_text(json.dumps(json.loads(path.read_text()) | {"chat_template": template}))
    theirs = load_engine(f"vllm:{tmp_path / 'model'}")
    prompt = (Message("user", " 1+1 "), Message("assistant", "2"), Message("user", "1+2"))
    text = "user: 1+1\nassistant: 2\nuser: 1+2\nassistant:"
    assert theirs.render(prompt) == f"<s>{text}" and theirs.count_tokens(
        prompt
    ) == ours.count_tokens((Message("user", text),))
    difference = (
        theirs.score([prompt], VERDICTS).logprobs_PC
        - ours.score([(Message("user", text),)], VERDICTS).logprobs_PC
    )
    assert np.abs(difference).max() < 1e-3


def test_multiple_choice_scores(engine: VllmEngine, ours: LlamaEngine) -> None:
    asked = judged(ours, 200)
    theirs, mine = engine.score(asked, VERDICTS), ours.score(asked, VERDICTS)
    largest = np.abs(theirs.logprobs_PC - mine.logprobs_PC).max()
    print(
        f"mc: largest difference {largest:.1e}; {theirs.usage.prompt_tokens} prompt tokens run, "
        f"{theirs.usage.cached_tokens} cached"
    )
    assert largest < 1e-3
    assert theirs.usage.prompt_tokens + theirs.usage.cached_tokens == sum(
        map(engine.count_tokens, set(asked))
    ), "one request a question"


def test_options_of_several_tokens_are_scored_whole(
    split_folder: Path, engine: VllmEngine, ours: LlamaEngine
) -> None:
    """A second engine, whose tokenizer splits " Incorrect" in ten; the first one outlives it."""
    theirs, mine = VllmEngine(str(split_folder), max_num_seqs=64), LlamaEngine(split_folder)
    assert len(mine.tokenizer.encode(INCORRECT, add_special_tokens=False).ids) == 10
    asked = judged(ours, 40)
    difference = np.abs(
        theirs.score(asked, VERDICTS).logprobs_PC - mine.score(asked, VERDICTS).logprobs_PC
    )
    print(f'split " Incorrect": largest difference {difference.max():.1e}')
    assert difference.max() < 1e-3
    many = [
        chr(a) + chr(b) for a in range(48, 58) for b in range(33, 50)
    ]  # 170 options, more than one request may name
    assert (
        np.abs(
            theirs.score(asked[:2], many).logprobs_PC - mine.score(asked[:2], many).logprobs_PC
        ).max()
        < 1e-3
    )
    del theirs
    gc.collect()
    assert (
        np.abs(
            engine.score(asked, VERDICTS).logprobs_PC - ours.score(asked, VERDICTS).logprobs_PC
        ).max()
        < 1e-3
    )


@pytest.mark.parametrize(
    ("sampling", "samples", "count"),
    [(Sampling(0, 1, 120), 1, 400), (Sampling(0.7, 0.9, 120), 16, 1000)],
)
def test_paired_accuracy_difference(
    engine: VllmEngine, ours: LlamaEngine, sampling: Sampling, samples: int, count: int
) -> None:
    """No problem differs, or the 95% interval of the difference lies within 2 points of zero."""
    task = Arithmetic()
    problems = task.problems("test", count, seed=0)
    seeds = [response_seeds(0, "parity", problem, samples) for problem in problems]
    accuracy_P = []
    for each in (engine, ours):
        rows = draw_responses(
            each, task, [blind(problem) for problem in problems], [], sampling, seeds
        ).samples
        graded = [
            [task.grade(s.text, p).utility_strict for s in row]
            for p, row in zip(problems, rows, strict=True)
        ]
        accuracy_P.append(np.array(graded, dtype=float).mean(axis=1))
    difference_P = accuracy_P[0] - accuracy_P[1]
    result = estimate(
        Ratio(difference_P, np.ones(count), "paired difference of accuracies"),
        resample_counts(count, seed=0),
    )
    print(
        f"accuracy {accuracy_P[1].mean():.1%}; paired difference {result:+.2%}, "
        f"{np.count_nonzero(difference_P)} problems differ"
    )
    if difference_P.any():  # where every problem gives the same, there is no interval
        assert result.low is not None and result.high is not None
        assert result.low > -0.02 and result.high < 0.02


# As users meet it


def strop(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "strop", *arguments], capture_output=True, text=True, check=False
    )


def test_gap_end_to_end(folder: Path, tmp_path: Path) -> None:
    """One document on stdout, the embedded engine's estimates up to noise, a run that resumes."""
    common = [
        "--task",
        "arithmetic",
        "--problems",
        "60",
        "--samples",
        "8",
        "--verifier",
        "mc",
        "--verifier",
        "cot-binary",
        "--verifier",
        "logprob",
        "--json",
    ]
    model, out = f"vllm:{folder}?max_model_len=512", tmp_path / "run"
    done = strop("gap", "--model", model, "--out", str(out), *common)
    assert done.returncode == 0, done.stderr[-3000:]
    document = json.loads(done.stdout)
    assert document["model"] == model and document["usage"]["generated_tokens"] > 60 * 8
    assert (
        document["verifiers"]["mc"]["unparsed"] == 0
        and document["verifiers"]["logprob"]["gap"]["value"] is not None
    )
    record = json.loads((out / "run.json").read_text())
    assert record["model"]["vllm"] and record["model"]["max_model_len"] == 512
    ladder = json.loads(
        strop(
            "gap", "--model", f"ladder/{folder.name}", "--out", str(tmp_path / "ladder"), *common
        ).stdout
    )
    assert document["greedy"]["value"] == pytest.approx(ladder["greedy"]["value"], abs=0.02)
    assert document["accuracy"]["value"] == pytest.approx(ladder["accuracy"]["value"], abs=0.1)
    again = strop("gap", "--model", model, "--out", str(out), *common)
    assert again.returncode == 0 and json.loads(again.stdout)["verifiers"] == document["verifiers"]


def test_a_script_needs_no_main_guard(tmp_path: Path) -> None:
    """It may also load one model after the other."""
    script = tmp_path / "script.py"
    model = f"vllm:{LADDER / '40k'}"
    options = "task='arithmetic', problems=10, samples=4, verifiers=['mc']"
    call = f"strop.gap(model={model!r}, {options}, out="
    script.write_text(f"import strop\n{call}'first')\n{call}'second')\nprint('done')\n")
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0 and done.stdout.endswith("done\n"), done.stderr[-3000:]


BAD = [
    (
        "vllm:{model}?flavour=sweet",
        "there is no setting 'flavour'; there are dtype, tensor_parallel_size",
    ),
    ("vllm:{model}?chat=true", "its tokenizer has no chat template; leave chat out"),
    ("vllm:{model}?dtype=int3", "dtype 'int3' is not known; expected one of float32"),
    ("vllm:{model}?max_model_len=many", "max_model_len is 'many'; expected int"),
    ("vllm:{model}?max_model_len=-3", "max_model_len is -3; expected a positive number"),
    ("vllm:{model}?max_model_len=9999", "cannot be loaded"),
    ("vllm:no/such/folder", "model folder no/such/folder does not exist"),
    ("vllm:", "has no readable config.json"),
    ("vllm:{pickle}", "only pickled weights (pytorch_model.bin)"),
    ("vllm:{code}", "asks for code of its own"),
    ("vllm:{broken}", "cannot be loaded"),
]


@pytest.mark.parametrize(("model", "message"), BAD, ids=[model for model, _ in BAD])
def test_bad_models_are_one_line_and_exit_code_2(
    model: str, message: str, folder: Path, tmp_path: Path
) -> None:
    config = json.loads((folder / "config.json").read_text())
    places = {name: tmp_path / name for name in ("pickle", "code", "broken")}
    for place in places.values():
        place.mkdir()
        (place / "config.json").write_text(
            json.dumps(
                config | ({"auto_map": {"AutoModel": "m.M"}} if place.name == "code" else {})
            )
        )
        (
            place / ("pytorch_model.bin" if place.name == "pickle" else "model.safetensors")
        ).write_bytes(b"nothing")
    done = strop(
        "gap", "--model", model.format(model=folder, **places), "--out", str(tmp_path / "run")
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("strop: ")]
    assert done.returncode == 2 and len(lines) == 1 and message in lines[0], done.stderr[-3000:]
    assert "Traceback" not in done.stderr and not done.stdout


def test_a_hub_model_that_is_not_there_is_one_line() -> None:
    assert os.environ["HF_HUB_OFFLINE"] == "1"
    with pytest.raises(ModelError, match="is no folder here and cannot be loaded from the hub"):
        load_engine("vllm:nobody/no-such-model")
