"""The reports in a real Chromium: quiet, self-contained, drawn, usable by keyboard, readable by machines, and safe from what models say.

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
  const one = document.activeElement, style = getComputedStyle(one), box = one.getBoundingClientRect();
  const name = one.tagName + '#' + one.id + ' ' + (one.textContent || '').trim().slice(0, 40);
  return { name: name, outline: style.outlineStyle, width: box.width };
}"""


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("name", WRITTEN)
def test_a_report_is_quiet_self_contained_drawn_and_accessible(
    visit: Visit, name: str, look: str
) -> None:
    found = visit(name, look)
    found.open_all()
    charts = found.page.locator("[data-chart]")
    assert charts.count() > 2
    for chart in charts.all():
        assert chart.locator("svg .mark-symbol path").count() > 0, (
            f"no point in the chart {chart.get_attribute('aria-label')}"
        )
    if folder := os.environ.get("STROP_SCREENSHOTS"):
        found.page.screenshot(path=str(Path(folder) / f"{name}-{look}.png"), full_page=True)
    assert found.page.evaluate(OVERFLOW) == 0
    assert found.violations() == []
    assert found.said == []
    assert all(
        address.startswith(("file:", "data:")) and "report.html" in address
        for address in found.asked
        if address != "data:,"
    )


def test_the_answer_comes_first_and_says_where_it_comes_from(visit: Visit) -> None:
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
    found = visit("gap")
    found.open_all()
    point = found.page.locator("[data-chart='0'] svg .mark-symbol path").last
    before = point.get_attribute("fill")
    found.page.emulate_media(color_scheme="dark")
    found.page.wait_for_function(
        "(was) => [...document.querySelectorAll(\"[data-chart='0'] svg .mark-symbol path\")].at(-1)?.getAttribute('fill') !== was",
        arg=before,
    )
    assert found.said == []


@pytest.mark.parametrize(
    ("choice", "tag", "filter_tag"),
    [("right-rejected", "right", "rejected"), ("wrong-kept", "wrong", "kept")],
)
def test_filters_show_only_what_they_say(
    visit: Visit, choice: str, tag: str, filter_tag: str
) -> None:
    page = visit("gap").page
    page.select_option(
        "#verifier", label=page.locator("#verifier option").nth(1).inner_text()
    )  # one verifier
    page.select_option("#filter", choice)
    told = re.match(
        r"(\d+) distinct responses? in (\d+) problems?\. In the whole run: \d+ of 192",
        page.locator("#status").inner_text(),
    )
    assert told is not None, page.locator("#status").inner_text()
    shown = 0
    for place in range(page.locator("#problem option").count()):
        page.select_option("#problem", index=place)
        for card in page.locator("#shown .response").all():
            shown += 1
            assert card.locator("header .tag").first.inner_text().startswith(tag)
            assert (
                card.locator(".opinions tbody tr").nth(0).locator(".tag").inner_text() == filter_tag
            )
    assert shown == int(told[1]) > 0 and page.locator("#problem option").count() == int(told[2])


def test_a_filter_that_nothing_passes_says_so(visit: Visit) -> None:
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
        one = page.evaluate(FOCUSED)
        if one["name"].startswith("BODY"):
            break
        assert one["outline"] != "none" and one["width"] > 0, f"focus is not seen on {one['name']}"
        names.append(one["name"])
    assert names[0].startswith("A# Skip") and {
        "#run",
        "#filter",
        "#verifier",
        "#problem",
        "#next",
    } - {"#run"} <= {"#" + name.split("#")[1].split(" ")[0] for name in names}


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
    for label in page.locator("[data-chart]").evaluate_all(
        "(all) => all.map((one) => one.getAttribute('aria-label'))"
    ):
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


def test_what_models_say_appears_as_text_and_does_nothing(visit: Visit) -> None:
    found = visit("hostile")
    found.open_all()
    page = found.page
    texts = page.locator("#shown .response > pre").all_inner_texts()
    assert HOSTILE[0] in texts and HOSTILE[1] in texts and HOSTILE[5] in texts
    assert any("⟨U+001B⟩[31mred" in text for text in texts) and any(
        "⟨U+202E⟩gnorw" in text for text in texts
    )
    long = [text for text in texts if text.startswith("xxxx")]
    assert [len(text) for text in long] == [4_000] and "1,000,000 characters" in page.locator(
        "#shown"
    ).inner_text()
    assert page.evaluate("window.hacked") is None and found.said == []
    assert page.locator("img").count() == 0 and page.evaluate(OVERFLOW) == 0
    assert found.violations() == []
