"""Runs in a notebook: the answer, its numbers, and the first charts as pictures. Everything is escaped; no script, no network."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from strop.report.blocks import Chapter, Chart
from strop.report.chapters import story_chapter
from strop.report.formatting import clean, gap_rows, models, visible
from strop.report.gap_chapter import Sweeps, gap_chapter
from strop.report.reader import CommandResult

CHARTS = 2
"""A notebook shows so many charts; the page has them all."""
WIDTH = 560
_COLOURS = {"accent": "#1f5fa8", "muted": "#5b5f66", "zero": "#5b5f66"} | {
    f"c{number}": colour
    for number, colour in enumerate(
        ("#1f5fa8", "#b8480b", "#0b7a5a", "#9b3f86", "#806000", "#4d5562", "#0e6f86", "#a3282c"),
        start=1,
    )
}
_TEMPLATE = """
<div style="max-width: 56rem; overflow-x: auto">
{% if chapter.headline %}
<p><strong>{{ chapter.headline.answer }}.</strong> {{ chapter.headline.sentence }}.</p>
{% endif %}
{% for claim in chapter.claims %}<p style="margin: 0 0 0.3em">{{ claim.claim }}.</p>{% endfor %}
{% for caption, header, rows in tables %}
<table>
<caption>{{ caption }}</caption>
<thead><tr>{% for name in header %}<th scope="col">{{ name }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>{% endfor %}</tbody>
</table>
{% endfor %}
{% for title, description, picture in charts %}
<figure style="margin: 1em 0; background: #fff; color: #1c1d1f">
<figcaption>{{ title }}</figcaption>
<div role="img" aria-label="{{ description }}">{{ picture }}</div>
</figure>
{% endfor %}
<p><small>{{ foot }}</small></p>
</div>
"""

Table = tuple[str, list[str], list[list[str]]]


def run_html(document: Mapping[str, Any], sweeps: Sweeps) -> str:
    """A run of ``strop gap``: its verdict, a row a verifier and weight, and how accuracy and gap change."""
    rows = [
        [
            row.verifier,
            row.weigh,
            row.accuracy,
            row.kept,
            f"{row.gap}{'*' if row.clear else ''} {row.gap_interval}",
            row.relative_gap,
        ]
        for row in gap_rows([dict(document)])
    ]
    header = [
        "verifier",
        "weight",
        "accuracy, %",
        "accuracy kept, %",
        "gap, points",
        "relative gap, %",
    ]
    title = visible(f"{document['task']} · {models(dict(document))}")
    return _html(gap_chapter(title, document, sweeps), [(title, header, rows)], document)


def story_html(command: Literal["sharpen", "improve", "cross"], document: dict[str, Any]) -> str:
    """What another command found: its answer, its tables, its first charts."""
    chapter = story_chapter(CommandResult(command, document))
    tables = [
        *chapter.lead,
        *(
            block
            for group in chapter.groups
            for block in group.blocks
            if not isinstance(block, Chart)
        ),
    ]
    told: list[Table] = [
        (
            table.title,
            table.header,
            [
                [name, *(f"{cell.value} {cell.interval}".strip() for cell in cells)]
                for name, cells in table.rows
            ],
        )
        for table in tables[:2]
    ]
    return _html(chapter, told, document)


def _html(chapter: Chapter, tables: Sequence[Table], document: Mapping[str, Any]) -> str:
    import jinja2
    from markupsafe import Markup

    charts = [
        block for group in chapter.groups for block in group.blocks if isinstance(block, Chart)
    ][:CHARTS]
    pictures = [(one.title, one.description, Markup(_picture(one))) for one in charts]
    foot = (
        f"{clean(document.get('run') or '')}: .report() writes the whole page"
        if document.get("run")
        else ""
    )
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(_TEMPLATE).render(
        chapter=chapter, tables=tables, charts=pictures, foot=foot
    )


def _picture(chart: Chart) -> str:
    """The chart as SVG, its texts escaped by the converter, in the colours of the light page."""
    import vl_convert

    text = re.sub(
        r'"@([a-z]+[0-9]?)"',
        lambda match: json.dumps(_COLOURS[match[1]]),
        json.dumps(chart.specification),
    )
    specification = json.loads(text) | {"width": WIDTH, "background": "white"}
    return str(vl_convert.vegalite_to_svg(specification))
