"""Reports in a real Chromium: self-contained, drawn, accessible, and safe from model texts.

STROP_SCREENSHOTS=FOLDER keeps a picture of every report in every look.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.browser.conftest import HOSTILE, LOOKS, WRITTEN, Watched

Visit = Callable[..., Watched]

OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
FOCUSED = """() => {
  const active = document.activeElement;
  const text = (active.textContent || '').trim().slice(0, 40);
  const name = active.tagName + '#' + active.id + ' ' + text;
  const outline = getComputedStyle(active).outlineStyle;
  return { name, outline, width: active.getBoundingClientRect().width };
}"""


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("name", WRITTEN)
def test_a_report_is_self_contained_drawn_and_accessible(
    visit: Visit, name: str, look: str
) -> None:
    report = visit(name, look)
    report.open_all()
    charts = report.page.locator("[data-chart]")
    assert charts.count() > 2
    for chart in charts.all():
        assert chart.locator("svg .mark-symbol path").count() > 0, (
            f"no point in the chart {chart.get_attribute('aria-label')}"
        )
    if folder := os.environ.get("STROP_SCREENSHOTS"):
        report.page.screenshot(path=str(Path(folder) / f"{name}-{look}.png"), full_page=True)
    assert report.page.evaluate(OVERFLOW) == 0
    assert report.violations() == []
    assert report.messages == []
    assert all(
        address.startswith(("file:", "data:")) and "report.html" in address
        for address in report.requests
        if address != "data:,"
    )


def test_the_answer_comes_first_with_its_explanation(visit: Visit) -> None:
    answer = visit("gap").page.locator("#answer .answer")
    box = answer.bounding_box()
    assert box is not None and box["y"] < 300
    text = answer.inner_text()
    assert (
        re.search(r"^(Yes|No|Unclear)\.", text, re.MULTILINE)
        and "Where this comes from" in text
        and "points [" in text.replace("\u00a0", " ")
    )


def test_a_report_can_be_read_without_scripts(visit: Visit) -> None:
    page = visit("gap", java_script_enabled=False).page
    assert (
        page.locator("#answer .answer").is_visible() and page.locator("#numbers table").is_visible()
    )
    assert page.locator("noscript").count() == 1


def test_charts_follow_the_system_s_colours(visit: Visit) -> None:
    report = visit("gap")
    report.open_all()
    point = report.page.locator("[data-chart='0'] svg .mark-symbol path").last
    before = point.get_attribute("fill")
    report.page.emulate_media(color_scheme="dark")
    report.page.wait_for_function(
        """(before) => {
          const points = document.querySelectorAll("[data-chart='0'] svg .mark-symbol path");
          return [...points].at(-1)?.getAttribute('fill') !== before;
        }""",
        arg=before,
    )
    assert report.messages == []


@pytest.mark.parametrize(
    ("choice", "tag", "filter_tag"),
    [("right-rejected", "right", "rejected"), ("wrong-kept", "wrong", "kept")],
)
def test_filters_show_only_responses_that_match(
    visit: Visit, choice: str, tag: str, filter_tag: str
) -> None:
    page = visit("gap").page
    one_verifier = page.locator("#verifier option").nth(1).inner_text()
    page.select_option("#verifier", label=one_verifier)
    page.select_option("#filter", choice)
    status = page.locator("#status").inner_text()
    counts = re.match(
        r"(\d+) distinct responses? in (\d+) problems?\. In the whole run: \d+ of 192", status
    )
    assert counts is not None, status
    shown = 0
    for index in range(page.locator("#problem option").count()):
        page.select_option("#problem", index=index)
        for card in page.locator("#shown .response").all():
            shown += 1
            assert card.locator("header .tag").first.inner_text().startswith(tag)
            first_row = card.locator(".opinions tbody tr").nth(0)
            assert first_row.locator(".tag").inner_text() == filter_tag
    assert shown == int(counts[1]) > 0
    assert page.locator("#problem option").count() == int(counts[2])


def test_a_filter_without_a_match_says_so(visit: Visit) -> None:
    page = visit("hostile").page
    page.select_option("#filter", "truncated")
    assert (
        "No response" in page.locator("#status").inner_text()
        and page.locator("#shown .response").count() == 0
    )


def test_the_runs_of_an_improvement_can_be_browsed_one_by_one(visit: Visit) -> None:
    page = visit("improve").page
    assert [text.split(" · ")[0] for text in page.locator("#run option").all_inner_texts()] == [
        "round 0",
        "round 1",
        "round 2",
    ]
    before = page.locator("#shown .response").all_inner_texts()
    page.select_option("#run", index=2)
    assert page.locator("#shown .response").all_inner_texts() != before


def test_everything_is_reached_by_keyboard_and_the_focus_is_seen(visit: Visit) -> None:
    page = visit("gap").page
    names = []
    for _ in range(400):
        page.keyboard.press("Tab")
        focus = page.evaluate(FOCUSED)
        if focus["name"].startswith("BODY"):
            break
        is_seen = focus["outline"] != "none" and focus["width"] > 0
        assert is_seen, f"focus is not seen on {focus['name']}"
        names.append(focus["name"])
    assert names[0].startswith("A# Skip")
    identifiers = {name.split("#")[1].split(" ")[0] for name in names}
    # A page about one run hides the choice of a run.
    assert {"filter", "verifier", "problem", "next"} <= identifiers


def test_problems_are_walked_through_by_keyboard(visit: Visit) -> None:
    page = visit("gap").page
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # the skip link
    page.wait_for_function("document.activeElement.id === 'reader'")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "filter"
    page.keyboard.press("ArrowDown")
    assert page.input_value("#filter") == "right-rejected"
    page.keyboard.press("ArrowUp")
    first = page.locator("#shown h3").inner_text()
    page.focus("#next")
    page.keyboard.press("Enter")
    assert page.locator("#shown h3").inner_text() != first and page.is_enabled("#previous")
    page.focus("summary >> nth=0")
    was = page.evaluate("document.activeElement.parentElement.open")
    page.keyboard.press("Space")
    assert page.evaluate("document.activeElement.parentElement.open") != was


def test_charts_have_words_and_tables_have_headers(visit: Visit) -> None:
    page = visit("compared").page
    labels = page.locator("[data-chart]").evaluate_all(
        "(charts) => charts.map((chart) => chart.getAttribute('aria-label'))"
    )
    for label in labels:
        assert re.search(r"\d", label) and len(label) > 40, label
    bare = page.locator(
        "table:not(:has(thead th[scope=col])), table:not(:has(tbody th[scope=row]))"
    ).count()
    assert bare == 0
    landmarks = {
        name: page.locator(f"body > {name}, header > {name}").count()
        for name in ("header", "nav", "main", "footer", "h1")
    }
    assert set(landmarks.values()) == {1}, landmarks


def test_model_texts_appear_as_text_and_do_nothing(visit: Visit) -> None:
    report = visit("hostile")
    report.open_all()
    page = report.page
    texts = page.locator("#shown .response > pre").all_inner_texts()
    assert HOSTILE[0] in texts and HOSTILE[1] in texts and HOSTILE[5] in texts
    assert any("⟨U+001B⟩[31mred" in text for text in texts) and any(
        "⟨U+202E⟩gnorw" in text for text in texts
    )
    long = [text for text in texts if text.startswith("xxxx")]
    assert [len(text) for text in long] == [4_000] and "1,000,000 characters" in page.locator(
        "#shown"
    ).inner_text()
    assert page.evaluate("window.hacked") is None and report.messages == []
    assert page.locator("img").count() == 0 and page.evaluate(OVERFLOW) == 0
    assert report.violations() == []
