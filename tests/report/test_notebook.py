"""Notebooks show runs as tables and pictures, and no text of a model or a user as markup."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

import strop
from strop.report.notebook import result_html, run_html
from tests.report.made_up import ESCAPE, HOSTILE, document, estimate, sweeps

CURVE = {"1": estimate(0.4), "2": estimate(0.45), "4": estimate(0.5)}


class Tags(HTMLParser):
    """Every element, and every attribute that could run or fetch something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.suspects: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.suspects += [
            name
            for name, _ in attributes
            if name.startswith("on") or name in ("src", "href", "xlink:href")
        ]


def safe(text: str) -> Tags:
    tags = Tags(text)
    assert not {"script", "img", "iframe", "b"} & {*tags.tags} and tags.suspects == [], (
        tags.suspects
    )
    assert "\x1b" not in text
    return tags


def test_a_run_is_a_verdict_a_table_and_pictures() -> None:
    tags = safe(run_html(document(), sweeps()))
    text = run_html(document(), sweeps())
    assert (
        tags.tags.count("svg") == 2 and tags.tags.count("table") == 1 and tags.tags.count("tr") == 5
    )
    assert "Yes." in text and "+13.8*" in text and "@accent" not in text and "@c1" not in text


def test_hostile_names_stay_text() -> None:
    name = f"<img src=x onerror=alert(1)>{ESCAPE}{HOSTILE}"
    made = document(task=HOSTILE, model=name)
    made["verifiers"][name] = made["verifiers"]["mc"]
    made["estimates"].append(made["estimates"][0] | {"verifier": name})
    assert "&lt;img" in run_html(made, {name: sweeps()["mc"]})
    safe(run_html(made, {name: sweeps()["mc"]}))


def test_stories_are_answers_with_tables() -> None:
    chooser = {
        "accuracy": CURVE,
        "falls": False,
        "why": [],
        **dict.fromkeys(("gain_over_greedy", "gain_over_sampling"), estimate(0.1)),
    }
    made = {
        "model": "<b>m</b>",
        "task": "signs",
        "problems": 20,
        "samples": 4,
        "temperature": 1.0,
        "greedy": estimate(0.4),
    }
    text = result_html(
        "sharpen",
        made | {"selection": {"<b>logprob</b>": chooser}, "adaptive": {"why": "drawn at 0.7"}},
    )
    assert safe(text).tags.count("svg") == 1 and "Yes." in text and "&lt;b&gt;logprob" in text
    cells = [
        {
            "generator": "a",
            "verifier_model": "a",
            "verifier": "mc",
            "weigh": "quantile:0.7",
            "gap": estimate(0.1),
        }
    ]
    matrix = {
        "task": "signs",
        "generators": ["a"],
        "verifier_models": ["a"],
        "accuracy": {"a": estimate(0.4)},
        "cells": cells,
    }
    assert "a gains most when it verifies itself by mc" in result_html("cross", matrix)


def test_an_estimate_is_a_small_table() -> None:
    text = strop.Estimate(0.25, 0.2, 0.3, 0.95, 40, "share of <right> responses")._repr_html_()
    assert (
        "<td>0.25</td><td>0.2</td><td>0.3</td><td>0.95</td><td>40</td>" in text
        and "&lt;right&gt;" in text
    )
    undefined = strop.Estimate(None, None, None, 0.95, 0, "x", "no problem")._repr_html_()
    assert undefined.count("<td>–</td>") == 3 and "no problem" in undefined


def test_runs_show_themselves(tmp_path_factory: pytest.TempPathFactory) -> None:
    run = strop.gap(
        "ladder/25k",
        "signs",
        verifiers=["mc"],
        problems=6,
        samples=2,
        out=tmp_path_factory.mktemp("run"),
        workers=1,
    )
    assert "<table>" in run._repr_html_() and "ladder/25k" in run._repr_html_()
