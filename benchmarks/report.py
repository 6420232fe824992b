"""Benchmark the report of a large run: 5,000 problems x 128 responses x 3 verifiers.

    python benchmarks/report.py [--problems P] [--samples K] [--out DIR]

Makes a run folder of random responses (kept in DIR and used again), builds its report in a separate
process, and opens it in Chromium if playwright (pip install 'strop[browser]') and a Chromium are
installed. Prints seconds, peak memory and size beside their limits.
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
from typing import Any

import numpy as np
import polars as pl

import strop
from strop.records import Usage
from strop.run.store import RESPONSE_SCHEMA, SCORE_SCHEMA, RunFolder

LIMITS = {"seconds to build": 20.0, "peak MB": 1024.0, "page MB": 10.0, "seconds to open": 3.0}
# Prints seconds, peak MB, page MB, CPU seconds.
BUILD = """
import resource, sys, time
started = time.perf_counter()
from strop.run.pages import write_page
page = write_page([sys.argv[1]])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(time.perf_counter() - started, peak, page.stat().st_size / 1e6, time.process_time())
"""
MODEL, TASK = "ladder/25k", "arithmetic"
VERIFIERS = ["mc", "cot-binary", "cot-score"]
PART_USAGE = Usage(1000, 0, 5000, 1e9, 1.0)
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def make_run(out: Path, problems: int, samples: int) -> None:
    """Make a run folder as ``strop gap`` leaves it, with many random responses.

    A small real run gives the record and the problems; its parts are replaced by random ones in the
    same schema.
    """
    small = strop.gap(
        MODEL, TASK, out=out, problems=problems, samples=1, max_tokens=1, verifiers=[], workers=1
    )
    # The verifiers' entries in the record come from a second run, which is then removed.
    judged = strop.gap(
        MODEL, TASK, out=out / "judged", problems=2, samples=2, verifiers=VERIFIERS, workers=1
    )
    record = json.loads((out / "run.json").read_text())
    record["asked"]["samples"] = samples
    record["verifiers"] = judged.record["verifiers"]
    (out / "run.json").write_text(json.dumps(record))
    shutil.rmtree(out / "judged")
    shutil.rmtree(out / "responses")
    rng = np.random.default_rng(0)
    names = small.problems["problem"].to_list()
    size = record["problems_per_part"]
    for part in range(small.plan.parts):
        _write_part(RunFolder(out), part, names[part * size : (part + 1) * size], samples, rng)


def _write_part(
    folder: RunFolder, part: int, names: list[str], samples: int, rng: np.random.Generator
) -> None:
    """Write one part's responses and scores: answers that repeat, texts of about 150 characters."""
    size = len(names) * samples
    keys = {
        "problem": np.repeat(names, samples),
        "sample": np.tile(np.arange(samples, dtype=np.int32), len(names)),
    }
    ability = np.repeat(rng.beta(0.7, 1.2, len(names)), samples)
    right = (rng.random(size) < ability).astype(float)
    answers = np.where(right > 0, "17", rng.integers(20, 40, size).astype(str))
    texts = [
        f"step {step}: so it is {answer}. " * 4 + f"The answer is {answer}."
        for step, answer in enumerate(answers)
    ]
    responses = keys | {
        "text": texts,
        "token_ids": [list(range(40))] * size,
        "tokens": 40,
        "logprob": -5 - 20 * rng.random(size),
        "finish": "end",
        "answer_strict": answers,
        "answer_flexible": answers,
        "utility_strict": right,
        "utility_flexible": right,
        "found_by": "last number",
        "found_at": 3,
    }
    _write(folder, "responses", part, responses, RESPONSE_SCHEMA)
    noisy = rng.normal(size=size) + right
    verifications = [f"I check: {text[:100]} So I think it is so." for text in texts]
    scores = {
        "mc": (1 / (1 + np.exp(-noisy)), [""] * size),
        "cot-binary": ((noisy > 0.5) * 1.0, verifications),
        "cot-score": (np.clip(np.round(5 + 2 * noisy), 1, 10), verifications),
    }
    for name, (score, text) in scores.items():
        columns = keys | {"draw": 0, "score": score, "parsed": True, "text": text}
        _write(folder, f"scores/{name}", part, columns, SCORE_SCHEMA)


def _write(
    folder: RunFolder, stage: str, part: int, columns: dict[str, Any], schema: dict[str, Any]
) -> None:
    table = pl.DataFrame(columns, schema_overrides=schema)
    folder.write_part(stage, part, table.select(list(schema)), PART_USAGE)


def seconds_to_open(page: Path) -> float | None:
    """Return the seconds until Chromium has loaded the page and filled its reader.

    None if there is no Chromium or no playwright.
    """
    chromium = os.environ.get("CHROMIUM")
    for name in BROWSERS:
        chromium = chromium or shutil.which(name)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    if not chromium:
        return None
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page()
        started = time.perf_counter()
        tab.goto(page.as_uri())
        tab.wait_for_selector("#shown .response")
        seconds = time.perf_counter() - started
        browser.close()
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--problems", type=int, default=5_000)
    parser.add_argument("--samples", type=int, default=128)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    out = options.out or Path(tempfile.mkdtemp()) / "run"
    if not (out / "report.html").exists() and not (out / "responses").exists():
        make_run(out, options.problems, options.samples)
    command = [sys.executable, "-c", BUILD, str(out)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    seconds, peak, size, cpu_seconds = map(float, printed.split())
    opening = seconds_to_open((out / "report.html").resolve())
    print(
        f"{options.problems:,} problems x {options.samples} responses x {len(VERIFIERS)} verifiers"
    )
    print(out)
    print(f"{cpu_seconds:.1f} CPU seconds to build: the better measure on a busy machine")
    for (name, limit), value in zip(LIMITS.items(), (seconds, peak, size, opening), strict=True):
        shown = "not tried, no Chromium" if value is None else f"{value:,.1f}"
        print(f"{name}: {shown} (limit {limit:g})")


if __name__ == "__main__":
    main()
