"""Samples made elsewhere become a run folder that everything else reads: ``strop import``.

One JSON object a line. Only ``problem`` and ``text`` are needed, and something that says what is right:

    problem     the problem's name: responses with the same one belong together
    text        the response
    question    what was asked (default: the problem's name); prompted verifiers show it
    reference   the gold answer, for ``--task NAME`` or exact comparison with ``answer``
    answer      the extracted answer; majority votes count it
    utility     how right the response is, from 0 to 1 (or ``correct``: true or false); goes before any grading of ours
    logprob     sum of the temperature-1 log-probabilities of its tokens; unknown without
    tokens, finish ("end", "stop" or "length"), and scores: {"my-verifier": 0.7, ...}, or a list of numbers, one a draw

Imported scores are taken for pointwise: that a response's score does not depend on the problem's other responses.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator
from dataclasses import astuple, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

import polars as pl

from strop.errors import UsageError
from strop.measure import GAP_DEFINITION
from strop.records import Problem, Usage
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
from strop.tasks.base import Grade
from strop.tasks.imported import Imported
from strop.verify import VERIFIERS

LONGEST_LINE = 10_000_000
MOST_TOKENS = 2**31 - 1
SCORE_NAME = re.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""It becomes a folder's name, and a part of a weight's."""
FINISHES = ("end", "stop", "length")
KNOWN = {
    "problem",
    "text",
    "question",
    "reference",
    "answer",
    "utility",
    "correct",
    "logprob",
    "tokens",
    "finish",
    "scores",
}


@dataclass(frozen=True)
class Row:
    """One imported response, checked, and the line it stood on."""

    line: int
    problem: str
    question: str
    reference: str | None
    text: str
    grade: Grade
    logprob: float
    tokens: int | None
    finish: str
    scores: dict[str, list[float]]


def read_rows(path: Path, task: Task | None) -> list[Row]:
    """Every line of the file. UsageError names the line that is not as it should be, and nothing is written."""
    if not path.is_file():
        raise UsageError(f"there is no file {path}; expected one JSON object a line")
    rows = [_Line(path, number, document).row(task) for number, document in _documents(path)]
    if not rows:
        raise UsageError(f"{path} holds no responses; expected one JSON object a line")
    _check_agreement(path, rows)
    return rows


def _documents(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE + 1), b""), start=1):
            if len(line) > LONGEST_LINE:
                raise UsageError(
                    f"{path} line {number} is longer than {LONGEST_LINE:,} bytes; expected one response a line"
                )
            if not line.strip():
                continue
            try:
                document = json.loads(line, parse_constant=_refuse_constant)
            except (ValueError, RecursionError) as error:
                raise UsageError(
                    f"{path} line {number} is not JSON ({error}); expected one JSON object a line"
                ) from None
            if not isinstance(document, dict):
                raise UsageError(
                    f"{path} line {number} holds {type(document).__name__}, expected a JSON object"
                )
            yield number, document


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number; leave the field out, or write null")


def import_run(path: Path, out: Path, model: str, task: Task | None) -> Run:
    """Make a run folder of the file's responses; problems and their responses keep the file's order.

    The folder must be new or empty, or hold an import of this very file: what a killed one left undone is then made.
    """
    rows = read_rows(path, task)
    by_problem: dict[str, list[Row]] = {}
    for row in rows:
        by_problem.setdefault(row.problem, []).append(row)
    verifiers = list(rows[0].scores)
    plan = Plan(
        model,
        task or Imported(),
        len(by_problem),
        max(map(len, by_problem.values())),
        temperature=1.0,
        top_p=1.0,
    )
    folder = RunFolder(out)
    with folder.writing():
        folder.start(_record(path, plan, rows, verifiers), _problem_frame(by_problem))
        for number in range(plan.parts):
            part = dict(
                list(by_problem.items())[number * PART_PROBLEMS : (number + 1) * PART_PROBLEMS]
            )
            frames = {"responses": _responses(part)} | {
                f"scores/{name}": _scores(part, name) for name in verifiers
            }
            for stage, frame in frames.items():
                if not folder.has_part(stage, number):
                    folder.write_part(stage, number, frame, Usage())
    return Run(out, task=plan.task)


def _check_agreement(path: Path, rows: list[Row]) -> None:
    """One question and one reference a problem; the same verifiers' scores on every line, equally many draws of each."""
    firsts: dict[str, Row] = {}
    draws = {name: len(values) for name, values in rows[0].scores.items()}
    for row in rows:
        first = firsts.setdefault(row.problem, row)
        for name in ("question", "reference"):
            if (own := getattr(row, name)) != (theirs := getattr(first, name)):
                got = f"{path} line {row.line} gives problem {row.problem!r:.60} the {name} {own!r:.60}, and line {first.line} {theirs!r:.60}"
                raise UsageError(f"{got}; expected one {name} a problem")
        if (own := {name: len(values) for name, values in row.scores.items()}) != draws:
            got = f"{path} line {row.line} has {_counted(own)}, and line {rows[0].line} {_counted(draws)}"
            raise UsageError(
                f"{got}; expected as many scores on every line (null where a response has none)"
            )


def _counted(draws: dict[str, int]) -> str:
    return ", ".join(f"{count} scores of {name}" for name, count in draws.items()) or "no scores"


def _record(path: Path, plan: Plan, rows: list[Row], verifiers: list[str]) -> dict[str, Any]:
    entry = {
        "description": "scores made elsewhere",
        "default_weight": "quantile:0.7",
        "pointwise": True,
        "sees_references": False,
        "probability": True,
    }
    digest = hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
    return {
        "format_version": FORMAT_VERSION,
        "design": "fixed",
        "asked": plan.as_record()
        | {
            "verifiers": {},
            "draws": 1,
            "verifier_model": plan.model,
            "fingerprints": [digest, digest],
        },
        "imported": {"file": path.name, "blake2b": digest, "responses": len(rows)},
        "model": {"model": plan.model, "engine": "imported"},
        "verifier_model": plan.model,
        "verifiers": {name: {"verifier": name, "model": None} | entry for name in verifiers},
        "problems_per_part": PART_PROBLEMS,
        "bootstrap_seed": plan.bootstrap_seed,
        "versions": {"strop": version("strop")},
        "definitions": {"gap": GAP_DEFINITION},
    }


def _problem_frame(by_problem: dict[str, list[Row]]) -> pl.DataFrame:
    rows = [
        (problem, "test", own[0].question, own[0].reference, None, "{}")
        for problem, own in by_problem.items()
    ]
    return pl.DataFrame(rows, schema=PROBLEM_SCHEMA, orient="row")


def _responses(part: dict[str, list[Row]]) -> pl.DataFrame:
    rows = [
        (problem, number, r.text, None, r.tokens, r.logprob, r.finish, *astuple(r.grade))
        for problem, own in part.items()
        for number, r in enumerate(own)
    ]
    return pl.DataFrame(rows, schema=RESPONSE_SCHEMA, orient="row")


def _scores(part: dict[str, list[Row]], name: str) -> pl.DataFrame:
    rows = [
        (problem, number, draw, score, True, "")
        for problem, own in part.items()
        for number, row in enumerate(own)
        for draw, score in enumerate(row.scores[name])
    ]
    return pl.DataFrame(rows, schema=SCORE_SCHEMA, orient="row")


@dataclass(frozen=True)
class _Line:
    """One JSON object, and where it stands: all that an error message needs."""

    path: Path
    line: int
    document: dict[str, Any]

    def row(self, task: Task | None) -> Row:
        if unknown := sorted(self.document.keys() - KNOWN):
            raise self.wrong(
                f"has a field {unknown[0]!r} that is not known",
                f"some of {', '.join(sorted(KNOWN))}",
            )
        problem, text = self.string("problem"), self.string("text")
        question, reference = self.string("question", problem), self.optional("reference")
        grade = self.judged(task, Problem(problem, "test", question, reference), text)
        finish = self.string("finish", "end")
        if finish not in FINISHES:
            raise self.wrong(f"has finish {finish!r}", " or ".join(FINISHES))
        tokens = self.document.get("tokens")
        if tokens is not None and (
            not isinstance(tokens, int)
            or isinstance(tokens, bool)
            or not 0 <= tokens <= MOST_TOKENS
        ):
            raise self.wrong(f"has tokens {tokens!r}", "a whole number")
        logprob = self.number("logprob", self.document.get("logprob"), math.nan)
        if logprob > 0:
            raise self.wrong(f"has logprob {logprob:g}", "a sum of log-probabilities, 0 or less")
        return Row(
            self.line,
            problem,
            question,
            reference,
            text,
            grade,
            logprob,
            tokens,
            finish,
            self.scores(),
        )

    def judged(self, task: Task | None, problem: Problem, text: str) -> Grade:
        """As the line says, or by the task, or by comparing answer and reference. Where a given answer was found is not known."""
        answer, given = self.optional("answer"), self.document.get("utility")
        given = self.document.get("correct") if given is None else given
        grade = Grade(answer, answer, math.nan, math.nan)
        if task is not None and (given is None or answer is None) and problem.reference is not None:
            by_task = self.graded(task, text, problem)
            grade = (
                by_task
                if answer is None
                else replace(
                    by_task,
                    answer_strict=answer,
                    answer_flexible=answer,
                    found_by=None,
                    found_at=None,
                )
            )
            if given is None:
                return grade
        if given is not None:
            utility = self.number("utility", given, math.nan)
            if not 0 <= utility <= 1:
                raise self.wrong(f"has utility {given!r}", "a number from 0 to 1, or true or false")
            return replace(grade, utility_strict=utility, utility_flexible=utility)
        if answer is None or problem.reference is None:
            raise self.wrong(
                "does not say what is right",
                "utility, or correct, or answer and reference, or reference and --task NAME",
            )
        right = float(answer.strip() == problem.reference.strip())
        return Grade(answer, answer, right, right)

    def graded(self, task: Task, text: str, problem: Problem) -> Grade:
        """By the task; some tasks read what is right off the question, and must be able to."""
        try:
            return task.grade(text, problem)
        except (ValueError, LookupError):
            raise self.wrong(
                f"has the question {problem.question!r:.60}",
                f"one that {task.name} asks, or utility, or correct",
            ) from None

    def scores(self) -> dict[str, list[float]]:
        """By verifier, one number a draw; null is a response without a score."""
        given = self.document.get("scores", {})
        if not isinstance(given, dict) or [] in given.values():
            raise self.wrong(f"has scores {given!r}", '{"my-verifier": 0.7}')
        if wrong := [name for name in given if not SCORE_NAME.fullmatch(name) or name in VERIFIERS]:
            raise self.wrong(
                f"has scores of {wrong[0]!r}",
                "a name of letters, digits, dots and dashes that is no verifier of ours",
            )
        draws = {
            name: values if isinstance(values, list) else [values] for name, values in given.items()
        }
        return {
            name: [self.number(f"scores of {name}", value, math.nan) for value in values]
            for name, values in draws.items()
        }

    def string(self, key: str, default: str | None = None) -> str:
        value = self.document.get(key, default)
        if isinstance(value, int) and not isinstance(value, bool) and key == "problem":
            return str(value)
        if not isinstance(value, str) or (key == "problem" and not value):
            raise self.wrong(
                f"has {key} {value!r}" if key in self.document else f"has no {key}",
                f"a string as {key}",
            )
        return self.whole(key, value)

    def whole(self, key: str, text: str) -> str:
        """The text, which must be text: JSON can spell half a character, which no file can hold."""
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise self.wrong(
                f"has {text[error.start]!r} in its {key}", "whole characters, no lone surrogate"
            ) from None
        return text

    def optional(self, key: str) -> str | None:
        value = self.document.get(key)
        if value is None:
            return None
        if isinstance(value, str):
            return self.whole(key, value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return json.dumps(value)
        raise self.wrong(f"has {key} {value!r}", f"{key} to be text or a number")

    def number(self, key: str, value: Any, default: float) -> float:
        if value is None:
            return default
        if not isinstance(value, int | float) or not -1e300 < value < 1e300:
            raise self.wrong(f"has {key} {value!r}", f"{key} to be a finite number")
        return float(value)

    def wrong(self, got: str, expected: str) -> UsageError:
        return UsageError(f"{self.path} line {self.line} {got:.120}; expected {expected}")
