"""Made-up runs with hostile texts, and helpers, for the tests of the report."""

from __future__ import annotations

import random
from typing import Any

import polars
from rich.console import Console

from strop.report.blocks import Chapter, Chart, WordTable
from strop.report.reader import ReportRun

HOSTILE = "</script><script>alert(1)</script>"
ESCAPE = "\x1b[31mred\x1b[0m"
MIRROR = "\u202egnorw\u202c"
LONG_NAME = "organisation/a-very-long-model-name-of-70B-parameters-instruct"
WIDE = {"value": -0.999, "low": -1.0, "high": -0.998}


def printed(*parts: Any, width: int = 80) -> str:
    """Return what a terminal of this width shows of rich tables and texts."""
    console = Console(width=width, color_system=None, highlight=False)
    with console.capture() as capture:
        for part in parts:
            console.print(part, markup=False)
    return capture.get()


def charts_and_tables(chapter: Chapter) -> tuple[dict[str, Chart], dict[str, WordTable]]:
    """Return a chapter's charts and tables by their titles."""
    charts, tables = {}, {}
    for group in chapter.groups:
        for block in group.blocks:
            if isinstance(block, Chart):
                charts[block.title] = block
            else:
                tables[block.title] = block
    return charts, tables


def estimate(value: float, half: float = 0.04) -> dict[str, Any]:
    return {"value": value, "low": value - half, "high": value + half, "level": 0.95, "n": 200}


def undefined(why: str) -> dict[str, Any]:
    return {"value": None, "why": why}


def entry(weigh: str, gap: dict[str, Any], kept: dict[str, Any], **counts: int) -> dict[str, Any]:
    fields = {
        "relative_gap": estimate(0.234),
        "kept_share": estimate(0.38),
        "tpr": estimate(0.712),
        "fpr": estimate(0.154),
    }
    return {
        "weigh": weigh,
        "gap": gap,
        "accuracy_kept": kept,
        **fields,
        "unparsed": 0,
        "no_survivor": 0,
        "no_room": 0,
    } | counts


def document(
    task: str = "arithmetic", model: str = "ladder/250k", verifier_model: str | None = None
) -> dict[str, Any]:
    verifiers = {
        "mc": entry("quantile:0.7", estimate(0.021, 0.03), estimate(0.433)),
        "cot-binary": entry(
            "threshold:0.5",
            estimate(0.138, 0.036),
            estimate(0.55),
            unparsed=3,
            no_survivor=1,
            no_room=12,
        ),
        "cot-score": entry(
            "quantile:0.7", undefined("one problem only"), undefined("one problem only")
        ),
        "logprob": entry("best-of:32", estimate(-0.05, 0.02), estimate(0.362)),
    }
    rows = [{"verifier": name, **values} for name, values in verifiers.items()]
    verdict = {
        "train": "yes",
        "why": "a gain of more than 2 points is 97% probable, by past rounds",
        "situation": "",
        "next": "strop improve --model ladder/250k --task arithmetic",
        "verifier": "cot-binary",
    }
    verdict |= {
        "weigh": "threshold:0.5",
        "gap": estimate(0.131),
        "gain": estimate(0.09),
        "expected_accuracy": estimate(0.502),
    }
    verdict |= {
        "method": "rft",
        "other_courses": 12,
        "source": "past",
        "source_words": "past rounds",
        "probability_worth": 0.97,
        "unknown": ["what comes after the first round"],
    }
    return {
        "verdict": verdict,
        "definition": "gap = accuracy of the weighed responses minus accuracy, at K = 32 samples",
        "model": model,
        "verifier_model": verifier_model or model,
        "task": task,
        "problems": 200,
        "samples": 32,
        "design": "fixed",
        "accuracy": estimate(0.412, 0.052),
        "greedy": estimate(0.45, 0.06),
        "truncated": 7,
        "verifiers": verifiers,
        "estimates": rows,
        "usage": {
            "prompt_tokens": 123456,
            "cached_tokens": 0,
            "generated_tokens": 98765,
            "flops": 1.2e13,
            "seconds": 81.5,
        },
        "usage_by_stage": {
            "responses": {
                "prompt_tokens": 3456,
                "cached_tokens": 0,
                "generated_tokens": 98765,
                "flops": 0.9e13,
                "seconds": 61.5,
            },
            "scores/mc": {
                "prompt_tokens": 120000,
                "cached_tokens": 0,
                "generated_tokens": 0,
                "flops": 0.3e13,
                "seconds": 20.0,
            },
        },
        "run": "runs/made-up",
    }


def run(
    problems: int = 60, samples: int = 20, texts: tuple[str, ...] = (), **names: str
) -> ReportRun:
    """Return a run whose first responses are the ``texts``."""
    dice = random.Random(0)
    contract = document(**names)
    rows = [(f"p{index}", sample) for index in range(problems) for sample in range(samples)]
    response_texts = [
        texts[sample]
        if sample < len(texts)
        else f"12 + {sample % 18} is {12 + sample % 18}, so the answer is {12 + sample % 18}."
        for _, sample in rows
    ]
    utility = [float(dice.random() < 0.4) for _ in rows]
    keys = {"problem": [problem for problem, _ in rows], "sample": [sample for _, sample in rows]}
    responses = {
        "text": response_texts,
        "token_ids": [[1, 2]] * len(rows),
        "tokens": [dice.randint(5, 40) for _ in rows],
        "logprob": [-10 * dice.random() for _ in rows],
        "finish": [dice.choice(["end", "stop", "stop", "length"]) for _ in rows],
        "answer_strict": [None if dice.random() < 0.1 else "17" for _ in rows],
        "answer_flexible": ["17"] * len(rows),
        "utility_strict": utility,
        "utility_flexible": utility,
        "found_by": [texts[sample] if sample < len(texts) else "last number" for _, sample in rows],
        "found_at": [len(text) - 3 for text in response_texts],
    }
    scores = {
        name: polars.DataFrame(keys | _scores(name, utility, dice, texts))
        for name in contract["verifiers"]
    }
    identifiers = [f"p{index}" for index in range(problems)]
    asked = {
        "question": [f"What is 12 + {index}?" for index in range(problems)],
        "prompt": [
            f"Question: 1 + 1?\nAnswer: 2\n\nQuestion: 12 + {index}?\nAnswer:"
            for index in range(problems)
        ],
    }
    frame = polars.DataFrame(
        {
            "problem": identifiers,
            "split": "test",
            **asked,
            "reference": "17",
            "metadata": '{"digits": 2}',
        }
    )
    record = {"format_version": 1, "seed": 0, "sampling": {"temperature": 0.7, "top_p": 0.9}}
    return ReportRun(contract, record, frame, polars.DataFrame(keys | responses), scores, sweeps())


def _scores(
    name: str, utility: list[float], dice: random.Random, texts: tuple[str, ...]
) -> dict[str, Any]:
    binary = name == "cot-binary"
    values = [
        float(dice.random() < 0.3 + 0.4 * right) if binary else 0.3 * right + dice.random()
        for right in utility
    ]
    verifications = [
        f"Let me check this one. {texts[0] if texts else ''} So it is right." if binary else ""
        for _ in utility
    ]
    return {
        "draw": 0,
        "score": values,
        "parsed": [dice.random() > 0.02 for _ in utility],
        "text": verifications,
    }


def sweeps() -> dict[str, list[dict[str, Any]]]:
    steps = [index / 10 for index in range(10)]
    rows = [
        {
            "threshold": q,
            "weigh": f"quantile:{q}",
            "gap": estimate(0.2 * q * (1 - q) * 2, 0.03),
            "kept_share": estimate(1 - q),
        }
        for q in steps
    ]
    empty = [
        {
            "threshold": 1.0,
            "weigh": "quantile:1.0",
            "gap": undefined("nothing kept"),
            "kept_share": estimate(0),
        }
    ]
    binary = [
        {
            "threshold": 0.5,
            "weigh": "threshold:0.5",
            "gap": estimate(0.138),
            "kept_share": estimate(0.4),
        }
    ]
    return {"mc": rows + empty, "cot-score": rows, "cot-binary": binary, "logprob": empty}
