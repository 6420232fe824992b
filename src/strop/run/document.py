"""Build the JSON document of a run: what ``--json`` prints and ``estimates.json`` holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from strop.measure import GAP_DEFINITION, Summary
from strop.records import Usage
from strop.run.arrays import RunArrays
from strop.run.circumstances import circumstances_of
from strop.run.estimates import RunEstimates, labels_of
from strop.run.notes import run_notes
from strop.run.stored import StoredRun
from strop.run.unreadable import unreadable_shares
from strop.run.updates import Update
from strop.run.verdict import verdict
from strop.run.verification import SCORES
from strop.verify.base import LOW_MASS
from strop.weigh import Product


def run_document(
    estimates: RunEstimates, analysis: dict[str, Any], past: Sequence[Update]
) -> dict[str, Any]:
    """Return the estimates with everything they rest on. ``past``: the updates of other courses."""
    stored, arrays = estimates.stored, estimates.arrays
    plan = stored.plan
    rows = [_row(stored, arrays, product, summary) for product, summary in estimates.summaries]
    return {
        "definition": GAP_DEFINITION,
        "model": plan.model,
        "verifier_model": stored.record["verifier_model"],
        "task": plan.task.label,
        "problems": plan.problems,
        "samples": plan.samples,
        "design": stored.record["design"],
        **{name: value.as_json() for name, value in estimates.accuracies.items()},
        "notes": run_notes(stored, arrays.samples),
        "definitions": _definitions(estimates),
        "truncated": stored.truncated,
        "verifiers": _first_rows(stored, rows),
        "estimates": rows,
        "analysis": analysis,
        "verdict": verdict(arrays.evidence, arrays.counts_BP, past, circumstances_of(stored)),
        "usage": stored.usage.as_json(),
        "usage_by_stage": _known_usage(stored),
        "run": str(stored.path),
    }


def _row(
    stored: StoredRun, arrays: RunArrays, product: Product, summary: Summary
) -> dict[str, Any]:
    """Return the estimates of one weighing, and the counts of what was dropped or set to 0."""
    verifier, weigh = labels_of(product)
    row: dict[str, Any] = {"verifier": verifier, "weigh": weigh}
    if len(product.verifiers) == 1:
        record = stored.verifiers[product.verifiers[0]]
        row |= {"name": record["verifier"], "verifier_model": record.get("model")}
    row |= {quantity: value.as_json() for quantity, value in summary.estimates.items()}
    unparsed = left_out = 0
    for name in set(product.verifiers):
        unparsed += int((~stored.scores[name]["parsed"]).sum())
        left_out += int((np.isnan(arrays.score_PK[name]) & arrays.samples.mask_PK).sum())
    row["unparsed"] = unparsed
    shares = unreadable_shares(stored)
    row["unparsed_share"] = max(shares.get(name, 0.0) for name in product.verifiers)
    row["left_out"] = left_out
    row["no_survivor"] = summary.no_survivor
    row["no_room"] = summary.no_room
    if len(product.verifiers) == 1:
        row |= _option_mass(stored, product.verifiers[0])
    return row


def _option_mass(stored: StoredRun, verifier: str) -> dict[str, Any]:
    """Return the probability that the options of a verifier hold together.

    Empty for a verifier without options, and for the runs of versions that did not keep it.
    """
    usage = stored.usage_by_stage[SCORES + verifier]
    if not usage.options:
        return {}
    mean = usage.option_mass / usage.options
    mass = {"mean": mean, "questions": usage.options, "below": usage.low_mass, "limit": LOW_MASS}
    return {"option_mass": mass}


def _first_rows(stored: StoredRun, rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return each verifier's row under its default or first weight."""
    first: dict[str, dict[str, Any]] = {}
    for row in rows:
        without_verifier = {key: value for key, value in row.items() if key != "verifier"}
        first.setdefault(row["verifier"], without_verifier)
    return {name: first[name] for name in stored.verifiers if name in first}


def _definitions(estimates: RunEstimates) -> dict[str, str]:
    """Return the one-line definition of each quantity in the document."""
    values = dict(estimates.accuracies)
    for _, summary in estimates.summaries:
        values |= summary.estimates
    return {quantity: value.definition for quantity, value in values.items() if value.definition}


def _known_usage(stored: StoredRun) -> dict[str, dict[str, int | float]]:
    """Return the usage by stage. The cost of imported rows is unknown, and they store none."""
    return {
        stage: usage.as_json()
        for stage, usage in stored.usage_by_stage.items()
        if not stored.is_imported or replace(usage, thoughts=0, unclosed=0) != Usage()
    }
