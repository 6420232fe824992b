"""One self-contained HTML page about any number of runs. It opens from a file, without a network.

Its content security policy allows the two scripts written here, by their hashes, and nothing else:
even a model text that got into the markup could not run.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
from collections.abc import Mapping, Sequence
from typing import Any

from strop.report.blocks import Block, Chapter, Chart, Group
from strop.report.cost import cost_rows
from strop.report.formatting import clean, models, visible
from strop.report.gap_notes import notes
from strop.report.gap_rows import gap_rows
from strop.report.reader import CommandResult, ReportRun, reader_data, safe_json
from strop.weigh import WEIGHTS

Row = dict[str, Any]


def build_page(
    runs: Sequence[ReportRun], results: Sequence[CommandResult] = (), comparison: Sequence[Row] = ()
) -> str:
    """Return the page as HTML: runs of ``strop gap``, other commands' results, and a reader.

    ``comparison`` holds paired differences between the runs (``strop.run.comparison.compare``).
    Raises ``ValueError`` if there is no run.
    """
    browsed = list(runs)
    for result in results:
        browsed += result.runs
    if not browsed:
        raise ValueError("got no run to report on; expected at least one: name a run folder")
    # Imported here: the commands that write no page start without altair and jinja2.
    from strop.report.comparison import comparison_groups

    charts: list[Row] = []
    chapters = []
    for chapter in _chapters(runs, results):
        chapters.append((chapter, _groups(chapter.groups, charts)))
    compared: list[Group] = []
    if len(runs) > 1:
        compared = comparison_groups(runs, comparison)
    documents = [run.document for run in runs]
    all_documents = [*documents, *(result.document for result in results)]
    beside = _groups(compared, charts)
    return _render(
        charts,
        reader_data(browsed),
        title=_title(documents, results),
        chapters=chapters,
        beside=beside,
        rows=gap_rows(documents),
        notes=notes(documents),
        weights={weight.notation(): weight.description for weight in WEIGHTS.values()},
        definitions=_definitions(all_documents),
        several_models=len({models(document) for document in documents}) > 1,
        several_browsed=len(browsed) > 1,
        results=len(results),
        runs=[_facts(run) for run in browsed],
        cost=cost_rows([run.document for run in browsed]),
    )


def _render(charts: list[Row], reader: list[Row], **content: Any) -> str:
    """Return the page: the template with its content, the charts' and the reader's data."""
    import jinja2
    from markupsafe import Markup

    # StrictUndefined: a misspelt name in the template is an error, not an empty text.
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    # Markup turns escaping off: only strop's own files, and JSON that cannot close its element.
    scripts = [Markup(_chart_library()), Markup(_own("page.js"))]
    return environment.from_string(_own("page.html.j2")).render(
        policy=_policy(scripts),
        style=Markup(_own("page.css")),
        scripts=scripts,
        charts=Markup(safe_json(charts)),
        reader=Markup(safe_json(reader)),
        **content,
    )


def _chapters(runs: Sequence[ReportRun], results: Sequence[CommandResult]) -> list[Chapter]:
    """Return the results' chapters, then the runs'."""
    from strop.report.chapters import result_chapter
    from strop.report.gap_chapter import gap_chapter

    chapters = [result_chapter(result) for result in results]
    chapters += [gap_chapter(run.title, run.document, run.sweeps) for run in runs]
    return chapters


def _groups(groups: Sequence[Group], charts: list[Row]) -> list[Row]:
    """Return the groups as the template reads them.

    Each chart's specification is appended to ``charts``, and the block holds its index there.
    """
    rows = []
    for group in groups:
        blocks = [_block(block, charts) for block in group.blocks]
        rows.append(
            {"title": group.title, "note": group.note, "wide": group.wide, "blocks": blocks}
        )
    return rows


def _block(block: Block, charts: list[Row]) -> Row:
    """Return a block as the template reads it; a chart's specification goes to ``charts``."""
    row: Row = {"title": block.title, "note": block.note, "chart": None, "table": block}
    if isinstance(block, Chart):
        row.update(chart=len(charts), table=block.table, description=block.description)
        charts.append(block.specification)
    return row


def _definitions(documents: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return the name and the definition of every measured quantity, without repetition."""
    # A dictionary drops repetitions and keeps the order.
    definitions: dict[tuple[str, str], None] = {}
    for document in map(clean, documents):
        analysis = document.get("analysis") or {}
        for part in (document, analysis):
            defined = part.get("definitions") or {}
            for name, text in defined.items():
                quantity = name.replace("_", " ")
                definitions[quantity, str(text)] = None
    return list(definitions)


def _facts(run: ReportRun) -> Row:
    """Return how a run was made: its size and cost in words, and its record as indented JSON."""
    import json

    document = clean(run.document)
    problems = document["problems"]
    samples = document["samples"]
    design = document.get("design", "fixed")
    usage = document.get("usage") or {}
    costs = []
    for key, amount in usage.items():
        unit = key.replace("_", " ")
        costs.append(f"{amount:,.6g} {unit}")
    return {
        "label": run.title,
        "size": f"{problems:,} problems × {samples:,} samples, {design} design",
        "cost": ", ".join(costs),
        "spent": cost_rows([run.document]),
        "folder": document.get("run", ""),
        "record": json.dumps(clean(run.record), indent=2, ensure_ascii=False, default=str),
    }


def _title(documents: Sequence[Mapping[str, Any]], results: Sequence[CommandResult]) -> str:
    """Return "MODELS on TASKS", followed by what was done if it was one thing."""
    generators: list[str] = []
    tasks: list[str] = []
    for document in [*documents, *(result.document for result in results)]:
        # A matrix has several generators, any other result has one.
        generators += document.get("generators") or [str(document["model"])]
        tasks.append(str(document["task"]))
    all_generators = _listed(list(dict.fromkeys(generators)), "models")
    all_tasks = _listed(list(dict.fromkeys(tasks)), "tasks")
    title = f"{all_generators} on {all_tasks}"
    commands = {result.what for result in results}
    if len(commands) == 1:
        title = f"{title}: {commands.pop()}"
    return visible(title)


def _listed(names: list[str], noun: str) -> str:
    """Return the names, or only their number if there are five or more."""
    if len(names) < 5:
        return ", ".join(names)
    return f"{len(names)} {noun}"


def _chart_library() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script, with their licences at the top.

    A function around them keeps their names out of the page's own script.
    """
    import vl_convert

    bundle = str(vl_convert.javascript_bundle())
    # The hash in the policy holds for these very bytes, and an HTML parser turns \r into \n.
    assert "</script" not in bundle.lower() and "<!--" not in bundle and "\r" not in bundle
    return f"/*!\n{_own('licences.txt')}*/\n(function () {{\n{bundle}\n}})();\n"


def _policy(scripts: Sequence[str]) -> str:
    """Return a content security policy that allows these scripts, by their hashes, and no other."""
    sources = []
    for script in scripts:
        digest = hashlib.sha256(script.encode()).digest()
        encoded = base64.b64encode(digest).decode()
        sources.append(f"'sha256-{encoded}'")
    rules = [
        "default-src 'none'",
        f"script-src {' '.join(sources)}",
        "style-src 'unsafe-inline'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    return "; ".join(rules)


def _own(name: str) -> str:
    return importlib.resources.files("strop.report").joinpath(name).read_text(encoding="utf-8")
