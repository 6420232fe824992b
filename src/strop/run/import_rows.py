"""Read and check a file of samples made elsewhere (``strop import``).

The file has one JSON object per line. ``problem`` and ``text`` are required, and one of the fields
that show whether the response is right:

    problem     the problem's name: responses with the same name belong together (default: the
                question)
    text        the response; a span of thinking, <think>...</think>, is removed before it is graded
    question    the question (default: the problem's name); prompted verifiers show it
    reference   the gold answer, for ``--task NAME`` or exact comparison with ``answer``; a task
                takes it in every form that can mean one thing there (``Task.read_gold``)
    answer      the extracted answer; it is graded in place of the text, and majority votes count it
    utility     how right the response is, from 0 to 1 (or ``correct``: true or false); it overrides
                any grading by strop
    logprob     the sum of the temperature-1 log-probabilities of its tokens; unknown by default
    tokens, finish ("end", "stop" or "length")
    scores      {"my-verifier": 0.7, ...}, or a list of numbers, one per draw

``columns`` renames fields: ``{"text": "response"}`` reads the text from the field ``response``.
Fields that no column names are then left unread; without ``columns`` a field that is not known is
refused, since it may be a misspelled one.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from strop.engines.thinking import MARK, Answer, remove_thinking
from strop.errors import UsageError
from strop.records import Problem
from strop.tasks import Task
from strop.tasks.base import Grade
from strop.verify import VERIFIERS

LONGEST_LINE = 10_000_000
MAX_TOKENS = 2**31 - 1
"""The largest number of tokens that the stored column can hold."""
LARGEST_WHOLE = 2.0**53
"""Below it, every whole number is a float of its own."""
SCORE_NAME = re.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""A name of scores is also the name of a folder, and a part of a weight's name."""
FINISHES = ("end", "stop", "length")
FIELDS = {
    *("problem", "text", "question", "reference", "answer", "utility", "correct"),
    *("logprob", "tokens", "finish", "scores"),
}


@dataclass(frozen=True)
class Row:
    """One imported response, checked, and the number of its line.

    ``text`` is without spans of thinking. ``has_thoughts``: it had some; ``is_unclosed``: it ended
    inside one, and ``finish`` is then "length".
    """

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
    has_thoughts: bool = False
    is_unclosed: bool = False


def read_columns(text: str) -> dict[str, str]:
    """Read ``text=response,problem=id``: our field, then the file's. Raises UsageError."""
    columns: dict[str, str] = {}
    for pair in text.split(","):
        field, equals, column = map(str.strip, pair.partition("="))
        if field not in FIELDS or not equals or not column or field in columns:
            raise UsageError(
                f"--columns {pair.strip()!r:.80}: expected FIELD=COLUMN, each field once, such as "
                f"text=response,problem=id; fields: {', '.join(sorted(FIELDS))}"
            )
        columns[field] = column
    return columns


def read_rows(
    path: Path,
    task: Task | None,
    columns: Mapping[str, str] | None = None,
    thinking: str = MARK,
) -> list[Row]:
    """Read every line of the file. UsageError names the first line that is wrong.

    ``thinking``: the name of the marks around a span of thinking; "" keeps such spans.
    """
    if not path.is_file():
        raise UsageError(f"there is no file {path}; expected one JSON object a line")
    rows = []
    for number, document in _documents(path):
        if columns:
            document = _renamed(path, number, document, columns)
        rows.append(_Line(path, number, document).row(task, thinking))
    if not rows:
        raise UsageError(f"{path} holds no responses; expected one JSON object a line")
    _check_agreement(path, rows)
    return rows


def _renamed(
    path: Path, line: int, document: dict[str, Any], columns: Mapping[str, str]
) -> dict[str, Any]:
    """Return the fields that ``columns`` names, and the others that have our names already."""
    renamed = {field: value for field, value in document.items() if field in FIELDS - set(columns)}
    for field, column in columns.items():
        if column not in document:
            raise UsageError(
                f"{path} line {line} has no {column!r}, which --columns names for {field}; "
                f"it has {', '.join(map(str, document)) or 'nothing':.200}"
            )
        renamed[field] = document[column]
    return renamed


def _documents(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the number and the object of each line that is not empty."""
    with path.open("rb") as file:
        # A bounded readline: a file without line breaks must not be read into memory at once.
        lines = iter(lambda: file.readline(LONGEST_LINE + 1), b"")
        for number, line in enumerate(lines, start=1):
            if len(line) > LONGEST_LINE:
                raise UsageError(
                    f"{path} line {number} is longer than {LONGEST_LINE:,} bytes; "
                    "expected one response a line"
                )
            if line.strip():
                yield number, _parsed(path, number, line)


def _parsed(path: Path, number: int, line: bytes) -> dict[str, Any]:
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
    return document


def _refuse_constant(name: str) -> NoReturn:
    """Refuse NaN and Infinity, which Python's JSON reader accepts."""
    raise ValueError(f"{name} is no number; leave the field out, or write null")


def _check_agreement(path: Path, rows: list[Row]) -> None:
    """Check that a problem has one question and reference, and every line the same scores."""
    first_rows: dict[str, Row] = {}
    first_draws = _draws(rows[0])
    for row in rows:
        first = first_rows.setdefault(row.problem, row)
        for name in ("question", "reference"):
            value, first_value = getattr(row, name), getattr(first, name)
            if value != first_value:
                raise UsageError(
                    f"{path} line {row.line} gives problem {row.problem!r:.60} the {name} "
                    f"{value!r:.60}, and line {first.line} {first_value!r:.60}; "
                    f"expected one {name} a problem"
                )
        if _draws(row) != first_draws:
            raise UsageError(
                f"{path} line {row.line} has {_counted(_draws(row))}, and line {rows[0].line} "
                f"{_counted(first_draws)}; expected as many scores on every line "
                "(null where a response has none)"
            )


def _draws(row: Row) -> dict[str, int]:
    return {name: len(values) for name, values in row.scores.items()}


def _counted(draws: dict[str, int]) -> str:
    return ", ".join(f"{count} scores of {name}" for name, count in draws.items()) or "no scores"


@dataclass(frozen=True)
class _Line:
    """One JSON object, with the file and line that error messages name."""

    path: Path
    line: int
    document: dict[str, Any]

    def row(self, task: Task | None, thinking: str) -> Row:
        unknown = sorted(self.document.keys() - FIELDS)
        if unknown:
            raise self.wrong(
                f"has a field {unknown[0]!r} that is not known",
                f"some of {', '.join(sorted(FIELDS))}, or --columns FIELD={unknown[0]:.40}",
            )
        problem = self.problem()
        text = self.string("text")
        response = remove_thinking(text, thinking) if thinking else Answer(text, "", False)
        question = self.string("question", problem)
        reference = self.reference(task, question)
        grade = self.grade(task, Problem(problem, "test", question, reference), response.text)
        return Row(
            line=self.line,
            problem=problem,
            question=question,
            reference=reference,
            text=response.text,
            grade=grade,
            finish="length" if response.is_open else self.finish(),
            tokens=self.tokens(),
            logprob=self.logprob(),
            scores=self.scores(),
            has_thoughts=bool(response.thoughts),
            is_unclosed=response.is_open,
        )

    # --- whether the response is right ---

    def grade(self, task: Task | None, problem: Problem, text: str) -> Grade:
        """Grade by the given utility, or by the task, or by comparing answer and reference.

        A given answer is graded in place of the text; its position in the text is not known.
        """
        answer = self.optional("answer")
        utility = self.utility()
        can_grade = task is not None and (problem.reference is not None or not task.needs_reference)
        grade = Grade(answer, answer, math.nan, math.nan)
        if task is not None and can_grade:
            if answer is None:
                grade = self.grade_by_task(task, text, problem)
            elif utility is None:
                is_right = float(self.answer_is_right(task, answer, problem))
                grade = Grade(answer, answer, is_right, is_right)
            if utility is None:
                return grade
        if utility is not None:
            return replace(grade, utility_strict=utility, utility_flexible=utility)
        if answer is None or problem.reference is None:
            raise self.wrong(
                "does not say what is right",
                "utility, or correct, or answer and reference, or reference and --task NAME",
            )
        is_right = float(answer.strip() == problem.reference.strip())
        return Grade(answer, answer, is_right, is_right)

    def utility(self) -> float | None:
        value = self.document.get("utility")
        if value is None:
            value = self.document.get("correct")
        if value is None:
            return None
        utility = self.number("utility", value, math.nan)
        if not 0 <= utility <= 1:
            raise self.wrong(f"has utility {value!r}", "a number from 0 to 1, or true or false")
        return utility

    def grade_by_task(self, task: Task, text: str, problem: Problem) -> Grade:
        """Grade by the task. Some tasks compute the right answer from the question."""
        try:
            return task.grade(text, problem)
        except (ValueError, LookupError):
            raise self.wrong_question(task, problem) from None

    def answer_is_right(self, task: Task, answer: str, problem: Problem) -> bool:
        try:
            return task.answer_is_right(answer, problem)
        except (ValueError, LookupError):
            raise self.wrong_question(task, problem) from None

    def wrong_question(self, task: Task, problem: Problem) -> UsageError:
        return self.wrong(
            f"has the question {problem.question!r:.60}",
            f"one that {task.name} asks, or utility, or correct",
        )

    def reference(self, task: Task | None, question: str) -> str | None:
        """Return the reference as the task reads it, or as it is given if nothing grades by it."""
        gold = self.document.get("reference")
        if gold is None:
            return None
        if task is None:
            return self.optional("reference")
        if not isinstance(gold, str | int | float | list):
            raise self.wrong(f"has reference {gold!r}", "a text, a number or a list")
        try:
            return self.encodable("reference", task.read_gold(gold, question))
        except ValueError as error:
            expected = f"for {task.name} {error}"
        if self.utility() is not None:
            return self.encodable("reference", gold if isinstance(gold, str) else json.dumps(gold))
        raise self.wrong(f"has the reference {gold!r:.60}", expected)

    # --- single fields ---

    def problem(self) -> str:
        """Return the problem's name: the question where no name is given."""
        if "problem" not in self.document and self.document.get("question"):
            return self.string("question")
        return self.string("problem")

    def finish(self) -> str:
        finish = self.string("finish", "end")
        if finish not in FINISHES:
            raise self.wrong(f"has finish {finish!r}", " or ".join(FINISHES))
        return finish

    def tokens(self) -> int | None:
        tokens = self.document.get("tokens")
        if tokens is None:
            return None
        is_whole_number = isinstance(tokens, int) and not isinstance(tokens, bool)
        if not is_whole_number or not 0 <= tokens <= MAX_TOKENS:
            raise self.wrong(f"has tokens {tokens!r}", "a whole number")
        return int(tokens)

    def logprob(self) -> float:
        logprob = self.number("logprob", self.document.get("logprob"), math.nan)
        if logprob > 0:
            raise self.wrong(f"has logprob {logprob:g}", "a sum of log-probabilities, 0 or less")
        return logprob

    def scores(self) -> dict[str, list[float]]:
        """Return the scores by verifier, one per draw; NaN for a response without a score."""
        given = self.document.get("scores", {})
        if not isinstance(given, dict) or [] in given.values():
            raise self.wrong(f"has scores {given!r}", '{"my-verifier": 0.7}')
        scores = {}
        for name, values in given.items():
            if not SCORE_NAME.fullmatch(name) or name in VERIFIERS:
                raise self.wrong(
                    f"has scores of {name!r}",
                    "a name of letters, digits, dots and dashes that is no verifier of ours",
                )
            if not isinstance(values, list):
                values = [values]
            scores[name] = [self.number(f"scores of {name}", value, math.nan) for value in values]
        return scores

    def string(self, key: str, default: str | None = None) -> str:
        value = self.document.get(key, default)
        if key == "problem" and isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if not isinstance(value, str) or (key == "problem" and not value):
            got = f"has {key} {value!r}" if key in self.document else f"has no {key}"
            raise self.wrong(got, f"a string as {key}")
        return self.encodable(key, value)

    def optional(self, key: str) -> str | None:
        """Return a text, or a number as text, or None."""
        value = self.document.get(key)
        if value is None:
            return None
        if isinstance(value, str):
            return self.encodable(key, value)
        if isinstance(value, float) and value.is_integer() and abs(value) < LARGEST_WHOLE:
            return str(int(value))  # tables write the whole number 5 as 5.0
        if isinstance(value, int | float) and not isinstance(value, bool):
            return json.dumps(value)
        raise self.wrong(f"has {key} {value!r}", f"{key} to be text or a number")

    def encodable(self, key: str, text: str) -> str:
        """Return the text. A lone surrogate, which JSON can express, cannot be stored."""
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise self.wrong(
                f"has {text[error.start]!r} in its {key}", "whole characters, no lone surrogate"
            ) from None
        return text

    def number(self, key: str, value: Any, default: float) -> float:
        if value is None:
            return default
        if not isinstance(value, int | float) or not -1e300 < value < 1e300:
            raise self.wrong(f"has {key} {value!r}", f"{key} to be a finite number")
        return float(value)

    def wrong(self, got: str, expected: str) -> UsageError:
        return UsageError(f"{self.path} line {self.line} {got:.120}; expected {expected}")
