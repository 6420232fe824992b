"""Tests of run/probe and run/preview: a bounded probe, and what its times add up to."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from strop.engines import load_engine
from strop.engines.base import Engine, Generation, Request
from strop.records import Sampling
from strop.run.plan import Plan
from strop.run.preview import preview
from strop.run.probe import MANY_SAMPLES, PROBE_PROBLEMS, PROBE_TOKENS, Probe, Speed, shared_share
from strop.tasks import Arithmetic
from strop.verify import find_verifiers

ENGINE = "ladder/25k"


def plan_of(**settings: int) -> Plan:
    return Plan(ENGINE, Arithmetic(), **settings)


def test_no_text_of_the_probe_is_longer_than_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run's own limits, problems and samples do not matter: the probe stays small."""
    engine = load_engine(ENGINE)
    seen: list[tuple[int, int]] = []
    sample = engine.sample

    def watched(requests: Sequence[Request], sampling: Sampling) -> Generation:
        seen.append((sum(len(request.seeds) for request in requests), sampling.max_tokens))
        return sample(requests, sampling)

    monkeypatch.setattr(engine, "sample", watched)
    preview(plan_of(problems=500, samples=256, max_tokens=700), engine, find_verifiers(["mc"]))
    assert seen
    assert max(tokens for _, tokens in seen) == PROBE_TOKENS
    assert max(rows for rows, _ in seen) == PROBE_PROBLEMS * MANY_SAMPLES
    assert sum(rows * tokens for rows, tokens in seen) < 500


def test_the_probe_measures_times_above_zero_and_shows_beginnings() -> None:
    probe = Probe.of(plan_of(), load_engine(ENGINE), 2)
    assert probe.speed.prompt_token > 0
    assert probe.speed.writing(100, 50, 10) > 0
    assert len(probe.responses) == 2


def test_times_add_up() -> None:
    speed = Speed(prompt_token=0.5, step=2.0, token=0.25)
    assert speed.reading(10) == 5
    assert speed.writing(texts=7, length=3, rows=4) == 3 * (2 * 2.0 + 7 * 0.25)


def test_the_estimate_counts_both_limits_and_every_draw() -> None:
    engine: Engine = load_engine(ENGINE)
    probe = Probe(("x",), Speed(0.0, 0.0, 1.0), shares_prefix=False)  # a second per token written
    plan = plan_of(problems=4, samples=3, max_tokens=10, verify_max_tokens=100)
    alone = preview(plan, engine, [], probe=probe)
    assert alone.seconds_estimated == alone.generated_at_most == 4 * (3 + 1) * 10
    verifiers = find_verifiers(["cot-binary"])
    checked = preview(plan, engine, verifiers, draws=2, probe=probe)
    assert checked.seconds_estimated == checked.generated_at_most == 160 + 4 * 3 * 2 * 100


def test_a_shared_beginning_is_read_once_a_part() -> None:
    engine = load_engine(ENGINE)
    plan = plan_of(problems=32, samples=1, shots=2)
    seconds = []
    for shares_prefix in (False, True):
        probe = Probe(("x",), Speed(1.0, 0.0, 0.0), shares_prefix)
        seconds.append(preview(plan, engine, [], probe=probe).seconds_estimated)
    whole = preview(plan, engine, []).prompt_tokens
    assert seconds[0] == 2 * whole  # the responses, and the greedy ones
    assert whole / 32 < seconds[1] < whole


def test_the_common_beginning_of_texts() -> None:
    assert shared_share(["abcd", "abxy"]) == 0.5
    assert shared_share(["abcd"]) == shared_share(["abc", "xyz"]) == 0.0
