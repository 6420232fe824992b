"""Comparison of mathematical answers, whatever a response contains.

Covers ``math_workers.py`` and ``workers.py``.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from strop.errors import StropError
from strop.tasks import math_workers
from strop.tasks.math_boxes import boxed
from strop.tasks.math_workers import COUNTS, SECONDS, grader, same_math

ROWS = Path(math_workers.__file__).parent / "rows" / "math.jsonl"
needs_posix = pytest.mark.skipif(os.name != "posix", reason="looks at POSIX processes")

PAIRS = [
    # answer, reference, the same?
    ("0.5", r"\frac{1}{2}", True),
    ("1/2", r"\frac{1}{2}", True),
    ("1/20", r"\frac{1}{2}", False),
    (r"-\frac{1}{2}", r"\frac{1}{2}", False),
    ("0.33", r"\frac{1}{3}", False),
    ("0.333333", r"\frac{1}{3}", False),
    ("10,000", "10000", True),
    ("144", r"144^\circ", True),
    ("35", r"35\%", True),
    ("0.35", r"35\%", False),
    (r"10\text{ cm}", "10", True),
    ("2m", "2", False),
    ("5c", "5d", False),
    (r"\frac{3\sqrt{2}}{2}", r"\frac{3}{\sqrt{2}}", True),
    (r"2(\sqrt{5}+\sqrt{2})", r"2\sqrt{5} + 2\sqrt{2}", True),
    (r"\sqrt{18}", r"3\sqrt2", True),
    (r"\sqrt{3}/2", r"\frac{\sqrt{3}}{2}", True),
    (r"\sqrt{2}", r"\sqrt{3}", False),
    ("x^2+2x+1", "(x+1)^2", True),
    ("x^2+1", "(x+1)^2", False),
    ("7 + x", "x + 7", True),
    ("y + 7", "x + 7", False),
    ("2x-3", "2x+3", False),
    ("q-p", "p-q", False),
    ("y = 2x+3", "2x + 3", True),
    ("5!", "120", True),
    (r"\binom{8}{3}", "56", True),
    ("2^{10}", "1024", True),
    (r"0.5\pi", r"\frac{\pi}{2}", True),
    ("3.14", r"\pi", False),
    ("(2,1)", "(1,2)", False),
    ("(1,2)", "(1,2)", True),
    ("(1,2)", "[1,2]", False),
    ("(-2,1)", "(-2,1]", False),
    (r"(\sqrt{18}, \frac{3\pi}{4})", r"\left( 3\sqrt{2}, \frac{3\pi}{4} \right)", True),
    (r"(2,\infty)\cup(-\infty,1)", r"(-\infty,1)\cup(2,\infty)", True),
    (r"(-\infty,1]\cup(2,\infty)", r"(-\infty,1)\cup(2,\infty)", False),
    ("3 < x", "x > 3", True),
    (r"[2,\infty)", r"x \ge 2", True),
    (r"x \ge 2", r"[2,\infty)", True),
    (r"\{3,2,1\}", r"\{1,2,3\}", True),
    ("3, 2, 1", "1, 2, 3", True),
    ("3, 2", "1, 2, 3", False),
    (r"(1,2)", r"\{1,2\}", False),
    ("200, 1", "1, 200", True),
    ("1, 200", "1200", False),
    (r"1 \pm \sqrt{19}", r"1+\sqrt{19}, 1-\sqrt{19}", True),
    ("1", r"\pm 1", False),
    (
        r"\begin{bmatrix}3&-1\\-5&2\end{bmatrix}",
        r"\begin{pmatrix} 3 & -1 \\ -5 & 2 \end{pmatrix}",
        True,
    ),
    (
        r"\begin{pmatrix}\frac{6}{2}&-1\\-5&\sqrt{4}\end{pmatrix}",
        r"\begin{pmatrix} 3 & -1 \\ -5 & 2 \end{pmatrix}",
        True,
    ),
    (
        r"\begin{pmatrix}3&-5\\-1&2\end{pmatrix}",
        r"\begin{pmatrix} 3 & -1 \\ -5 & 2 \end{pmatrix}",
        False,
    ),
    ("202", "202_7", True),
    ("202_8", "202_7", False),
    ("203_7", "202_7", False),
    ("Even", r"\text{even}", True),
    ("odd", r"\text{even}", False),
    ("neve", r"\text{even}", False),
    ("(C)", r"\text{(B)}", False),
    ("the answer, 5 or 6", "5", False),
    ("5 or 6", "5", False),
    ("", "5", False),
    ("", "", False),
]

HOSTILE = [
    "9^{9^{9^{9}}}",
    "10^{10^{10}}!",
    r"\binom{10000000}{5000000}",
    "{" * 100_000 + "1" + "}" * 100_000,
    "(" * 30 + "1" + ")" * 30,
    r"\input{/etc/passwd}",
    "__import__('os').abort()",
    "x" * 1_000_000,
    "9" * 1_900,
    r"\frac{1}{2",
    "1}}}",
    "$5$ 5+y $5+x$",
    "5+x\n5+y",
    "\x00\ud800",
]


@pytest.fixture(scope="module", autouse=True)
def _close() -> Iterator[None]:
    yield
    math_workers._POOL.close()


@pytest.mark.parametrize(("answer", "reference", "same"), PAIRS)
def test_pairs(answer: str, reference: str, same: bool) -> None:
    assert same_math(answer, reference) is same


def corrupted(answer: str) -> str:
    """Change the first digit of an answer; negate an answer without digits."""
    place = next((place for place, char in enumerate(answer) if char.isdigit()), None)
    if place is None:
        return f"not {answer}"
    return answer[:place] + str(int(answer[place]) % 9 + 1) + answer[place + 1 :]


def test_every_gold_answer_is_itself_and_not_its_corruption() -> None:
    found = [
        boxed(json.loads(line)["solution"])
        for line in ROWS.read_text(encoding="utf-8").splitlines()
    ]
    golds = [gold.answer for gold in found if gold]
    assert len(golds) == len(found) >= 50
    for gold in golds:
        assert same_math(gold, gold) and same_math(f" ${gold}$. ", gold), gold
        assert not same_math(corrupted(gold), gold), gold


@pytest.mark.parametrize("answer", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_answers_are_wrong_soon_and_the_next_is_judged(answer: str) -> None:
    started = time.monotonic()
    assert same_math(answer, "5+x") is False
    assert time.monotonic() - started < SECONDS + 1
    math_workers._same_forms.cache_clear()
    assert same_math("x+5", "5+x") is True


def test_time_outs_are_counted_and_cached() -> None:
    math_workers._same_forms.cache_clear()
    before = dict(COUNTS)
    for _ in range(2):
        assert same_math("8^{8^{8^{8}}}", "5+x") is False
    assert {key: COUNTS[key] - before.get(key, 0) for key in ("asked", "timed out", "crashed")} == {
        "asked": 1,
        "timed out": 1,
        "crashed": 0,
    }


@needs_posix
def test_a_killed_worker_is_replaced() -> None:
    assert same_math("k+5", "5+k")
    crashed = COUNTS["crashed"]
    victims = [worker.process.pid for worker in math_workers._POOL.all]
    assert victims
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    assert same_math("m+5", "5+m")
    assert not {worker.process.pid for worker in math_workers._POOL.all} & set(victims)
    assert COUNTS["crashed"] <= crashed + 1


def test_eight_threads_get_the_answers_of_one() -> None:
    pairs = [
        (answer, reference, same)
        for answer, reference, same in PAIRS
        if "+" in answer or "sqrt" in answer
    ]
    math_workers._same_forms.cache_clear()
    with ThreadPoolExecutor(8) as pool:
        verdicts = list(pool.map(lambda pair: same_math(pair[0], pair[1]), pairs))
    assert verdicts == [same for _, _, same in pairs]
    assert len(math_workers._POOL.all) <= 2


def test_without_math_verify_forms_alone_decide_and_grader_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "math_verify" else find(name, *rest),
    )
    asked = COUNTS["asked"]
    clear()
    try:
        assert grader() == "strop normaliser"
        assert same_math("0.5", r"\frac12") and not same_math("x^2+2x+1", "(x+1)^2")
        assert COUNTS["asked"] == asked
    finally:
        clear()


def clear() -> None:
    grader.cache_clear()
    math_workers._same_forms.cache_clear()


def test_a_worker_that_does_not_start_is_an_error_and_no_verdict(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    math_workers._POOL.close()
    math_workers._same_forms.cache_clear()
    monkeypatch.setattr(
        sys, "executable", "/bin/false" if os.path.exists("/bin/false") else "/usr/bin/false"
    )
    with pytest.raises(StropError, match="did not start"):
        same_math("n+5", "5+n")


SCRIPT = """
import os, sys, threading, time
from strop.tasks import math_workers
print(math_workers.same_math("(x+1)^2", "x^2+2x+1"))
print(*[worker.process.pid for worker in math_workers._POOL.all], flush=True)
if sys.argv[1] == "busy":
    hostile = ("9^{9^{9^{9}}}", "x")
    threading.Thread(target=math_workers.same_math, args=hostile, daemon=True).start()
    time.sleep(0.5)
    os._exit(0)
if sys.argv[1] == "interrupted":
    raise KeyboardInterrupt
"""


def running(pid: int) -> bool:
    """Return whether a process exists and is no zombie."""
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()
    return bool(state) and not state.startswith("Z")


@needs_posix
@pytest.mark.parametrize("end", ["plain", "interrupted", "busy"])
def test_no_worker_outlives_a_script_without_a_main_guard(end: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, str(script), end], capture_output=True, text=True, timeout=60, check=False
    )
    verdict, pids = ran.stdout.split("\n")[:2]
    assert verdict == "True" and len(pids.split()) == 1
    assert ("KeyboardInterrupt" in ran.stderr) == (end == "interrupted")
    for _ in range(100):
        if not running(int(pids)):
            return
        time.sleep(0.1)
    with contextlib.suppress(ProcessLookupError):
        os.kill(int(pids), signal.SIGKILL)
    pytest.fail("a worker is left")
