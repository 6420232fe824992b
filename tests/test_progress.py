"""Progress: bars on a terminal, and lines in a log that never stays silent for long."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from strop.progress import LOG_INTERVAL, Bars, Silent, Titled
from strop.records import Usage

PART = Usage(prompt_tokens=1_000, generated_tokens=500)


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log() -> Console:
    return Console(file=io.StringIO(), force_terminal=False, width=200)


def lines(console: Console) -> list[str]:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_a_log_has_a_line_for_each_stage_that_is_over(log: Console, clock: Clock) -> None:
    with Bars(log, clock) as bars:
        bars.title = "recall"
        bars.begin("responses", total=2, done=0)
        clock.seconds = 1
        bars.advance(PART)
        clock.seconds = 2
        bars.advance(PART)
        bars.begin("greedy", total=3, done=3)
    assert lines(log) == [
        "recall responses: 2 of 2, 1,500 tok/s, 0:00:02 elapsed",
        "recall greedy: 3 of 3, 3 from before, 0:00:00 elapsed",
    ]


def test_a_log_has_a_line_every_minute_of_a_long_stage(log: Console, clock: Clock) -> None:
    with Bars(log, clock) as bars:
        bars.begin("responses", total=100, done=10)
        for _ in range(30):
            clock.seconds += 10
            bars.advance(PART)
    assert len(lines(log)) == 30 * 10 // LOG_INTERVAL
    assert lines(log)[0] == (
        "responses: 16 of 100, 10 from before, 150 tok/s, 0:01:00 elapsed, about 0:14:00 left"
    )


def test_a_log_has_a_line_while_a_part_takes_longer_than_a_minute(
    log: Console, clock: Clock
) -> None:
    import time

    with Bars(log, clock) as bars:
        bars.begin("responses", total=2, done=0)
        clock.seconds = LOG_INTERVAL + 1
        deadline = time.monotonic() + 10
        while not lines(log) and time.monotonic() < deadline:
            time.sleep(0.05)
    assert lines(log) == ["responses: 0 of 2, 0:01:01 elapsed"]


def test_a_log_names_parts_responses_and_the_time_left(log: Console, clock: Clock) -> None:
    with Bars(log, clock) as bars:
        bars.begin("responses", total=13, done=3, responses=6_400)
        for _ in range(4):
            clock.seconds += LOG_INTERVAL
            bars.advance(PART)
    assert lines(log)[3] == (
        "responses: 7 of 13 parts, 3,446 of 6,400 responses, 3 from before, 25 tok/s, "
        "0:04:00 elapsed, about 0:06:00 left"
    )


def test_a_log_says_after_a_minute_what_is_waited_for(log: Console, clock: Clock) -> None:
    import time

    with Bars(log, clock) as bars:
        bars.waiting("loading m")
        clock.seconds = LOG_INTERVAL + 1
        deadline = time.monotonic() + 10
        while not lines(log) and time.monotonic() < deadline:
            time.sleep(0.05)
        bars.begin("responses", total=1, done=0)
        bars.advance(PART)
    assert lines(log) == [
        "loading m: 0 of 1, 0:01:01 elapsed",
        "responses: 1 of 1, 0:00:00 elapsed",
    ]


def test_what_fails_before_a_stage_leaves_no_progress_behind(log: Console) -> None:
    with pytest.raises(ValueError), Bars(log):
        raise ValueError
    assert lines(log) == []


def test_a_log_gets_the_line_and_a_terminal_what_stands_above_the_bars(log: Console) -> None:
    with Bars(log) as bars:
        bars.show("the table", "round [0]: done")
    assert lines(log) == ["round [0]: done"]
    terminal = Console(file=io.StringIO(), force_terminal=True, width=100)
    with Bars(terminal) as bars:
        bars.begin("responses", total=1, done=0)
        bars.show("the table", "round [0]: done")
        bars.begin("greedy", total=1, done=0)
        bars.advance(PART)
    text = "\n".join(lines(terminal))
    assert "greedy" in text and "1/1" in text and "round [0]" not in text


def test_a_title_stands_before_the_stage(log: Console, clock: Clock) -> None:
    with Bars(log, clock) as bars:
        titled = Titled(bars, "round 1")
        titled.begin("responses", total=1, done=0, responses=8)
        titled.advance(PART)
    assert lines(log) == ["round 1 responses: 1 of 1 parts, 8 of 8 responses, 0:00:00 elapsed"]


def test_silence() -> None:
    watcher = Titled(Silent(), "round 1")
    watcher.begin("responses", total=1, done=0)
    watcher.advance(PART)
