"""Terminal tables about several models or sizes: eighty columns, names as text, dashes."""

from __future__ import annotations

from typing import Any

from rich.cells import cell_len
from rich.text import Text

from strop.report.model_tables import cross_tables, plan_notes, plan_table, scale_tables
from tests.report.made_up import ESCAPE, LONG_NAME, MIRROR, WIDE, estimate, printed, undefined

MARKUP = "[bold red]x[/]"


def crossed(
    *models: str, task: str = "arithmetic", gap: dict[str, Any] | None = None
) -> dict[str, Any]:
    cells = [
        {
            "generator": f,
            "verifier_model": g,
            "verifier": v,
            "weigh": "quantile:0.7",
            "gap": gap or estimate(0.01 * i, 0.015),
        }
        for v in ("mc", "cot-binary")
        for i, f in enumerate(models)
        for g in models
    ]
    accuracy = {model: estimate(0.4) for model in models}
    return {
        "task": task,
        "generators": list(models),
        "verifier_models": list(models),
        "accuracy": accuracy,
        "cells": cells,
        "run": "r",
    }


def scaled(
    model: str = "ladder/40k", slope: dict[str, Any] | None = None, **trend: Any
) -> dict[str, Any]:
    point = {
        "model": model,
        "task": "arithmetic",
        "verifier": "mc",
        "weigh": "quantile:0.7",
        "pretraining": {"flops": 1.23e12},
    }
    ends = {
        "family": "ladder",
        "task": "arithmetic",
        "verifier": "mc",
        "slope": slope or estimate(0.1),
        "kendall": estimate(0.67),
    }
    ends |= {"definition": "slope of a line, for these checkpoints only"}
    points = [
        point | {"relative_gap": estimate(0.2), "gap": estimate(0.05)},
        point | {"relative_gap": undefined("no room"), "gap": WIDE},
    ]
    return {
        "points": points,
        "trends": [ends | {"p_rising": 0.1667, "sizes": 3} | trend],
        "run": "r",
    }


def planned(quantity: str = "accuracy", **cheapest: Any) -> dict[str, Any]:
    counts: list[int | None] = [1_234_567, 12, None]
    needs = [
        {"samples": k, **({"problems": n, "responses": n * k} if n else {"why": "?"})}
        for k, n in zip((4, 8, 128), counts, strict=True)
    ]
    best = {"samples": 8, "problems": 12, "responses": 96} | cheapest
    return {
        "quantity": quantity,
        "half_width": 0.02,
        "level": 0.95,
        "needs": needs,
        "cheapest": best,
        "notes": ["taken from a pilot"],
    }


def widest(text: str) -> int:
    return max(cell_len(line.rstrip()) for line in text.splitlines())


def test_a_matrix_a_verifier() -> None:
    text = printed(*cross_tables(crossed("ladder/40k", "ladder/125k")))
    assert text.count("gap in points") == 2 and "mc@quantile:0.7, arithmetic" in " ".join(
        text.split()
    )
    assert "ladder/125k" in text and "40.0" in text
    assert "+1.0 " in text or "+1.0\n" in text
    assert "[−0.5, 2.5]" in text and "0.0" in text


def test_a_gap_whose_interval_excludes_zero_is_starred() -> None:
    assert "+3.0*" in printed(*cross_tables(crossed("a", gap=estimate(0.03, 0.01))))
    assert "−3.0*" in printed(*cross_tables(crossed("a", gap=estimate(-0.03, 0.01))))
    assert "+3.0*" not in printed(*cross_tables(crossed("a", gap=estimate(0.03, 0.04))))


def test_all_fit_eighty_columns() -> None:
    models = ["ladder/40k", "ladder/125k", "ladder/250k"]
    for parts in (
        cross_tables(crossed(*models, gap=WIDE)),
        cross_tables(crossed(LONG_NAME, "ladder/125k", LONG_NAME + "-2", gap=WIDE)),
        scale_tables(scaled()),
        scale_tables(scaled(LONG_NAME, slope=WIDE)),
        [plan_table([planned(), planned("gap of logprob-per-token@best-of:K")])],
    ):
        text = printed(*parts)
        assert widest(text) <= 80 and "…" not in text
    text = printed(*cross_tables(crossed(*models, gap=WIDE)))
    assert text.count("[−100.0, −99.8]") == 18 and text.count("−99.9*") == 18, (
        "no number is torn apart"
    )


def test_the_planned_sizes_all_stand_in_eighty_columns() -> None:
    needs = [{"samples": k, "problems": 1_234_567, "responses": k} for k in (4, 8, 16, 32, 64, 128)]
    text = printed(plan_table([planned("gap of cot-binary@threshold:0.5") | {"needs": needs}]))
    assert widest(text) <= 80 and all(f"K = {k}" in text for k in (4, 8, 16, 32, 64, 128))


def test_names_and_reasons_are_text() -> None:
    hostile = f"{MARKUP}{ESCAPE}{MIRROR}"
    texts = [
        printed(*cross_tables(crossed(hostile, task=hostile)), width=200),
        printed(*scale_tables(scaled(hostile) | {"run": hostile}), width=200),
        printed(
            plan_table([planned(hostile)]),
            *plan_notes([planned(hostile, responses=None, why=hostile) | {"notes": [hostile]}]),
            width=200,
        ),
    ]
    for text in texts:
        assert "\x1b" not in text and "\u202e" not in text
        assert MARKUP in text and "⟨U+001B⟩" in text


def test_what_is_undefined_is_a_dash() -> None:
    (row,) = [
        line
        for line in printed(
            *cross_tables(crossed("a", gap=undefined("one problem only")))
        ).splitlines()
        if "–" in line
    ][:1]
    assert row.split() == ["a", "–"]
    text = printed(
        *scale_tables(
            scaled(
                slope=undefined("two sizes at least"), kendall=undefined("two sizes"), p_rising=None
            )
        )
    )
    assert "nan" not in text.lower() and "None" not in text
    last = next(line for line in reversed(text.splitlines()) if line.startswith("ladder "))
    assert last.split() == ["ladder", "mc", "–", "–", "–", "3"]
    assert printed(plan_table([planned()])).splitlines()[-1].split() == [
        "accuracy",
        "1,234,567",
        "12",
        "–",
    ]


def test_a_value_without_an_interval_stands_alone() -> None:
    lone = {"value": 0.03, "low": None, "high": None, "level": 0.95, "n": 1, "why": "one problem"}
    text = printed(*cross_tables(crossed("a", gap=lone)))
    assert "+3.0" in text and "*" not in text and "[" not in text


def test_the_cheapest_plan_with_its_cost_and_every_note_once() -> None:
    free, paid = planned(), planned("gap", prompt_tokens=1_000, generated_tokens=234, flops=5.6e9)
    lines = [
        note.plain
        for note in plan_notes(
            [free, paid, planned("gap of majority", responses=None, why="depends on all")]
        )
    ]
    assert lines == [
        "accuracy: fewest responses: 12 problems x 8 samples = 96 responses",
        "gap: fewest responses: 12 problems x 8 samples = 96 responses, "
        "about 1,234 tokens and 5.6e+09 FLOPs with all verifications",
        "gap of majority: –: depends on all",
        "accuracy; gap; gap of majority: taken from a pilot",
    ]


def test_reasons_and_cautions_stand_below_each_once() -> None:
    document = crossed("a", "b", gap=undefined("one problem only"))
    document["cells"][0]["gap"] = estimate(0.1) | {"caution": "few problems"}
    notes = [part.plain for part in cross_tables(document) if isinstance(part, Text)]
    others = "a verified by b, mc; b verified by a, mc; b verified by b, mc"
    assert notes[0] == "a verified by a, mc: few problems" and len(notes) == 2
    assert notes[1].startswith(others) and notes[1].endswith(": one problem only")
    slope = estimate(0.1) | {"caution": "few problems"}
    notes = [part.plain for part in scale_tables(scaled(slope=slope)) if isinstance(part, Text)]
    assert notes == [
        "slope of a line, for these checkpoints only",
        "ladder/40k, arithmetic, mc: no room",
        "slope of ladder, arithmetic, mc: few problems",
    ]
