"""One self-contained HTML page for any number of runs: it asks the network for nothing, and opens from a double click.

Its content security policy allows the two scripts written here, by their hashes, and nothing else: even a model text that found
its way into the markup could not run.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from strop.report.cost import cost_rows
from strop.report.more import more_tables
from strop.report.reader import ReportRun, reader_data, safe_json
from strop.report.rows import clean, gap_rows, interval, known, models, notes, number, visible

_PHRASES = {"majority": "majority vote", "cot-binary": "cot-binary verdict", "cot-score": "cot-score"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """One sentence of findings. ``kind``: "gain" and "loss" where the interval excludes zero, else "none", or "unknown"."""

    kind: str
    claim: str


def build_page(runs: list[ReportRun]) -> str:
    """The page as HTML, from one or more runs: findings, table, charts, and a reader of problems.

    Raises ``ValueError`` when there is no run.
    """
    if not runs:
        raise ValueError("got no run to report on; expected at least one: name a run folder")
    import jinja2
    from markupsafe import Markup

    charts, figures = _charts(runs)
    documents = [run.document for run in runs]
    scripts = [Markup(_chart_library()), Markup(_own("page.js"))]  # ours and the bundle's: no text of a model or a user
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_own("page.html.j2")).render(
        title=_title(documents),
        policy=_policy(scripts),
        style=Markup(_own("page.css")),
        scripts=scripts,
        verdicts=[(visible(f"{document['task']}, {document['model']}"), verdicts(document)) for document in documents],
        rows=gap_rows(documents),
        notes=notes(documents),
        several_models=len({models(document) for document in documents}) > 1,
        figures=figures,
        more=[(_label(run), more_tables(run.document)) for run in runs],
        charts=Markup(safe_json(charts)),
        reader=Markup(safe_json(reader_data(runs))),
        runs=[_facts(run) for run in runs],
    )


def verdicts(document: Mapping[str, Any]) -> list[Verdict]:
    """A sentence per verifier: what filtering by it does to the accuracy, in plain words and with the interval."""
    document = clean(document)
    found = []
    for stage, entry in document["verifiers"].items():
        model, name = entry.get("verifier_model", document.get("verifier_model")), entry.get("name", stage)
        owner = "the model's own" if model in (None, document["model"]) else f"{model}'s"
        judge = "the oracle (the reference itself)" if name == "oracle" else f"{owner} {_PHRASES.get(name, f'{name} score')}"
        kind, claim = _claim(judge, document.get("accuracy"), entry)
        found.append(Verdict(kind, claim[0].upper() + claim[1:]))
    return found


def _claim(judge: str, accuracy: Mapping[str, Any] | None, entry: Mapping[str, Any]) -> tuple[str, str]:
    gap, kept = entry.get("gap"), entry.get("accuracy_kept")
    value, low, high = (known(gap, key) for key in ("value", "low", "high"))
    why = (gap or {}).get("why") or "no reason was recorded"
    points = f"{number(gap, '+')} points {interval(gap)}".strip().replace(" ", "\u00a0")  # on one line
    change = f"from {number(accuracy)}% to {number(kept)}%: {points}"
    if value is None:
        return "unknown", f"what filtering by {judge} changes is unknown: {why}"
    if low is None or high is None:
        return "unknown", f"filtering by {judge} moves accuracy {change}, with no interval: {why}"
    if low > 0:
        return "gain", f"filtering by {judge} raises accuracy {change}"
    if high < 0:
        return "loss", f"filtering by {judge} lowers accuracy {change}"
    return "none", f"filtering by {judge} brings no measurable gain: {points}"


def _charts(runs: Sequence[ReportRun]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The specifications, and for each run its heading and where in that list its charts stand."""
    from strop.report.figures import accuracy_figure, drawable, gap_figure, shared_domain

    charts: list[dict[str, Any]] = []
    figures = []
    for run in runs:
        accuracy = accuracy_figure(run.document)
        curves = {name: rows for name, rows in ((name, drawable(rows)) for name, rows in run.sweeps.items()) if rows}
        domain = shared_domain(curves)
        figure: dict[str, Any] = {"label": _label(run), "accuracy": None, "curves": []}
        if accuracy is not None:
            figure["accuracy"] = len(charts)
            charts.append(accuracy)
        for name, rows in curves.items():
            figure["curves"].append({"verifier": visible(name), "chart": len(charts)})
            charts.append(gap_figure(rows, domain))
        figures.append(figure)
    return charts, figures


def _facts(run: ReportRun) -> dict[str, Any]:
    """How a run was made: its size and cost in words, and its record as indented JSON."""
    import json

    document = clean(run.document)
    usage = document.get("usage") or {}
    size = f"{document['problems']:,} problems × {document['samples']:,} samples, {document.get('design', 'fixed')} design"
    cost = ", ".join(f"{usage[key]:,.6g} {key.replace('_', ' ')}" for key in usage)
    record = json.dumps(clean(run.record), indent=2, ensure_ascii=False, default=str)
    return {
        "label": _label(run),
        "size": size,
        "cost": cost,
        "spent": cost_rows([run.document]),
        "folder": document.get("run", ""),
        "record": record,
    }


def _label(run: ReportRun) -> str:
    return visible(f"{run.document['task']} · {models(run.document)}")


def _title(documents: Sequence[Mapping[str, Any]]) -> str:
    generators = list(dict.fromkeys(str(document["model"]) for document in documents))
    tasks = list(dict.fromkeys(str(document["task"]) for document in documents))
    named = [", ".join(names) if len(names) < 5 else f"{len(names)} {kind}" for names, kind in ((generators, "models"), (tasks, "tasks"))]
    return visible(f"{named[0]} on {named[1]}")


def _chart_library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script, in a function of its own, below their licences."""
    import vl_convert

    bundle = str(vl_convert.javascript_bundle())
    assert "</script" not in bundle.lower() and "<!--" not in bundle and "\r" not in bundle
    return f"/*!\n{_own('licences.txt')}*/\n(function () {{\n{bundle}\n}})();\n"


def _policy(scripts: Sequence[str]) -> str:
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts)
    return f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


def _own(name: str) -> str:
    return importlib.resources.files("strop.report").joinpath(name).read_text(encoding="utf-8")
