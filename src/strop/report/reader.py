"""The page's reader: a sample of problems, their distinct responses, and every verifier's opinion.

Model texts are untrusted. Their control and direction characters are made visible, and each text is
cut at ``TEXT_LIMIT`` characters. The JSON cannot close the script element around it, and the page
shows texts only through ``textContent``.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from strop.report.flags import Flag, evenly_spaced, flags
from strop.report.formatting import clean, run_title, visible
from strop.weigh import stored_weight

if TYPE_CHECKING:
    import polars

PROBLEM_LIMIT = 40
RARE_SHARE = 8
"""At least one in ``RARE_SHARE`` of the shown problems should match each of the reader's filters.

If fewer match, more problems are added, so that rare responses can be read.
"""
RESPONSE_LIMIT = 16
DRAW_LIMIT = 3
TEXT_LIMIT = 4_000
BYTE_LIMIT = 1_500_000

Row = dict[str, Any]
Opinions = dict[tuple[str, int], list[Row]]
"""The draws of one verifier by problem and sample."""


@dataclass(frozen=True)
class ReportRun:
    """One model on one task, as the page needs it.

    ``document`` is the document of the JSON contract and ``record`` the content of run.json.
    ``problems``, ``responses`` and, for each verifier, ``scores`` are the run folder's tables.
    ``sweeps`` holds for each verifier the rows of its gap-by-threshold curve:
    ``{"threshold": float, "weigh": "quantile:0.3", "gap": estimate, "kept_share": estimate}``.
    ``label`` names the run among others.
    """

    document: dict[str, Any]
    record: dict[str, Any]
    problems: polars.DataFrame
    responses: polars.DataFrame
    scores: dict[str, polars.DataFrame]
    sweeps: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    label: str = ""

    @property
    def title(self) -> str:
        """The name of the run on the page: ``label``, or its task and models."""
        return visible(self.label) or run_title(self.document)


@dataclass(frozen=True)
class CommandResult:
    """The result of a command other than ``strop gap``. The reader shows the ``runs``."""

    command: Literal["sharpen", "improve", "cross"]
    document: dict[str, Any]
    runs: list[ReportRun] = field(default_factory=list)

    @property
    def what(self) -> str:
        """The command in words, for the page's title."""
        words = {
            "cross": "who verifies whom",
            "sharpen": "best of N",
            "improve": f"rounds of {self.document.get('method')}",
        }
        return words[self.command]


def reader_data(runs: Sequence[ReportRun]) -> list[Row]:
    """Return the reader's content for all runs, which share ``BYTE_LIMIT`` bytes.

    A run over its share shows fewer problems, and says so.
    """
    share = BYTE_LIMIT // max(1, len(runs))
    return [_content_within(run, share) for run in runs]


def safe_json(value: Any) -> str:
    """Return JSON that may stand in a script element.

    <, >, & and the line and paragraph separators are written as \\u escapes.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # "</script>" or "<!--" in a model's text would end or comment out the element; the separators
    # end a line in older JavaScript. In JSON these characters occur only within strings.
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _content_within(run: ReportRun, share: int) -> Row:
    """Return one run's content, with half the problems until it takes at most ``share`` bytes."""
    weighs = {}
    for name in run.scores:
        # A verifier may have scores but no entry: a sharpening's page leaves the gaps out.
        entry = run.document["verifiers"].get(name, {})
        weighs[name] = str(entry.get("weigh", ""))
    flag_of = flags(run.problems, run.responses, run.scores, weighs)
    # The size of a problem is unknown before it is written, so try and halve.
    limit = PROBLEM_LIMIT
    while True:
        content = _content(run, limit, weighs, flag_of)
        if limit == 1 or len(safe_json(content).encode()) <= share:
            return content
        limit //= 2


def _content(
    run: ReportRun, limit: int, weighs: Mapping[str, str], flag_of: Mapping[str, Flag]
) -> Row:
    total = run.problems.height
    even = evenly_spaced(total, limit)
    indices = set(even)
    for flag in flag_of.values():
        indices.update(flag.missing(even, limit // RARE_SHARE))
    problems = run.problems[sorted(indices)]
    return {
        "label": run.title,
        "note": _sample_note(total, len(even), len(indices)),
        "whole": {name: flag.as_json() for name, flag in flag_of.items()},
        "verifiers": [clean({"name": name, "weigh": weigh}) for name, weigh in weighs.items()],
        "problems": _problems(run, problems, weighs),
    }


def _problems(run: ReportRun, problems: polars.DataFrame, weighs: Mapping[str, str]) -> list[Row]:
    """Return the shown problems with their responses and every verifier's opinions."""
    # Only the shown problems' rows become Python objects: a large run has millions.
    chosen = problems["problem"].to_list()
    responses_of: dict[str, list[Row]] = {problem: [] for problem in chosen}
    for row in _rows_of(run.responses, chosen).sort("sample").to_dicts():
        responses_of[row["problem"]].append(row)
    opinions = {}
    for name, table in run.scores.items():
        opinions[name] = _opinions(_rows_of(table, chosen))
    rows = problems.to_dicts()
    return [_problem(row, responses_of[row["problem"]], opinions, weighs) for row in rows]


def _sample_note(total: int, even: int, shown: int) -> str:
    """Return how the shown problems were sampled: ``even`` of them evenly spaced."""
    spread = ", evenly spaced" if even < total else ""
    if shown == even:
        return f"Shows {even} of {total} problems{spread}."
    rare = f"and {shown - even} more where something is rare"
    return f"Shows {shown} of {total} problems: {even}{spread}, {rare}."


def _rows_of(table: polars.DataFrame, problems: list[str]) -> polars.DataFrame:
    import polars

    return table.filter(polars.col("problem").is_in(problems))


def _opinions(table: polars.DataFrame) -> Opinions:
    opinions: Opinions = {}
    for row in table.sort("draw").to_dicts():
        opinions.setdefault((row["problem"], row["sample"]), []).append(row)
    return opinions


def _problem(
    row: Row, responses: list[Row], opinions: Mapping[str, Opinions], weighs: Mapping[str, str]
) -> Row:
    copies = Counter(response["text"] for response in responses)
    # Equal texts are shown once: the first sample that has the text.
    first: dict[str, Row] = {}
    for response in responses:
        first.setdefault(response["text"], response)
    judgements = [_judgements(responses, opinions[name], weighs[name]) for name in opinions]
    shown = []
    for response in list(first.values())[:RESPONSE_LIMIT]:
        scores = [judgement.get(response["sample"]) for judgement in judgements]
        shown.append(_response(response, copies[response["text"]], scores))
    return {
        "id": visible(row["problem"]),
        "split": visible(row["split"]),
        "question": _text(row["question"]),
        "reference": _text(row["reference"]),
        "prompt": _text(row["prompt"]),
        "metadata": _text(row["metadata"]),
        "distinct": len(first),
        "drawn": len(responses),
        "responses": shown,
    }


def _judgements(responses: list[Row], opinions: Opinions, weigh: str) -> dict[int, Row]:
    """Return one verifier's judgements on one problem, by sample.

    Each has the mean score over draws, whether the filter keeps it, and the verification texts.
    """
    draws, means = [], []
    for response in responses:
        rows = opinions.get((response["problem"], response["sample"]), [])
        draws.append(rows)
        means.append(_mean([row["score"] for row in rows]))
    # A filter may depend on all of a problem's scores, so all are judged together.
    weight = stored_weight(weigh)
    kept = weight.kept(means) if weight else [None] * len(means)
    judgements = {}
    for response, rows, mean, keep in zip(responses, draws, means, kept, strict=True):
        if rows:
            judgements[response["sample"]] = {
                "score": _json_number(mean),
                "kept": keep,
                "unparsed": sum(not row["parsed"] for row in rows),
                "draws": len(rows),
                "texts": _verification_texts(rows),
            }
    return judgements


def _verification_texts(draws: list[Row]) -> list[Row | str | None]:
    """Return the texts of the first draws; a verifier that reads a probability has none."""
    return [_text(row["text"]) for row in draws[:DRAW_LIMIT] if row["text"]]


def _response(row: Row, copies: int, scores: list[Row | None]) -> Row:
    # page.js reads these names.
    return {
        "sample": row["sample"],
        "copies": copies,
        "text": _text(row["text"]),
        "answer": _text(row["answer_strict"]),
        "flexible": _text(row["answer_flexible"]),
        "foundBy": _text(row["found_by"]),
        "foundAt": row["found_at"],
        "utility": _json_number(row["utility_strict"]),
        "utilityFlexible": _json_number(row["utility_flexible"]),
        "tokens": row["tokens"],
        "logprob": _json_number(row["logprob"]),
        "finish": clean(row["finish"]),
        "scores": scores,
    }


def _mean(scores: list[float | None]) -> float | None:
    values = [score for score in scores if score is not None and not math.isnan(score)]
    return sum(values) / len(values) if values else None


def _json_number(value: float | None) -> float | str | None:
    """Return a number that JSON can hold: an infinity as text, NaN as null."""
    if value is None or math.isnan(value):
        return None
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return round(value, 4)


def _text(text: str | None) -> Row | str | None:
    """Return a visible text. A text over ``TEXT_LIMIT`` characters is cut, with its full length."""
    if text is None:
        return None
    if len(text) <= TEXT_LIMIT:
        return visible(text)
    return {"text": visible(text[:TEXT_LIMIT]), "length": len(text)}
