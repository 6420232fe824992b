"""Make a run folder of samples made elsewhere (``strop import``); ``import_rows.py`` reads them.

Imported scores are assumed to be pointwise: a response's score does not depend on the problem's
other responses.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import astuple
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl

from strop.engines.thinking import MARK, NONE
from strop.measure import GAP_DEFINITION
from strop.records import Usage
from strop.run.import_rows import Row, read_rows
from strop.run.plan import Plan
from strop.run.run import Run
from strop.run.store import (
    FORMAT_VERSION,
    PART_PROBLEMS,
    PROBLEM_SCHEMA,
    RESPONSE_SCHEMA,
    SCORE_SCHEMA,
    RunFolder,
)
from strop.tasks import Task
from strop.tasks.imported import Imported


def import_run(
    path: Path,
    out: Path,
    model: str,
    task: Task | None,
    columns: Mapping[str, str] | None = None,
    thinking: str = MARK,
) -> Run:
    """Make a run folder of the file's responses; problems and responses keep the file's order.

    ``columns`` maps the fields of ``import_rows.py`` to those of the file that have other names.
    ``thinking``: the name of the marks around a span of thinking; "" keeps such spans.

    The folder must be new or empty, or hold an import of this very file, which is then completed.
    """
    rows = read_rows(path, task, columns, thinking)
    by_problem: dict[str, list[Row]] = {}
    for row in rows:
        by_problem.setdefault(row.problem, []).append(row)
    most_responses = max(map(len, by_problem.values()))
    plan = Plan(
        model, task or Imported(), len(by_problem), most_responses, temperature=1.0, top_p=1.0
    )
    folder = RunFolder(out)
    with folder.writing():
        folder.start(_record(path, plan, rows, thinking), _problem_frame(by_problem))
        for number in range(plan.parts):
            names = list(by_problem)[number * PART_PROBLEMS : (number + 1) * PART_PROBLEMS]
            _write_part(folder, number, {name: by_problem[name] for name in names})
    return Run(out, task=plan.task)


def _write_part(folder: RunFolder, number: int, part: dict[str, list[Row]]) -> None:
    frames = {"responses": _responses(part)}
    rows = [row for responses in part.values() for row in responses]
    first_row = rows[0]
    for name in first_row.scores:
        frames[f"scores/{name}"] = _scores(part, name)
    for stage, frame in frames.items():
        if not folder.has_part(stage, number):
            usage = _thoughts(rows) if stage == "responses" else Usage()
            folder.write_part(stage, number, frame, usage)


def _thoughts(rows: list[Row]) -> Usage:
    """Count the spans that were removed. What the responses have cost is not known."""
    thoughts = sum(row.has_thoughts for row in rows)
    unclosed = sum(row.is_unclosed for row in rows)
    return Usage(thoughts=thoughts, unclosed=unclosed)


def _record(path: Path, plan: Plan, rows: list[Row], thinking: str) -> dict[str, Any]:
    digest = hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
    asked = plan.as_record() | {
        "verifiers": {},
        "draws": 1,
        "verifier_model": plan.model,
        "fingerprints": [digest, digest],
    }
    if thinking != MARK:
        # Named only where it is not the default, so that default imports keep their records.
        asked["think"] = thinking or NONE
    return {
        "format_version": FORMAT_VERSION,
        "design": "fixed",
        "asked": asked,
        "imported": {"file": path.name, "blake2b": digest, "responses": len(rows)},
        "model": {"model": plan.model, "engine": "imported"},
        "verifier_model": plan.model,
        "verifiers": {name: _verifier_record(name) for name in rows[0].scores},
        "problems_per_part": PART_PROBLEMS,
        "bootstrap_seed": plan.bootstrap_seed,
        "versions": {"strop": version("strop")},
        "definitions": {"gap": GAP_DEFINITION},
    }


def _verifier_record(name: str) -> dict[str, Any]:
    return {
        "verifier": name,
        "model": None,
        "description": "scores made elsewhere",
        "default_weight": "quantile:0.7",
        "pointwise": True,
        "sees_references": False,
        "probability": True,
    }


def _problem_frame(by_problem: dict[str, list[Row]]) -> pl.DataFrame:
    rows = [
        (problem, "test", responses[0].question, responses[0].reference, None, "{}")
        for problem, responses in by_problem.items()
    ]
    return pl.DataFrame(rows, schema=PROBLEM_SCHEMA, orient="row")


def _responses(part: dict[str, list[Row]]) -> pl.DataFrame:
    rows = []
    for problem, responses in part.items():
        for number, row in enumerate(responses):
            grade = astuple(row.grade)
            drawn = (problem, number, row.text, None, row.tokens, row.logprob, row.finish)
            rows.append((*drawn, *grade))
    return pl.DataFrame(rows, schema=RESPONSE_SCHEMA, orient="row")


def _scores(part: dict[str, list[Row]], name: str) -> pl.DataFrame:
    rows = []
    for problem, responses in part.items():
        for number, row in enumerate(responses):
            for draw, score in enumerate(row.scores[name]):
                rows.append((problem, number, draw, score, True, ""))
    return pl.DataFrame(rows, schema=SCORE_SCHEMA, orient="row")
