"""The openai engine against a local server (loopback.py), directly and through a faulty proxy.

Covers openai.py, openai_probe.py, openai_scoring.py and openai_server.py together.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import strop
from strop.engines import LADDER, load_engine
from strop.engines.base import Request
from strop.engines.llama import LlamaEngine
from strop.engines.openai import OpenAIEngine
from strop.errors import ModelError, TokenLimitError, UsageError
from strop.prompts import CORRECT, INCORRECT, solution_prompt, verification_prompt
from strop.records import Prompt, Sampling, Usage
from strop.tasks import Arithmetic
from tests.engines.loopback import FAULTS, FaultyProxy, Loopback, Talent, serving

pytest.importorskip("openai")

SMALL = LADDER / "25k"
KEY = "sk-strop-3141592653589793"
TASK = Arithmetic()
SOLUTIONS = [solution_prompt(TASK, problem, []) for problem in TASK.problems("test", 20, seed=3)]
WARM, GREEDY = Sampling(1.0, 1.0, 48), Sampling(0.0, 1.0, 48)


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture(scope="module")
def server() -> Iterator[Loopback]:
    server = Loopback(SMALL)
    with serving(server):
        yield server


@pytest.fixture(scope="module")
def ladder() -> LlamaEngine:
    return LlamaEngine(SMALL)


def served(server: Loopback, talent: Talent, settings: str = "") -> OpenAIEngine:
    """Return an engine on the server, which now has these talents."""
    server.talent = talent
    server.asked.clear()
    engine = load_engine(f"openai:tiny@{server.url}?backoff=0.01&retries=3{settings}")
    assert isinstance(engine, OpenAIEngine)
    return engine


def checks(ladder: LlamaEngine) -> list[Prompt]:
    """Verification prompts of sampled responses."""
    problems = TASK.problems("test", 20, seed=3)
    drawn = ladder.sample([Request(prompt, (5,)) for prompt in SOLUTIONS], WARM).samples
    return [
        verification_prompt("multiple_choice", TASK, p, s.text, [])
        for p, [s] in zip(problems, drawn, strict=True)
    ]


# --- a server with all abilities ---


def test_samples_are_the_embedded_models_own(server: Loopback, ladder: LlamaEngine) -> None:
    """The same draws give the same texts, token ids, finishes and log-probabilities."""
    engine = served(server, Talent())
    assert engine.counts_end_token and engine.lacks == {}
    for sampling in (WARM, GREEDY, Sampling(0.7, 0.9, 48, ("=",)), Sampling(1.0, 1.0, 5)):
        ours = engine.sample([Request(prompt, (7,)) for prompt in SOLUTIONS], sampling).samples
        theirs = ladder.sample([Request(prompt, (7,)) for prompt in SOLUTIONS], sampling).samples
        for [one], [other] in zip(ours, theirs, strict=True):
            assert (one.text, one.token_ids, one.finish) == (
                other.text,
                other.token_ids,
                other.finish,
            )
            assert one.logprob == pytest.approx(other.logprob, abs=1e-3)
    assert {s.finish for [s] in ours} == {"length"}


def test_alone_in_its_request_a_sample_depends_on_its_own_seed(server: Loopback) -> None:
    engine = served(server, Talent(), "&n=1")
    [together] = engine.sample([Request(SOLUTIONS[0], (31, 8, 5))], WARM).samples
    [[alone]] = engine.sample([Request(SOLUTIONS[0], (8,))], WARM).samples
    assert together[1] == alone and {body["n"] for body in server.asked[-4:]} == {1}


def test_every_field_is_sent_with_every_request(server: Loopback) -> None:
    engine = served(server, Talent())
    server.asked.clear()
    engine.sample([Request(SOLUTIONS[0], (1, 2, 3))], Sampling(0.7, 0.9, 48, ("=",)))
    engine.score([SOLUTIONS[0]], (CORRECT, INCORRECT))
    for body in server.asked:
        assert body["top_k"] == -1 and body["min_p"] == 0 and body["repetition_penalty"] == 1
        assert {
            "temperature",
            "top_p",
            "max_tokens",
            "n",
            "presence_penalty",
            "frequency_penalty",
            "model",
        } <= body.keys()
    first = server.asked[0]
    assert (
        first["n"],
        first["temperature"],
        first["top_p"],
        first["max_tokens"],
        first["stop"],
    ) == (3, 0.7, 0.9, 48, ["="])
    assert first["seed"] == 1


def test_usage_is_the_servers_count_with_its_price(server: Loopback, ladder: LlamaEngine) -> None:
    engine = served(server, Talent(), "&price_in=3&price_out=15&parameters=1000")
    probing = engine.sample([], WARM).usage
    assert (
        probing.prompt_tokens > 0 and probing.generated_tokens > 0
    )  # what was asked to find out is billed too, once
    generation = engine.sample([Request(prompt, (1, 2)) for prompt in SOLUTIONS], WARM)
    read = sum(map(ladder.count_tokens, SOLUTIONS))
    written = sum(len(s.token_ids or ()) for row in generation.samples for s in row)
    assert (generation.usage.prompt_tokens, generation.usage.generated_tokens) == (read, written)
    assert generation.usage.cost == pytest.approx((3 * read + 15 * written) / 1e6)
    assert generation.usage.flops == 2000 * (read + written) and generation.usage.failures == 0
    assert (
        engine.count_tokens(SOLUTIONS[0])
        == pytest.approx(ladder.count_tokens(SOLUTIONS[0]), rel=0.2)
        and engine.context is None
    )


def test_a_tokenizer_makes_counts_exact_and_refuses_early(
    server: Loopback, ladder: LlamaEngine
) -> None:
    engine = served(server, Talent(), f"&tokenizer={SMALL}")
    assert engine.context == ladder.context
    assert [engine.count_tokens(prompt) for prompt in SOLUTIONS] == [
        ladder.count_tokens(prompt) for prompt in SOLUTIONS
    ]
    server.asked.clear()
    with pytest.raises(UsageError, match="fewer shots"):
        engine.sample([Request(SOLUTIONS[0], (1,))], Sampling(1, 1, 2000))
    assert server.asked == []


# --- servers that lack an ability ---


LESS = {
    "one sample a request": (Talent(several=False), True),
    "no echo": (Talent(echo=False), True),
    "no token ids": (Talent(token_ids=False), True),
    "no fields of its own": (Talent(extras=False), True),
    "five likeliest tokens": (Talent(most_top=5), True),
    "no end token": (Talent(ends=False), True),
    "no log-probabilities": (Talent(logprobs=False), False),
    "log-probabilities after temperature": (Talent(at_temperature_1=False), False),
    "chat alone": (Talent(chat=True, completions=False, echo=False), True),
    "chat by new names": (
        Talent(chat=True, completions=False, limit="max_completion_tokens", extras=False),
        True,
    ),
}


@pytest.mark.parametrize("name", LESS)
def test_missing_abilities_are_found_and_replaced(
    name: str, server: Loopback, ladder: LlamaEngine
) -> None:
    talent, has_logprobs = LESS[name]
    engine = served(server, talent)
    assert len(server.asked) <= 14
    described = engine.describe()
    assert described["interface"] == ("chat" if talent.chat else "completions")
    assert described["samples_per_request"] == ("several" if talent.several else "one")
    assert ("top_k" in server.asked[-1]) == talent.extras == (described["top_k"] == "sent as off")
    seeds = (11, 12, 13)
    rows = engine.sample([Request(prompt, seeds) for prompt in SOLUTIONS[:6]], WARM).samples
    theirs = ladder.sample([Request(prompt, seeds) for prompt in SOLUTIONS[:6]], WARM).samples
    assert engine.counts_end_token == talent.ends
    for row, expected in zip(rows, theirs, strict=True):
        assert [s.text for s in row] == [s.text for s in expected]
        for one, other in zip(row, expected, strict=True):
            assert (one.token_ids is None) == (not (talent.token_ids and talent.extras))
            ended = other.finish == "end" and not talent.ends
            assert not has_logprobs or one.tokens == (other.tokens or 0) - ended
            if not has_logprobs:
                assert np.isnan(one.logprob) and str(described["log_probabilities"]).startswith(
                    "none: "
                )
            elif ended:
                assert one.logprob >= other.logprob - 1e-6
            else:
                assert one.logprob == pytest.approx(other.logprob, abs=1e-3)


def test_a_chat_does_not_go_on_from_given_words(server: Loopback, tmp_path: Path) -> None:
    """cot-mc appends the words before a verdict to the model's check; a chat takes whole turns."""
    assert "continue" not in served(server, Talent()).lacks
    engine = served(server, Talent(chat=True))
    with pytest.raises(UsageError, match=r"cot-mc cannot be used .* a chat server does not go on"):
        strop.gap(engine, "recall", verifiers=["cot-mc"], out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_prompt_by_chat_is_shown_as_its_messages(server: Loopback) -> None:
    engine = served(server, Talent(chat=True))
    assert json.loads(engine.render(SOLUTIONS[0])) == [
        {"role": "user", "content": SOLUTIONS[0][0].content}
    ]
    assert (
        served(server, Talent(chat=True), "&chat=false").render(SOLUTIONS[0])
        == SOLUTIONS[0][0].content
    )


@pytest.mark.parametrize(
    "talent", [Talent(), Talent(echo=False), Talent(most_top=1), Talent(chat=True)]
)
def test_options_are_scored_as_the_embedded_engine_scores_them(
    talent: Talent, server: Loopback, ladder: LlamaEngine
) -> None:
    engine = served(server, talent, "&top=128")
    prompts = checks(ladder)
    expected = ladder.score(prompts, (CORRECT, INCORRECT)).logprobs_PC
    scored = engine.score(prompts, (CORRECT, INCORRECT))
    assert scored.logprobs_PC == pytest.approx(expected, abs=1e-3)
    assert scored.usage.generated_tokens <= 9 * len(prompts) + 200


def split_incorrect(folder: Path) -> Path:
    """Copy the model with a tokenizer that spells " Incorrect" letter by letter."""
    shutil.copytree(SMALL, folder)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["added_tokens"] = [
        token for token in tokenizer["added_tokens"] if token["content"] != INCORRECT
    ]
    tokenizer["model"]["vocab"].pop(INCORRECT, None)
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    return folder


def test_an_option_of_several_tokens_is_scored_whole(tmp_path: Path) -> None:
    """Echo gives the score, or a request after each token; a chat allows neither, and gives NaN."""
    folder = split_incorrect(tmp_path / "split")
    ladder = LlamaEngine(folder)
    prompts = checks(ladder)
    expected = ladder.score(prompts, (CORRECT, INCORRECT)).logprobs_PC
    assert len(ladder.tokenizer.encode(INCORRECT, add_special_tokens=False).ids) == len(INCORRECT)
    server = Loopback(folder)
    with serving(server):
        for talent in (Talent(), Talent(echo=False)):
            assert served(server, talent, "&top=128").score(
                prompts, (CORRECT, INCORRECT)
            ).logprobs_PC == pytest.approx(expected, abs=1e-3)
        by_chat = (
            served(server, Talent(chat=True), "&top=128")
            .score(prompts, (CORRECT, INCORRECT))
            .logprobs_PC
        )
    known = ~np.isnan(by_chat)
    assert by_chat[known] == pytest.approx(expected[known], abs=1e-3) and not known.all()


def test_a_verifier_without_log_probabilities_is_refused_before_sampling(
    server: Loopback, tmp_path: Path
) -> None:
    engine = served(server, Talent(logprobs=False))
    server.asked.clear()
    for verifier in ("mc", "logprob", "logprob-per-token"):
        with pytest.raises(
            UsageError,
            match=f"verifier {verifier} cannot be used .*log-probabilities.*another verifier",
        ):
            strop.gap(
                engine, TASK, problems=2, samples=2, verifiers=[verifier], out=tmp_path / "run"
            )
    assert server.asked == [] and not (tmp_path / "run").exists()
    run = strop.gap(
        engine,
        TASK,
        problems=4,
        samples=3,
        verifiers=["cot-binary", "majority"],
        out=tmp_path / "run",
    )
    assert run.responses["logprob"].is_nan().all() and run.responses["tokens"].null_count() in (
        0,
        12,
    )


# --- bad names, keys and servers ---


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("openai:tiny", "expected openai:NAME@URL"),
        ("openai:@http://localhost/v1", "expected openai:NAME@URL"),
        ("openai:tiny@localhost:80", "expected openai:NAME@URL"),
        ("openai:tiny@http://", "is no address"),
        (
            "openai:tiny@http://localhost:80/v1?concurrency=0",
            "concurrency is 0; expected 1 or more",
        ),
        ("openai:tiny@http://localhost:80/v1?timeout=inf", "timeout is inf"),
        ("openai:tiny@http://localhost:80/v1?api_key=1", "there is no setting 'api_key'"),
        ("openai:tiny@http://localhost:80/v1?tokenizer=nowhere", "has no readable tokenizer.json"),
    ],
)
def test_bad_names_are_one_clear_line(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_engine(name)


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError, match="holds a user name") as error:
        load_engine(f"openai:tiny@http://me:{KEY}@localhost/v1")
    assert KEY not in str(error.value)


def test_a_key_that_is_refused_is_not_shown(
    server: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ModelError, match=r"without a key \(OPENAI_API_KEY is not set\)"):
        served(server, Talent(key="another"))
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(ModelError, match="refuses the key in OPENAI_API_KEY") as error:
        served(server, Talent(key="another"))
    assert KEY not in str(error.value)
    monkeypatch.setenv("MY_KEY", "another")
    assert served(server, Talent(key="another"), "&key_env=MY_KEY").lacks == {}


def test_a_model_that_is_not_served_is_named_with_those_that_are(server: Loopback) -> None:
    server.talent = Talent()
    with pytest.raises(ModelError, match="The model large does not exist; it serves tiny"):
        load_engine(f"openai:large@{server.url}")


def test_no_server_at_the_address(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no connection.*3 times"):
        load_engine("openai:tiny@http://127.0.0.1:9/v1?retries=2&backoff=0.01")


def test_the_key_is_nowhere(server: Loopback, tmp_path: Path) -> None:
    """Neither the run folder nor any output contains the key."""
    server.talent = Talent(key=KEY)
    asked = [
        "--task",
        "arithmetic",
        "--problems",
        "4",
        "--samples",
        "2",
        "--verifier",
        "mc",
        "--out",
        str(tmp_path / "run"),
    ]
    environment = os.environ | {"OPENAI_API_KEY": KEY}
    outputs = []
    for model, extra, code in (
        ("tiny", "--json", 0),
        ("tiny", "--dry-run", 0),
        ("other", "--json", 2),
    ):
        command = [
            sys.executable,
            "-m",
            "strop",
            "gap",
            "--model",
            f"openai:{model}@{server.url}",
            *asked,
            extra,
        ]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
        assert done.returncode == code and "Traceback" not in done.stderr, done.stderr
        outputs.append(done.stdout + done.stderr)
    assert (tmp_path / "run" / "report.html").exists()
    assert not any(KEY in text for text in outputs)
    assert not any(
        KEY.encode() in path.read_bytes()
        for path in (tmp_path / "run").rglob("*")
        if path.is_file()
    )


# --- faults ---


def through_faults(problems: int, samples: int, out: Path) -> None:
    """Check a run through a proxy that spoils a fifth of all requests.

    It is complete, no response is lost or stored twice, and every fault is counted.
    """
    behind = Loopback(SMALL)
    proxy = FaultyProxy(behind, rate=0.0, patience=2.5)
    with serving(behind), serving(proxy):
        engine = load_engine(
            f"openai:tiny@{proxy.url}?timeout=2&backoff=0.01&retries=12&concurrency=12"
        )
        proxy.rate = 0.2
        run = strop.gap(
            engine, TASK, problems=problems, samples=samples, verifiers=["logprob"], out=out
        )
    spoilt, ladder = proxy.spoilt, LlamaEngine(SMALL)
    print(f"{proxy.requests} requests, spoilt: {dict(spoilt)}")
    assert set(spoilt) == set(FAULTS) and sum(spoilt.values()) > 0.1 * proxy.requests
    assert (
        run.responses.select("problem", "sample").unique().height
        == run.responses.height
        == problems * samples
    )
    assert run.greedy["problem"].n_unique() == run.greedy.height == problems
    stored = json.loads((out / "estimates.json").read_text())
    assert stored["usage"]["failures"] == sum(spoilt.values())
    assert any("failed requests to the server were repeated" in note for note in stored["notes"])
    assert not run.responses["logprob"].is_nan().any()
    # No text was given to another problem: the log-probabilities belong to the stored prompts.
    prompts = [solution_prompt(TASK, problem, []) for problem in run.stored_problems()[:20]]
    greedy = ladder.sample(
        [Request(prompt, (0,)) for prompt in prompts], replace(run.plan.sampling(), temperature=0.0)
    ).samples
    assert run.greedy["text"].to_list()[:20] == [s.text for [s] in greedy]


def test_a_fifth_of_all_requests_fails(tmp_path: Path) -> None:
    through_faults(96, 8, tmp_path / "run")


@pytest.mark.skipif(
    not os.environ.get("STROP_LONG"), reason="takes minutes; `make test-openai` runs it"
)
def test_a_fifth_of_all_requests_fails_in_a_large_run(tmp_path: Path) -> None:
    through_faults(1_000, 16, tmp_path / "run")


def test_abilities_are_found_out_through_faults(server: Loopback) -> None:
    server.talent = Talent()
    proxy = FaultyProxy(server, rate=0.3, patience=0.6)
    with serving(proxy):
        engine = load_engine(f"openai:tiny@{proxy.url}?timeout=0.5&backoff=0.01&retries=20")
        assert (
            isinstance(engine, OpenAIEngine)
            and engine.abilities.logprobs
            and engine.abilities.echo
            and engine.abilities.several
        )


def test_a_server_that_dies_midway(tmp_path: Path) -> None:
    """The command ends with one line and exit code 2, and continues once the server is back."""
    server = Loopback(SMALL)
    port, out = server.server_address[1], tmp_path / "run"
    settings = "?retries=2&backoff=0.05&timeout=20&concurrency=2"
    command = [
        sys.executable,
        "-m",
        "strop",
        "gap",
        "--model",
        f"openai:tiny@{server.url}{settings}",
        "--task",
        "arithmetic",
        "--problems",
        "96",
        "--samples",
        "4",
        "--verifier",
        "mc",
        "--out",
        str(out),
        "--workers",
        "1",
    ]
    with serving(server):
        server.lives = 60
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    said = [line for line in done.stderr.splitlines() if line.startswith("strop: ")]
    assert done.returncode == 2 and "Traceback" not in done.stderr and len(said) == 1, done.stderr
    assert "no connection" in said[0] and "the same command goes on" in said[0]
    stood = {path: path.read_bytes() for path in out.rglob("part-*.parquet")}
    assert 1 <= len(stood) < 6
    back = Loopback(SMALL, port=port)
    with serving(back):
        again = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert again.returncode == 0, again.stderr
    assert all(path.read_bytes() == content for path, content in stood.items())
    assert len(list(out.rglob("part-*.parquet"))) == 3 * 6


def test_an_interrupt_asks_for_nothing_more(tmp_path: Path) -> None:
    """An interrupted part of many slow requests sends few more: exit code 130 follows soon."""
    server = Loopback(SMALL)
    command = [
        sys.executable,
        "-m",
        "strop",
        "gap",
        "--model",
        f"openai:tiny@{server.url}?n=1&concurrency=2",
        "--task",
        "arithmetic",
        "--problems",
        "32",
        "--samples",
        "32",
        "--out",
        str(tmp_path / "run"),
        "--workers",
        "2",
    ]
    with serving(server):
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        while len(server.asked) < 20 and process.poll() is None:
            time.sleep(0.02)
        server.seconds = 0.5
        asked = len(server.asked)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and errors.splitlines()[-1].startswith("strop: interrupted"), (
        errors
    )
    assert len(server.asked) <= asked + 10


# --- limits and prices ---


def test_a_token_limit_stops_a_run_that_can_go_on(server: Loopback, tmp_path: Path) -> None:
    engine = served(server, Talent(), "&price_in=3&price_out=15")
    asked = {
        "problems": 64,
        "samples": 4,
        "verifiers": ["mc"],
        "out": tmp_path / "run",
        "workers": 1,
    }
    with pytest.raises(UsageError, match="--max-tokens-total 0"):
        strop.gap(engine, TASK, max_tokens_total=0, **asked)
    with pytest.raises(
        TokenLimitError,
        match=r"has spent [\d,]+ tokens, and --max-tokens-total is 3,000; .*a higher limit goes on",
    ):
        strop.gap(engine, TASK, max_tokens_total=3_000, **asked)
    stood = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("part-*.parquet")}
    assert stood
    server.asked.clear()
    with pytest.raises(TokenLimitError):
        strop.gap(engine, TASK, max_tokens_total=3_000, **asked)
    assert server.asked == []
    run = strop.gap(engine, TASK, max_tokens_total=10**9, **asked)
    assert {path: path.stat().st_mtime_ns for path in stood} == stood
    usage = run.document["usage"]
    tokens = usage["prompt_tokens"], usage["generated_tokens"]
    assert (
        usage["cost"] == pytest.approx((3 * tokens[0] + 15 * tokens[1]) / 1e6)
        and "failures" not in usage
    )
    assert any(f"${usage['cost']:,.2f}" in note for note in run.document["notes"])
    assert sum(tokens) == run.folder.spent_tokens()


def test_the_command_line_says_the_limit_and_the_price(server: Loopback, tmp_path: Path) -> None:
    server.talent = Talent()
    model = f"openai:tiny@{server.url}?price_in=3000&price_out=15000"
    command = [
        sys.executable,
        "-m",
        "strop",
        "gap",
        "--model",
        model,
        "--task",
        "arithmetic",
        "--problems",
        "32",
        "--samples",
        "2",
        "--verifier",
        "mc",
    ]
    out = ["--out", str(tmp_path / "run")]
    dry = subprocess.run([*command, "--dry-run"], capture_output=True, text=True, timeout=120)
    found = re.search(r"\$([\d,.]+) or less; nothing was stored", dry.stdout)
    assert dry.returncode == 0 and found, dry.stderr
    most = float(found[1].replace(",", ""))
    stopped = subprocess.run(
        [*command, *out, "--max-tokens-total", "500"], capture_output=True, text=True, timeout=120
    )
    assert (
        stopped.returncode == 2
        and stopped.stderr.splitlines()[-1].startswith("strop: ")
        and "Traceback" not in stopped.stderr
    )
    whole = subprocess.run([*command, *out, "--json"], capture_output=True, text=True, timeout=120)
    assert whole.returncode == 0 and 0 < json.loads(whole.stdout)["usage"]["cost"] < most


def test_usage_of_earlier_versions_can_be_read() -> None:
    """Stored usage without cost and failures still reads, and is printed as it was."""
    old = {
        "prompt_tokens": 1,
        "cached_tokens": 2,
        "generated_tokens": 3,
        "flops": 4.0,
        "seconds": 5.0,
    }
    assert Usage(**old).as_json() == old  # type: ignore[arg-type]
    assert Usage(cost=0.5, failures=2).as_json().items() >= {"cost": 0.5, "failures": 2}.items()
