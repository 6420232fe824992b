"""Fixtures of the tests in a real Chromium: the browser, reports of real runs, a watched page.

They need Chromium and playwright: `make test-browser`. The ordinary `pytest` leaves this folder out
(norecursedirs in pyproject.toml). If it is named by its path and there is no Chromium, the tests
fail rather than skip.
"""

from __future__ import annotations

import importlib.resources
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

import strop
from strop.improvement.rounds import Course, improve
from strop.run.pages import write_page

SIZE: dict[str, Any] = {"problems": 24, "samples": 8, "workers": 1}
_AXE_FILE = importlib.resources.files("axe_playwright_python").joinpath("axe.min.js")
AXE = _AXE_FILE.read_text(encoding="utf-8")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
DESKTOP = {"width": 1200, "height": 900}
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": DESKTOP},
    "dark": {"color_scheme": "dark", "viewport": DESKTOP},
    "phone": {
        "color_scheme": "light",
        "viewport": {"width": 390, "height": 800},
        "has_touch": True,
    },
}
WRITTEN = ("gap", "sharpen", "improve", "cross", "compared")

HOSTILE = (
    "</script><script>window.hacked = 1; alert(1)</script>",
    '<img src=x onerror="window.hacked = 2"> &lt;b&gt; &amp; &#x41;',
    "\x1b[31mred\x1b[0m \x1b]8;;https://example.org\x07link\x1b]8;;\x07",
    "\u202egnorw si siht\u202c and \u200bhidden",
    "x" * 1_000_000,
    "''\"`${1}{{7*7}}{% raw %}",
)


@dataclass
class Watched:
    """A page with its console's messages and errors, and every address that it requested."""

    page: Page
    messages: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def open_all(self) -> None:
        """Unfold everything and scroll through the page, so that every chart is drawn."""
        self.page.evaluate(
            "document.querySelectorAll('details').forEach((details) => { details.open = true; })"
        )
        self.page.wait_for_timeout(100)
        height = self.page.evaluate("document.documentElement.scrollHeight")
        for y in range(0, height + 1_000, 700):
            self.page.evaluate(f"window.scrollTo(0, {y})")
            self.page.wait_for_timeout(30)
        # Charts make the page longer as they are drawn: go to those that were passed too early.
        self.page.wait_for_function(
            """() => {
                const charts = [...document.querySelectorAll('[data-chart]')];
                const missing = charts.find((chart) => chart.dataset.drawn !== 'done');
                missing?.scrollIntoView();
                return !missing;
            }""",
            polling=100,
        )
        self.page.evaluate("window.scrollTo(0, 0)")

    def violations(self) -> list[str]:
        """Return what axe-core finds inaccessible, one line per rule."""
        self.page.evaluate(AXE)
        result = self.page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
        lines = []
        for violation in result["violations"]:
            nodes = violation["nodes"]
            first = nodes[0]["html"][:200]
            lines.append(f"{violation['id']}: {violation['help']}: {first} ({len(nodes)} times)")
        return lines


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = os.environ.get("CHROMIUM")
    for name in BROWSERS:
        chromium = chromium or shutil.which(name)
    names = ", ".join(BROWSERS)
    assert chromium, f"found no Chromium ({names}); install one, or set CHROMIUM to its path"
    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Write the pages of real runs of all four commands, one of two runs, and a hostile one."""
    root = tmp_path_factory.mktemp("runs")
    strop.gap(
        "ladder/125k",
        "arithmetic",
        out=root / "gap",
        verifiers=["mc", "cot-binary", "cot-score", "tournament"],
        weights=["quantile:0.5", "quantile:0.8"],
        **SIZE,
    )
    strop.gap("ladder/250k", "arithmetic", out=root / "other", **SIZE)
    strop.sharpen("ladder/125k", "arithmetic", out=root / "sharpen", **SIZE)
    strop.cross(["ladder/40k", "ladder/125k"], "arithmetic", out=root / "cross", **SIZE)
    arithmetic = strop.TASKS["arithmetic"].at("standard")
    course = Course("ladder/40k", arithmetic, rounds=2, train_problems=24, problems=24, samples=8)
    improve(course, out=root / "improve", workers=1)
    strop.import_samples(hostile_file(root / "hostile.jsonl"), root / "hostile", model=HOSTILE[0])
    names = ("gap", "sharpen", "improve", "cross", "hostile")
    pages = {name: write_page([root / name]) for name in names}
    pages["compared"] = write_page([root / "gap", root / "other"], root / "compared")
    return pages


def hostile_file(path: Path) -> Path:
    """Write samples with hostile questions, texts and references.

    There are two problems; each text is right in one of them and wrong in the other.
    """
    lines = []
    for problem in range(2):
        for index, text in enumerate(HOSTILE):
            row = {
                "problem": f"p{problem}{HOSTILE[0]}",
                "question": HOSTILE[problem],
                "reference": HOSTILE[1],
                "text": text,
                "utility": float((index + problem) % 2),
                "scores": {"judge": index / 10},
            }
            lines.append(json.dumps(row) + "\n")
    path.write_text("".join(lines), encoding="utf-8")
    return path


@pytest.fixture
def visit(browser: Browser, reports: dict[str, Path]) -> Iterator[Callable[..., Watched]]:
    """Return a function that opens a report by its name, in light, dark or phone look."""
    contexts: list[BrowserContext] = []

    def open_report(name: str, look: str = "light", **options: Any) -> Watched:
        context = browser.new_context(**LOOKS[look] | options)
        context.set_default_timeout(120_000)  # a busy machine is slow; speed is not tested here
        contexts.append(context)
        watched = Watched(context.new_page())
        messages, requests = watched.messages, watched.requests
        page = watched.page
        page.on("console", lambda message: messages.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: messages.append(f"error: {error}"))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(reports[name].as_uri())
        return watched

    yield open_report
    for context in contexts:
        context.close()
