"""What the tests in a real Chromium share: the browser, reports of real runs, and a page that notes what goes wrong.

They need Chromium and playwright: `make test-browser`. The ordinary `pytest` leaves this folder out (norecursedirs in pyproject.toml);
asked for by its path it is collected, and without Chromium it fails rather than skips.
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
from playwright.sync_api import Browser, Page, sync_playwright

import strop
from strop.improvement.rounds import Course, improve
from strop.run.pages import write_page

SIZE: dict[str, Any] = {"problems": 24, "samples": 8, "workers": 1}
AXE = (
    importlib.resources.files("axe_playwright_python")
    .joinpath("axe.min.js")
    .read_text(encoding="utf-8")
)
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
LOOKS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1200, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1200, "height": 900}},
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
    """A page, and whatever its console said, its scripts threw, or it asked of the network."""

    page: Page
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def open_all(self) -> None:
        """Unfold everything and go through the page, so that every chart is drawn."""
        self.page.evaluate(
            "document.querySelectorAll('details').forEach((one) => { one.open = true; })"
        )
        self.page.wait_for_timeout(100)
        height = self.page.evaluate("document.documentElement.scrollHeight")
        for place in range(0, height + 1_000, 700):
            self.page.evaluate(f"window.scrollTo(0, {place})")
            self.page.wait_for_timeout(30)
        self.page.wait_for_function(
            "[...document.querySelectorAll('[data-chart]')].every((one) => one.dataset.drawn === 'done')"
        )
        self.page.evaluate("window.scrollTo(0, 0)")

    def violations(self) -> list[str]:
        """What axe-core finds wrong, one line each."""
        self.page.evaluate(AXE)
        found = self.page.evaluate("axe.run(document, { resultTypes: ['violations'] })")[
            "violations"
        ]
        return [
            f"{one['id']}: {one['help']}: {one['nodes'][0]['html'][:200]} ({len(one['nodes'])} times)"
            for one in found
        ]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    assert found, (
        f"no Chromium was found ({', '.join(BROWSERS)}); install one, or name it in CHROMIUM"
    )
    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The pages of real runs of all four commands, one of two runs on the same problems, and one of hostile texts."""
    root = tmp_path_factory.mktemp("runs")
    verifiers = ["mc", "cot-binary", "cot-score", "tournament"]
    strop.gap(
        "ladder/125k",
        "arithmetic",
        out=root / "gap",
        verifiers=verifiers,
        weights=["quantile:0.5", "quantile:0.8"],
        **SIZE,
    )
    strop.gap("ladder/250k", "arithmetic", out=root / "other", **SIZE)
    strop.sharpen("ladder/125k", "arithmetic", out=root / "sharpen", **SIZE)
    strop.cross(["ladder/40k", "ladder/125k"], "arithmetic", out=root / "cross", **SIZE)
    course = Course(
        "ladder/40k",
        strop.TASKS["arithmetic"].at("standard"),
        rounds=2,
        train_problems=24,
        problems=24,
        samples=8,
    )
    improve(course, out=root / "improve", workers=1)
    strop.import_samples(hostile_file(root / "hostile.jsonl"), root / "hostile", model=HOSTILE[0])
    pages = {
        name: write_page([root / name])
        for name in ("gap", "sharpen", "improve", "cross", "hostile")
    }
    return pages | {"compared": write_page([root / "gap", root / "other"], root / "compared")}


def hostile_file(path: Path) -> Path:
    """Samples whose questions, texts and references are hostile; of two problems, each text once right and once wrong."""
    rows = [
        {
            "problem": f"p{number}{HOSTILE[0]}",
            "question": HOSTILE[number],
            "reference": HOSTILE[1],
            "text": text,
            "utility": float((place + number) % 2),
            "scores": {"judge": place / 10},
        }
        for number in range(2)
        for place, text in enumerate(HOSTILE)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def visit(browser: Browser, reports: dict[str, Path]) -> Iterator[Callable[..., Watched]]:
    """Open a report by its name, in light, dark or phone look."""
    contexts = []

    def opened(name: str, look: str = "light", **options: Any) -> Watched:
        context = browser.new_context(**LOOKS[look] | options)
        context.set_default_timeout(120_000)  # for a busy machine: nothing here is about speed
        contexts.append(context)
        watched = Watched(context.new_page())
        watched.page.on(
            "console", lambda message: watched.said.append(f"{message.type}: {message.text}")
        )
        watched.page.on("pageerror", lambda error: watched.said.append(f"error: {error}"))
        watched.page.on("request", lambda request: watched.asked.append(request.url))
        watched.page.goto(reports[name].as_uri())
        return watched

    yield opened
    for context in contexts:
        context.close()
