"""What the page's reader shows: a sample of problems, their distinct responses, and every verifier's opinion of each.

Model texts are hostile. They leave here with control and direction marks made visible and cut at ``TEXT_LIMIT`` characters, as
JSON that cannot close the script element around it; the page shows them through ``textContent`` alone.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from strop.report.flags import FILTERS, flags
from strop.report.formatting import clean, models, visible

if TYPE_CHECKING:
    import polars

PROBLEM_LIMIT = 40
RARE_SHARE = 8
"""A filter of the reader that fewer than an eighth of the problems shown are about gets as many more, so that what is rare is there."""
RESPONSE_LIMIT = 16
DRAW_LIMIT = 3
TEXT_LIMIT = 4_000
BYTE_LIMIT = 1_500_000

Row = dict[str, Any]
Opinions = dict[tuple[str, int], list[Row]]


@dataclass(frozen=True)
class ReportRun:
    """One model on one task, as the page wants it.

    ``document`` is the JSON contract's document and ``record`` the content of run.json. ``problems``, ``responses`` and, for each
    verifier, ``scores`` are the run folder's tables. ``sweeps`` holds for each verifier the rows of its gap-by-threshold curve:
    ``{"threshold": float, "weigh": "quantile:0.3", "gap": estimate, "kept_share": estimate}``. ``label`` names it among others.
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
        """What the run is called on the page: ``label``, or its task and models."""
        return visible(self.label or f"{self.document['task']} · {models(self.document)}")


@dataclass(frozen=True)
class CommandResult:
    """What a command other than gap found. ``runs`` are there to be browsed."""

    command: Literal["sharpen", "improve", "cross"]
    document: dict[str, Any]
    runs: list[ReportRun] = field(default_factory=list)

    @property
    def what(self) -> str:
        """What was done."""
        return {
            "cross": "who verifies whom",
            "sharpen": "best of N",
            "improve": f"rounds of {self.document.get('method')}",
        }[self.command]


def reader_data(runs: Sequence[ReportRun]) -> list[Row]:
    """The reader's content for all runs, sharing ``BYTE_LIMIT`` bytes: a run over its share shows fewer problems, and says so."""
    share = BYTE_LIMIT // max(1, len(runs))
    return [_within(run, share) for run in runs]


def safe_json(value: Any) -> str:
    """JSON that may stand in a script element: no <, >, & and no line or paragraph separator, each as its \\u escape."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def kept(scores: Sequence[float | None], weigh: str) -> list[bool | None]:
    """Which of one problem's responses the weight keeps: None where it does not say (no score, or a weight that is no filter)."""
    kind, _, parameter = weigh.partition(":")
    valid = sorted((score for score in scores if score is not None), reverse=True)
    if kind not in FILTERS or not valid:
        return [None] * len(scores)
    threshold = float(parameter)
    if kind == "quantile":
        threshold = valid[max(1, math.ceil((1 - threshold) * len(valid) - 1e-9)) - 1]
    return [None if score is None else score >= threshold for score in scores]


def _within(run: ReportRun, share: int) -> Row:
    """The reader's content of one run, halving the problems shown until it takes at most ``share`` bytes."""
    limit = PROBLEM_LIMIT
    while True:
        content = _run_content(run, limit)
        if limit == 1 or len(safe_json(content).encode()) <= share:
            return content
        limit //= 2


def _run_content(run: ReportRun, limit: int) -> Row:
    total = run.problems.height
    count = min(limit, total)
    even = [place * total // count for place in range(count)]
    weighs = {
        name: str(run.document["verifiers"].get(name, {}).get("weigh", "")) for name in run.scores
    }
    found = flags(run.problems, run.responses, run.scores, weighs)
    places = sorted(
        {
            *even,
            *(place for flag in found.values() for place in flag.missed(even, limit // RARE_SHARE)),
        }
    )
    problems = run.problems[places].to_dicts()
    chosen = [row["problem"] for row in problems]
    grouped: dict[str, list[Row]] = {identifier: [] for identifier in chosen}
    for row in _of(run.responses, chosen).sort("sample").to_dicts():
        grouped[row["problem"]].append(row)
    opinions = {name: _opinions(_of(frame, chosen)) for name, frame in run.scores.items()}
    spread = ", evenly spaced" if count < total else ""
    more = (
        f", and {len(places) - count} more where something is rare" if len(places) > count else ""
    )
    return {
        "label": run.title,
        "note": f"Shows {len(places)} of {total} problems: {count}{spread}{more}."
        if more
        else f"Shows {count} of {total} problems{spread}.",
        "whole": {name: flag.told for name, flag in found.items()},
        "verifiers": [
            {"name": visible(name), "weigh": visible(weighs[name])} for name in run.scores
        ],
        "problems": [_problem(row, grouped[row["problem"]], opinions, weighs) for row in problems],
    }


def _of(frame: polars.DataFrame, problems: list[str]) -> polars.DataFrame:
    import polars

    return frame.filter(polars.col("problem").is_in(problems))


def _opinions(frame: polars.DataFrame) -> Opinions:
    """Every draw of one verifier, by problem and sample."""
    opinions: Opinions = {}
    for row in frame.sort("draw").to_dicts():
        opinions.setdefault((row["problem"], row["sample"]), []).append(row)
    return opinions


def _problem(
    row: Row, responses: list[Row], opinions: dict[str, Opinions], weighs: dict[str, str]
) -> Row:
    copies = Counter(response["text"] for response in responses)
    first = {response["text"]: response for response in reversed(responses)}
    shown = sorted(first.values(), key=lambda response: int(response["sample"]))[:RESPONSE_LIMIT]
    judged = [_judgements(responses, opinions[name], weighs[name]) for name in opinions]
    return {
        "id": visible(row["problem"]),
        "split": visible(row["split"]),
        "question": _text(row["question"]),
        "reference": _text(row["reference"]),
        "prompt": _text(row["prompt"]),
        "metadata": _text(row["metadata"]),
        "distinct": len(first),
        "drawn": len(responses),
        "responses": [
            _response(item, copies[item["text"]], [of.get(item["sample"]) for of in judged])
            for item in shown
        ],
    }


def _judgements(responses: list[Row], opinions: Opinions, weigh: str) -> dict[int, Row]:
    """One verifier on one problem, by sample: the mean score over draws, whether it is kept, and the verification texts."""
    draws = [opinions.get((response["problem"], response["sample"]), []) for response in responses]
    means = [_mean([row["score"] for row in rows]) for rows in draws]
    return {
        response["sample"]: {
            "score": _shown_number(mean),
            "kept": keep,
            "unparsed": sum(not row["parsed"] for row in rows),
            "draws": len(rows),
            "texts": [_text(row["text"]) for row in rows[:DRAW_LIMIT] if row["text"]],
        }
        for response, rows, mean, keep in zip(
            responses, draws, means, kept(means, weigh), strict=True
        )
        if rows
    }


def _response(row: Row, copies: int, judged: list[Row | None]) -> Row:
    return {
        "sample": row["sample"],
        "copies": copies,
        "text": _text(row["text"]),
        "answer": _text(row["answer_strict"]),
        "flexible": _text(row["answer_flexible"]),
        "foundBy": _text(row["found_by"]),
        "foundAt": row["found_at"],
        "utility": _shown_number(row["utility_strict"]),
        "utilityFlexible": _shown_number(row["utility_flexible"]),
        "tokens": row["tokens"],
        "logprob": _shown_number(row["logprob"]),
        "finish": clean(row["finish"]),
        "scores": judged,
    }


def _mean(scores: list[float | None]) -> float | None:
    values = [score for score in scores if score is not None and not math.isnan(score)]
    return sum(values) / len(values) if values else None


def _shown_number(value: float | None) -> float | str | None:
    """A number that JSON can hold: infinities as text, NaN as null."""
    if value is None or math.isnan(value):
        return None
    return round(value, 4) if math.isfinite(value) else ("∞" if value > 0 else "−∞")


def _text(text: str | None) -> Row | str | None:
    """A text made visible; one longer than ``TEXT_LIMIT`` characters is cut, and carries its full length."""
    if text is None or len(text) <= TEXT_LIMIT:
        return None if text is None else visible(text)
    return {"text": visible(text[:TEXT_LIMIT]), "length": len(text)}
