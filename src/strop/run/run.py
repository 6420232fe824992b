"""Open a run folder: its frames, its estimates, its report.

``Run`` is the public face. Behind it, ``stored.py`` reads the folder, ``arrays.py`` makes arrays of
the frames, ``estimates.py`` measures them, and ``document.py`` builds the JSON document.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from strop.measure import Summary
from strop.measure.intervals import Floats
from strop.records import Estimate, Problem, Usage
from strop.run.analysis import analyse
from strop.run.arrays import RunArrays
from strop.run.document import run_document
from strop.run.estimates import RunEstimates
from strop.run.evidence import Evidence
from strop.run.notes import run_notes
from strop.run.plan import Plan
from strop.run.position_bias import position_biases
from strop.run.store import RunFolder
from strop.run.stored import StoredRun
from strop.run.updates import UPDATES, Update, read, relevant, shipped
from strop.run.verdict import METHOD
from strop.tasks import Task
from strop.weigh import Product, Weight, curve_weights

if TYPE_CHECKING:
    from strop.report import ReportRun


@dataclass(frozen=True)
class Run:
    """One model on one task, read from its folder. Nothing here loads an engine.

    Without ``weights`` each verifier has its default weight. Pass ``task`` where the run's task is
    not one of strop's own.
    """

    path: Path
    weights: tuple[str, ...] = ()
    task: Task | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))  # users also give a string

    @cached_property
    def _stored(self) -> StoredRun:
        return StoredRun(self.path, self.task)

    @cached_property
    def _arrays(self) -> RunArrays:
        return RunArrays(self._stored)

    @cached_property
    def _estimates(self) -> RunEstimates:
        return RunEstimates(self._stored, self._arrays, self.weights)

    # --- what is stored ---

    @property
    def folder(self) -> RunFolder:
        """The folder, for reading and writing single files."""
        return self._stored.folder

    @property
    def record(self) -> dict[str, Any]:
        """The content of run.json."""
        return self._stored.record

    @property
    def plan(self) -> Plan:
        """The settings of the run."""
        return self._stored.plan

    @property
    def stages(self) -> list[str]:
        """The names under which parts are stored."""
        return self._stored.stages

    @property
    def problems(self) -> pl.DataFrame:
        """One row per problem: problem, split, question, reference, prompt, metadata."""
        return self._stored.problems

    @property
    def responses(self) -> pl.DataFrame:
        """One row per response."""
        return self._stored.responses

    @property
    def greedy(self) -> pl.DataFrame:
        """One row per problem: the greedy response. Empty for imported samples."""
        return self._stored.greedy

    @property
    def scores(self) -> dict[str, pl.DataFrame]:
        """One frame per verifier, with one row per response and draw."""
        return self._stored.scores

    def stored_problems(self) -> list[Problem]:
        """Return the run's problems with their references."""
        return self._stored.stored_problems()

    def default_weight(self, verifier: str) -> Weight:
        """Return the weight that the papers use with this verifier."""
        return self._stored.default_weight(verifier)

    def check_fixed(self) -> None:
        """Raise UsageError for a run that was drawn adaptively."""
        self._stored.check_fixed()

    @property
    def truncated(self) -> int:
        """The number of responses that the token limit cut off."""
        return self._stored.truncated

    @property
    def usage(self) -> Usage:
        """The usage of all stages together."""
        return self._stored.usage

    @property
    def usage_by_stage(self) -> dict[str, Usage]:
        """The usage of each stage, by the name under which its parts are stored."""
        return self._stored.usage_by_stage

    def cost_of_a_response(self) -> dict[str, float]:
        """Return the tokens and FLOPs per response: to draw it, and for all its verifications."""
        return self._stored.cost_of_a_response()

    # --- arrays ---

    @property
    def evidence(self) -> Evidence:
        """Samples and scores as arrays."""
        return self._arrays.evidence

    @property
    def counts_BP(self) -> Floats:
        """Counts of each problem in each resample; equal for all runs on the same problems."""
        return self._arrays.counts_BP

    def of_responses(self, column: str) -> Floats:
        """Return a numeric column of the responses as (P, K); NaN where there is no value."""
        return self._arrays.of_responses(column)

    # --- estimates ---

    @property
    def accuracies(self) -> dict[str, Estimate]:
        """Strict accuracy, flexible accuracy and greedy accuracy."""
        return self._estimates.accuracies

    @property
    def summaries(self) -> list[tuple[Product, Summary]]:
        """The estimates of every weighing, with its verifiers and weights."""
        return self._estimates.summaries

    @property
    def estimates(self) -> pl.DataFrame:
        """One row per verifier, weight and quantity: value, low, high, n, why, definition."""
        return self._estimates.frame()

    @cached_property
    def analysis(self) -> dict[str, Any]:
        """Sweeps, selection curves, pass@k, ensembles, diversity, ... (``strop.run.analysis``)."""
        analysis = analyse(self.evidence, self.counts_BP)
        return analysis | {"position_bias": position_biases(self._stored, self._arrays)}

    def sweeps(self) -> dict[str, list[dict[str, Any]]]:
        """Return each verifier's gap and kept share over one family of thresholds.

        A family of weights by rank is preferred (``strop.weigh.curve_weights``).
        """
        sweeps = self.analysis.get("sweeps", {})
        return {name: _one_family(rows) for name, rows in sweeps.items()}

    @property
    def past(self) -> Sequence[Update]:
        """The first rounds of other courses, which the verdict forecasts from.

        They belong to the courses that ``--past`` names, and to those that the package ships for
        its embedded models.
        """
        named = self.path / UPDATES
        updates = shipped()
        if named.exists():
            updates += read(named)
        return relevant(updates, self.plan.model, self.plan.task.label, METHOD)

    @property
    def notes(self) -> list[str]:
        """Notes to read before the numbers, one line each."""
        return run_notes(self._stored, self._arrays.samples)

    # --- output ---

    @cached_property
    def document(self) -> dict[str, Any]:
        """The document that ``--json`` prints. UsageError for a run that was drawn adaptively."""
        self.check_fixed()
        return run_document(self._estimates, self.analysis, self.past)

    def material(self) -> ReportRun:
        """Return what a page needs about this run."""
        from strop.report import ReportRun

        document = self.document
        sweeps = self.sweeps()
        responses = self.responses.drop("token_ids")
        # The arrays of a large run (5,000 problems x 128 responses) and its page do not fit
        # together into a gigabyte.
        self._arrays.release()
        return ReportRun(document, self.record, self.problems, responses, self.scores, sweeps)

    def report(self) -> Path:
        """Write report.html into the run folder, and return its path."""
        from strop.report import build_page

        self.folder.write_text("report.html", build_page([self.material()]))
        return self.path / "report.html"

    def _repr_html_(self) -> str:
        """Return the verdict, the numbers and the first charts, for a notebook."""
        from strop.report.notebook import run_html

        return run_html(self.document, self.sweeps())


def _one_family(rows: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of one family of thresholds, sorted by threshold; ranks are preferred."""
    family = []
    for weight in curve_weights(rows):
        assert weight.parameter is not None, "only a weight with a number can lie on a curve"
        threshold = {"threshold": float(weight.parameter), "weigh": weight.spec}
        family.append(threshold | rows[weight.spec])
    return family


def write_estimates(run: Run) -> Run:
    """Write the run's estimates.json, and return the run.

    A run that was drawn adaptively has no such estimates; ``strop.sharpening`` writes its own.
    """
    if run.record["design"] == "fixed":
        run.folder.write_json("estimates.json", run.document)
    return run
