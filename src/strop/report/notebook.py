"""Runs in a notebook: the answer, its numbers, and the first charts as pictures.

Everything is escaped. There is no script and no network access.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from strop.report.blocks import Chapter, Chart, WordTable
from strop.report.chapters import result_chapter
from strop.report.formatting import clean, run_title
from strop.report.gap_chapter import Sweeps, gap_chapter
from strop.report.gap_rows import gap_rows
from strop.report.reader import CommandResult

MOST_CHARTS = 2
MOST_TABLES = 2
"""A notebook shows the first charts and tables; the page has them all."""
WIDTH = 560
_COLOURS = {
    "accent": "#1f5fa8",
    "muted": "#5b5f66",
    "zero": "#5b5f66",
    "c1": "#1f5fa8",
    "c2": "#b8480b",
    "c3": "#0b7a5a",
    "c4": "#9b3f86",
    "c5": "#806000",
    "c6": "#4d5562",
    "c7": "#0e6f86",
    "c8": "#a3282c",
}
"""The light palette of page.css."""
_GAP_HEADER = ["verifier", "weight", "accuracy, %", "accuracy kept, %"]
_GAP_HEADER += ["gap, points", "relative gap, %"]
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
<tbody>{% for row in rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{%- endfor %}</tbody>
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
"""Caption, header and rows, in words."""


def run_html(document: Mapping[str, Any], sweeps: Sweeps) -> str:
    """Return a run of ``strop gap``: its verdict, a row per verifier and weight, and two charts."""
    rows = []
    for row in gap_rows([dict(document)]):
        # In the order of _GAP_HEADER.
        cells = [
            f"{row.verifier} {row.unreadable}".rstrip(),
            row.weigh,
            row.accuracy,
            row.kept,
            f"{row.starred_gap} {row.gap_interval}",
            row.relative_gap,
        ]
        rows.append(cells)
    title = run_title(document)
    chapter = gap_chapter(title, document, sweeps)
    return _html(chapter, [(title, _GAP_HEADER, rows)], document)


def result_html(command: Literal["sharpen", "improve", "cross"], document: dict[str, Any]) -> str:
    """Return the result of another command: its answer, its first tables and charts."""
    chapter = result_chapter(CommandResult(command, document))
    # The tables of the answer itself (a matrix) come first.
    tables = list(chapter.lead)
    for group in chapter.groups:
        tables += [block for block in group.blocks if isinstance(block, WordTable)]
    shown = [_in_words(table) for table in tables[:MOST_TABLES]]
    return _html(chapter, shown, document)


def _in_words(table: WordTable) -> Table:
    """Return a table as caption, header and rows; each cell with its interval."""
    rows = []
    for name, cells in table.rows:
        row = [name]
        for cell in cells:
            row.append(f"{cell.value} {cell.interval}".strip())
        rows.append(row)
    return table.title, table.header, rows


def _html(chapter: Chapter, tables: Sequence[Table], document: Mapping[str, Any]) -> str:
    import jinja2
    from markupsafe import Markup

    charts: list[Chart] = []
    for group in chapter.groups:
        charts += [block for block in group.blocks if isinstance(block, Chart)]
    pictures = []
    for chart in charts[:MOST_CHARTS]:
        # The picture is strop's own SVG; everything else in the template is escaped.
        pictures.append((chart.title, chart.description, Markup(_picture(chart))))
    foot = ""
    if document.get("run"):
        foot = f"{clean(document['run'])}: .report() writes the whole page"
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(_TEMPLATE).render(
        chapter=chapter, tables=tables, charts=pictures, foot=foot
    )


def _picture(chart: Chart) -> str:
    """Return the chart as SVG in the light palette. The converter escapes its texts."""
    import vl_convert

    # As page.js does; a notebook cannot follow the reader's light or dark palette.
    named = json.dumps(chart.specification)
    coloured = re.sub(r'"@([a-z]+[0-9]?)"', lambda match: json.dumps(_COLOURS[match[1]]), named)
    specification = json.loads(coloured) | {"width": WIDTH, "background": "white"}
    return str(vl_convert.vegalite_to_svg(specification))
