"""One self-contained HTML page for any number of runs: it asks the network for nothing, and opens from a double click.

Its content security policy allows the two scripts written here, by their hashes, and nothing else: even a model text that found
its way into the markup could not run.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
from collections.abc import Mapping, Sequence
from typing import Any

from strop.report.blocks import Chart, Group, WordTable
from strop.report.cost import cost_rows
from strop.report.formatting import clean, gap_rows, models, notes, visible
from strop.report.reader import CommandResult, ReportRun, reader_data, safe_json

Row = dict[str, Any]


def build_page(
    runs: Sequence[ReportRun], stories: Sequence[CommandResult] = (), comparison: Sequence[Row] = ()
) -> str:
    """The page as HTML: what runs of ``strop gap`` tell, what other commands tell (``stories``), and a reader of problems.

    ``comparison``: rows of paired differences between the runs (``strop.run.comparison.compare``). Raises ``ValueError`` when there is no run.
    """
    browsed = [*runs, *(run for story in stories for run in story.runs)]
    if not browsed:
        raise ValueError("got no run to report on; expected at least one: name a run folder")
    import jinja2
    from markupsafe import Markup

    from strop.report.chapters import story_chapter
    from strop.report.comparison import comparison_groups
    from strop.report.gap_chapter import gap_chapter

    chapters = [story_chapter(story) for story in stories] + [
        gap_chapter(run.title, run.document, run.sweeps) for run in runs
    ]
    beside = comparison_groups(runs, comparison) if len(runs) > 1 else []
    charts: list[Row] = []
    documents = [run.document for run in runs]
    scripts = [
        Markup(_chart_library()),
        Markup(_own("page.js")),
    ]  # ours and the bundle's: no text of a model or a user
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_own("page.html.j2")).render(
        title=_title(documents, stories),
        policy=_policy(scripts),
        style=Markup(_own("page.css")),
        scripts=scripts,
        chapters=[(chapter, _groups(chapter.groups, charts)) for chapter in chapters],
        beside=_groups(beside, charts),
        rows=gap_rows(documents),
        notes=notes(documents),
        definitions=_definitions([*documents, *(story.document for story in stories)]),
        several_models=len({models(document) for document in documents}) > 1,
        charts=Markup(safe_json(charts)),
        reader=Markup(safe_json(reader_data(browsed))),
        several_browsed=len(browsed) > 1,
        told=len(stories),
        runs=[_facts(run) for run in browsed],
        cost=cost_rows([run.document for run in browsed]),
    )


def _groups(groups: Sequence[Group], charts: list[Row]) -> list[Row]:
    """The groups as the template wants them; each chart's specification goes to the end of ``charts``, and its place is told."""
    return [
        {
            "title": group.title,
            "note": group.note,
            "wide": group.wide,
            "blocks": [_block(one, charts) for one in group.blocks],
        }
        for group in groups
    ]


def _block(block: Chart | WordTable, charts: list[Row]) -> Row:
    if isinstance(block, WordTable):
        return {"chart": None, "title": block.title, "note": block.note, "table": block}
    charts.append(block.specification)
    told = {
        "chart": len(charts) - 1,
        "title": block.title,
        "note": block.note,
        "table": block.table,
    }
    return told | {"description": block.description}


def _definitions(documents: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Every quantity's definition as it was measured, each said once."""
    found: dict[tuple[str, str], None] = {}
    for document in map(clean, documents):
        for source in (
            document.get("definitions") or {},
            (document.get("analysis") or {}).get("definitions") or {},
        ):
            found |= {(name.replace("_", " "), str(text)): None for name, text in source.items()}
    return list(found)


def _facts(run: ReportRun) -> dict[str, Any]:
    """How a run was made: its size and cost in words, and its record as indented JSON."""
    import json

    document = clean(run.document)
    usage = document.get("usage") or {}
    size = f"{document['problems']:,} problems × {document['samples']:,} samples, {document.get('design', 'fixed')} design"
    cost = ", ".join(f"{usage[key]:,.6g} {key.replace('_', ' ')}" for key in usage)
    record = json.dumps(clean(run.record), indent=2, ensure_ascii=False, default=str)
    return {
        "label": run.title,
        "size": size,
        "cost": cost,
        "spent": cost_rows([run.document]),
        "folder": document.get("run", ""),
        "record": record,
    }


def _title(documents: Sequence[Mapping[str, Any]], stories: Sequence[CommandResult]) -> str:
    """Models on tasks, and what was done if it was one thing."""
    told = [*documents, *(story.document for story in stories)]
    generators = list(
        dict.fromkeys(
            name
            for document in told
            for name in document.get("generators") or [str(document["model"])]
        )
    )
    tasks = list(dict.fromkeys(str(document["task"]) for document in told))
    named = [
        ", ".join(names) if len(names) < 5 else f"{len(names)} {kind}"
        for names, kind in ((generators, "models"), (tasks, "tasks"))
    ]
    done = list(dict.fromkeys(story.what for story in stories))
    return visible(f"{named[0]} on {named[1]}" + (f": {done[0]}" if len(done) == 1 else ""))


def _chart_library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script, in a function of its own, below their licences."""
    import vl_convert

    bundle = str(vl_convert.javascript_bundle())
    assert "</script" not in bundle.lower() and "<!--" not in bundle and "\r" not in bundle
    return f"/*!\n{_own('licences.txt')}*/\n(function () {{\n{bundle}\n}})();\n"


def _policy(scripts: Sequence[str]) -> str:
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in scripts
    )
    return f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


def _own(name: str) -> str:
    return importlib.resources.files("strop.report").joinpath(name).read_text(encoding="utf-8")
