"""The report of a large run: 5,000 problems x 128 responses x 3 verifiers, from the run folder to a page that is open in a browser.

    python benchmarks/report.py [--problems P] [--samples K] [--out DIR]

Makes a run folder of random responses (kept in DIR, and used again), builds its report in a process of its own, and opens it in a
Chromium where playwright (pip install 'strop[browser]') and a Chromium are there. Prints seconds, peak memory and size, beside the limits.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

import strop
from strop.records import Usage
from strop.run.store import RESPONSE_SCHEMA, SCORE_SCHEMA, RunFolder

LIMITS = {"seconds to build": 20.0, "peak MB": 1024.0, "page MB": 10.0, "seconds to open": 3.0}
BUILD = """
import resource, sys, time
started = time.perf_counter()
from strop.run.pages import write_page
page = write_page([sys.argv[1]])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(time.perf_counter() - started, peak, page.stat().st_size / 1e6, time.process_time())
"""
COST = Usage(1000, 0, 5000, 1e9, 1.0)
STAGES = {"mc": "quantile:0.7", "cot-binary": "threshold:0.5", "cot-score": "quantile:0.7"}


def made_up(out: Path, problems: int, samples: int) -> None:
    """A run folder as ``strop gap`` leaves it: a small real run, its parts replaced by many random ones in the same schema."""
    model = "ladder/25k"
    small = strop.gap(
        model,
        "arithmetic",
        problems=problems,
        samples=1,
        max_tokens=1,
        verifiers=[],
        out=out,
        workers=1,
    )
    record = json.loads((out / "run.json").read_text())
    entries = strop.gap(
        model,
        "arithmetic",
        problems=2,
        samples=2,
        verifiers=list(STAGES),
        out=out / "small",
        workers=1,
    ).record["verifiers"]
    record["asked"]["samples"], record["verifiers"] = samples, entries
    (out / "run.json").write_text(json.dumps(record))
    shutil.rmtree(out / "small")
    shutil.rmtree(out / "responses")
    dice = np.random.default_rng(0)
    names = small.problems["problem"].to_list()
    for number in range(small.plan.parts):
        _part(
            RunFolder(out),
            number,
            names[
                number * record["problems_per_part"] : (number + 1) * record["problems_per_part"]
            ],
            samples,
            dice,
        )


def _part(
    folder: RunFolder, number: int, names: list[str], samples: int, dice: np.random.Generator
) -> None:
    """One part's responses and scores: answers that repeat, texts of about 150 characters."""
    size = len(names) * samples
    keys = {
        "problem": np.repeat(names, samples),
        "sample": np.tile(np.arange(samples, dtype=np.int32), len(names)),
    }
    ability = np.repeat(dice.beta(0.7, 1.2, len(names)), samples)
    right = (dice.random(size) < ability).astype(float)
    answers = np.where(right > 0, "17", dice.integers(20, 40, size).astype(str))
    said = [
        f"step {step}: so it is {answer}. " * 4 + f"The answer is {answer}."
        for step, answer in enumerate(answers)
    ]
    responses = keys | {
        "text": said,
        "token_ids": [list(range(40))] * size,
        "tokens": 40,
        "logprob": -5 - 20 * dice.random(size),
        "finish": "end",
        "answer_strict": answers,
        "answer_flexible": answers,
        "utility_strict": right,
        "utility_flexible": right,
        "found_by": "last number",
        "found_at": 3,
    }
    folder.write_part(
        "responses",
        number,
        pl.DataFrame(responses, schema_overrides=RESPONSE_SCHEMA).select(list(RESPONSE_SCHEMA)),
        COST,
    )
    noisy = dice.normal(size=size) + right
    scores = {
        "mc": 1 / (1 + np.exp(-noisy)),
        "cot-binary": (noisy > 0.5) * 1.0,
        "cot-score": np.clip(np.round(5 + 2 * noisy), 1, 10),
    }
    for name, score in scores.items():
        text = (
            [""] * size
            if name == "mc"
            else [f"I check: {line[:100]} So I think it is so." for line in said]
        )
        frame = pl.DataFrame(
            keys | {"draw": 0, "score": score, "parsed": True, "text": text},
            schema_overrides=SCORE_SCHEMA,
        )
        folder.write_part(f"scores/{name}", number, frame.select(list(SCORE_SCHEMA)), COST)


def seconds_to_open(page: Path) -> float | None:
    """Until the page is loaded, its reader filled and its first chart drawn, in a real Chromium; None where there is none."""
    found = os.environ.get("CHROMIUM") or next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    if not found:
        return None
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        opened = browser.new_page()
        started = time.perf_counter()
        opened.goto(page.as_uri())
        opened.wait_for_selector("#shown .response")
        seconds = time.perf_counter() - started
        browser.close()
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=5_000)
    parser.add_argument("--samples", type=int, default=128)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    out = asked.out or Path(tempfile.mkdtemp()) / "run"
    if not (out / "report.html").exists() and not (out / "responses").exists():
        made_up(out, asked.problems, asked.samples)
    told = subprocess.run(
        [sys.executable, "-c", BUILD, str(out)], capture_output=True, text=True, check=True
    ).stdout.split()
    found: dict[str, float | None] = dict(zip(LIMITS, map(float, told), strict=False))
    found["seconds to open"] = seconds_to_open((out / "report.html").resolve())
    print(
        f"{float(told[3]):.1f} CPU seconds to build: more than the seconds on a busy machine tell"
    )
    print(
        f"{asked.problems:,} problems x {asked.samples} responses x {len(STAGES)} verifiers: {out}"
    )
    for name, limit in LIMITS.items():
        value = found[name]
        print(
            f"{name}: {'not tried, no Chromium' if value is None else f'{value:,.1f}'} (limit {limit:g})"
        )


if __name__ == "__main__":
    main()
