"""The page: one file, no network, and no way out for a hostile text."""

from __future__ import annotations

import base64
import hashlib
import json
from html.parser import HTMLParser
from typing import Any

import pytest

from strop.report import build_page, page
from strop.report.reader import TEXT_LIMIT
from tests.report.made_up import ESCAPE, HOSTILE, MIRROR, entry, run, undefined

TEXTS = (HOSTILE, ESCAPE, MIRROR, "x" * 1_000_000, "\u2028</SCRIPT>&<!--", "''\"`${1}")


class Page(HTMLParser):
    """The page's elements, its scripts, and every address that an element would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.addresses: list[str] = []
        self.policy = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        named = dict(attributes)
        self.tags.append(tag)
        self.addresses += [
            value or "" for key, value in attributes if key in ("src", "href", "action", "data")
        ]
        if tag == "script":
            self.scripts.append((named, ""))
        if named.get("http-equiv") == "Content-Security-Policy":
            self.policy = named["content"] or ""

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] == "script" and self.cdata_elem == "script":
            attributes, text = self.scripts[-1]
            self.scripts[-1] = (attributes, text + data)

    def data(self, identifier: str) -> Any:
        (text,) = [text for attributes, text in self.scripts if attributes.get("id") == identifier]
        return json.loads(text)


@pytest.fixture
def no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page without the 900 kB of chart library."""
    monkeypatch.setattr(page, "_chart_library", lambda: "/* the chart library */")


def test_the_whole_page_of_a_default_run_is_self_contained_and_small() -> None:
    text = build_page([run(200, 32, TEXTS)])
    assert len(text.encode()) < 3_000_000
    parsed = Page(text)
    assert all(address.startswith(("#", "data:")) for address in parsed.addresses)
    programs = [program for attributes, program in parsed.scripts if attributes.get("type") is None]
    assert (
        len(programs) == 2 and "vegaEmbed" in programs[0] and "BSD 3-Clause License" in programs[0]
    )
    for program in programs:
        assert base64.b64encode(hashlib.sha256(program.encode()).digest()).decode() in parsed.policy
    assert "default-src 'none'" in parsed.policy and "unsafe-eval" not in parsed.policy


@pytest.mark.usefixtures("no_library")
def test_hostile_texts_stay_text() -> None:
    named = run(3, 8, TEXTS, task=HOSTILE, model=f"<img src=x onerror=alert(1)>{ESCAPE}")
    text = build_page([named, run(3, 8)])
    parsed = Page(text)
    assert "alert(1)" not in "".join(
        program for attributes, program in parsed.scripts if attributes.get("type") is None
    )
    assert "img" not in parsed.tags and len(parsed.scripts) == 4
    assert not set(text) & set("\x1b\u202e\u202c\u2028")
    responses = parsed.data("reader-data")[0]["problems"][0]["responses"]
    assert responses[0]["text"] == HOSTILE
    assert (
        responses[1]["text"] == "⟨U+001B⟩[31mred⟨U+001B⟩[0m"
        and responses[2]["text"] == "⟨U+202E⟩gnorw⟨U+202C⟩"
    )
    assert responses[3]["text"] == {"text": "x" * TEXT_LIMIT, "length": 1_000_000}
    assert [response["foundBy"] for response in responses[:4]] == [
        response["text"] for response in responses[:4]
    ]
    assert "innerHTML" not in parsed.scripts[-1][1]


@pytest.mark.usefixtures("no_library")
def test_several_runs_their_findings_and_their_charts() -> None:
    text = build_page([run(4, 4), run(4, 4, task="signs", verifier_model="ladder/1m")])
    assert (
        text.count("raises accuracy from 41.2% to 55.0%: +13.8\u00a0points\u00a0[10.2,\u00a017.4]")
        == 2
    )
    assert (
        "one problem only" in text
        and "arithmetic, signs" in text
        and "verified by ladder/1m" in text
    )
    parsed = Page(text)
    charts = parsed.data("chart-data")
    # Each run has its accuracy, its gap, and two curves with more than one threshold; then both
    # runs have their accuracies and their gaps in a chart.
    assert len(charts) == 2 * 4 + 2 == text.count("data-chart=")
    assert [item["label"] for item in parsed.data("reader-data")] == [
        "arithmetic · ladder/250k",
        "signs · ladder/250k verified by ladder/1m",
    ]


@pytest.mark.usefixtures("no_library")
def test_a_run_of_unknowns_still_makes_a_page() -> None:
    made = run(1, 1)
    nothing = undefined("no verification was made")
    made.document.update(
        accuracy=nothing,
        greedy=nothing,
        estimates=[],
        verifiers={"mc": entry("tilt:1", nothing, nothing)},
        usage=None,
    )
    made.sweeps.clear()
    text = build_page([made])
    assert "filtering by the model&#39;s own mc score is unknown: no verification was made" in text
    assert Page(text).data("chart-data") == []


def test_no_run_is_refused() -> None:
    with pytest.raises(ValueError, match="no run to report on"):
        build_page([])
