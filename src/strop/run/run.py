"""A run on disk, opened for reading: its frames, its estimates, its report. Nothing here touches an engine.

(utility, weights) --measure--> estimates
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from strop.engines import is_embedded
from strop.errors import CorruptPartError, UsageError
from strop.measure import (
    GAP_DEFINITION,
    Ratio,
    Samples,
    Summary,
    Weighed,
    accuracy,
    estimate_all,
    fill_grid,
    resample_counts,
    summarise,
    undefined_summary,
)
from strop.measure.forecast import FEWEST
from strop.measure.gap import SHARE, mean_over_problems
from strop.measure.intervals import Floats, Groups
from strop.records import Estimate, Problem, Usage, total_usage
from strop.run.analysis import Evidence, Judge, analyse, groups_of
from strop.run.plan import Plan
from strop.run.store import RESPONSE_SCHEMA, SCORE_SCHEMA, RunFolder
from strop.run.updates import UPDATES, Update, others, read, shipped
from strop.run.verdict import METHOD, verdict
from strop.seeds import derive
from strop.tasks import Task
from strop.tasks.base import UNGRADED
from strop.verify import Tournament, position_bias
from strop.weigh import BestOfN, Product, Quantile, Weight, parse_product, parse_weight

if TYPE_CHECKING:
    from strop.report import ReportRun


@dataclass(frozen=True)
class Run:
    """One model on one task. ``weights`` empty: each verifier's default weight. ``task``: the instance, where TASKS does not know it."""

    path: Path
    weights: tuple[str, ...] = ()
    task: Task | None = None

    @property
    def folder(self) -> RunFolder:
        return RunFolder(self.path)

    @cached_property
    def record(self) -> dict[str, Any]:
        """run.json."""
        record = self.folder.record()
        if (
            not isinstance(record.get("verifiers"), dict)
            or not {"verifier_model", "design"} <= record.keys()
        ):
            raise CorruptPartError(
                f"{self.path / 'run.json'} lacks what a run's record holds; restore it, or choose another --out"
            )
        return record

    @cached_property
    def plan(self) -> Plan:
        return Plan.from_record(self.record["asked"], self.task)

    @property
    def stages(self) -> list[str]:
        """The names under which parts are stored."""
        return [
            "responses",
            *([] if "imported" in self.record else ["greedy"]),
            *(f"scores/{name}" for name in self.record["verifiers"]),
        ]

    @cached_property
    def problems(self) -> pl.DataFrame:
        """One row a problem: problem, split, question, reference, prompt, metadata."""
        return self.folder.problems()

    @cached_property
    def responses(self) -> pl.DataFrame:
        """One row a response."""
        if self.record["design"] != "fixed":
            return self._stage("responses", None)
        imported = self.record.get("imported")
        return self._stage(
            "responses",
            imported["responses"] if imported else self.plan.problems * self.plan.samples,
        )

    @cached_property
    def greedy(self) -> pl.DataFrame:
        """One row a problem: the greedy response. Empty for imported samples."""
        return (
            pl.DataFrame(schema=RESPONSE_SCHEMA)
            if "imported" in self.record
            else self._stage("greedy", self.plan.problems)
        )

    @cached_property
    def scores(self) -> dict[str, pl.DataFrame]:
        """One frame a verifier, one row a response and draw."""
        return {
            name: self._stage(f"scores/{name}", self.responses.height)
            for name in self.record["verifiers"]
        }

    def stored_problems(self) -> list[Problem]:
        """The run's problems as they were asked, with their references."""
        rows = self.problems.iter_rows(named=True)
        return [
            Problem(
                r["problem"], r["split"], r["question"], r["reference"], json.loads(r["metadata"])
            )
            for r in rows
        ]

    @cached_property
    def document(self) -> dict[str, Any]:
        """What ``--json`` prints: the estimates and what they rest on. UsageError for a run that was drawn adaptively."""
        self.check_fixed()
        rows = [self._row(product, summary) for product, summary in self.summaries]
        first = {
            row["verifier"]: {k: v for k, v in row.items() if k != "verifier"}
            for row in reversed(rows)
        }
        accuracies = {name: value.as_json() for name, value in self.accuracies.items()}
        return {
            "definition": GAP_DEFINITION,
            "model": self.plan.model,
            "verifier_model": self.record["verifier_model"],
            "task": self.plan.task.label,
            "problems": self.plan.problems,
            "samples": self.plan.samples,
            "design": self.record["design"],
            **accuracies,
            "notes": self.notes,
            "definitions": self._definitions(),
            "truncated": self.truncated,
            "verifiers": {name: first[name] for name in self.record["verifiers"] if name in first},
            "estimates": rows,
            "analysis": self.analysis,
            "verdict": verdict(self.evidence, self.counts_BP, self.past),
            "usage": self.usage.as_json(),
            "usage_by_stage": {
                stage: usage.as_json()
                for stage, usage in self.usage_by_stage.items()
                if self._is_known(usage)
            },
            "run": str(self.path),
        }

    @property
    def past(self) -> Sequence[Update]:
        """Other courses' first rounds, on which the verdict rests: those that were named (``--past``), else the package's own of its
        embedded models, for a run of one."""
        named = self.path / UPDATES
        known = read(named) if named.exists() else shipped() if is_embedded(self.plan.model) else ()
        return others(known, self.plan.model, self.plan.task.label, METHOD, FEWEST)

    @cached_property
    def accuracies(self) -> dict[str, Estimate]:
        """Accuracy (strict), accuracy_flexible and greedy accuracy."""
        samples = self._samples
        greedy = mean_over_problems(
            self._greedy_P("utility_strict"),
            "share of problems whose greedy response is right",
            SHARE,
        )
        ratios = {
            "accuracy": accuracy(samples.utility_PK, samples.mask_PK),
            "accuracy_flexible": accuracy(samples.flexible_PK, samples.mask_PK),
            "greedy": replace(greedy, why="greedy responses were not imported"),
        }
        return estimate_all(ratios, self.counts_BP, group_P=self._group_P)

    @cached_property
    def weighings(self) -> list[Product]:
        """Every verifier under every plain weight asked for (or its default), and every ensemble asked for."""
        plain = [parse_weight(spec) for spec in self.weights if "@" not in spec]
        asked = [parse_product(spec) for spec in self.weights if "@" in spec]
        for product in asked:
            for verifier in product.verifiers:
                if verifier not in self.record["verifiers"]:
                    raise UsageError(
                        f"{self.path} has no scores of {verifier!r}; there are {', '.join(self.record['verifiers'])}"
                    )
        smallest = int(self._samples.mask_PK.sum(axis=1).min())
        for weight in [*plain, *(weight for product in asked for _, weight in product.factors)]:
            if isinstance(weight, BestOfN) and weight.n is not None and weight.n > smallest:
                raise UsageError(
                    f"{weight.spec}: the problem with the fewest responses has {smallest}; ask for best-of:{smallest} or less"
                )
        if asked and not plain:
            return asked
        return [
            Product(((name, weight),))
            for name in self.record["verifiers"]
            for weight in plain or [self.default_weight(name)]
        ] + asked

    @cached_property
    def summaries(self) -> list[tuple[Product, Summary]]:
        """(verifiers and weights, estimates) for every weighing."""
        meant = [product for product in self.weighings if self._meaningless(product) is None]
        found = summarise(
            self._samples,
            {product.spec: self._weighed(product) for product in meant},
            self.counts_BP,
            self._group_P,
        )
        return [
            (product, found.get(product.spec) or undefined_summary(str(self._meaningless(product))))
            for product in self.weighings
        ]

    def _meaningless(self, product: Product) -> str | None:
        """Why a weighing means nothing: best-of-n of scores that depend on all K responses is not the best of n. None if it does."""
        for name, weight in product.factors:
            pointwise = self.record["verifiers"][name].get("pointwise", True)
            if isinstance(weight, BestOfN) and weight.n is not None and not pointwise:
                return f"the scores of {name} depend on all of a problem's responses; its best-of:K has a meaning, {weight.spec} has none"
        return None

    def default_weight(self, verifier: str) -> Weight:
        """What the papers use with it."""
        return parse_weight(self.record["verifiers"][verifier]["default_weight"])

    @property
    def estimates(self) -> pl.DataFrame:
        """One row a verifier, weight and quantity: value, low, high, n, why, definition."""
        rows = [("", "", quantity, e) for quantity, e in self.accuracies.items()] + [
            (*_label(product), quantity, e)
            for product, summary in self.summaries
            for quantity, e in summary.estimates.items()
        ]
        names = ("verifier", "weigh", "quantity", "value", "low", "high", "n", "why", "definition")
        return pl.DataFrame(
            [(v, w, q, e.value, e.low, e.high, e.n, e.why, e.definition) for v, w, q, e in rows],
            schema={
                name: pl.Float64
                if name in ("value", "low", "high")
                else pl.Int64
                if name == "n"
                else pl.String
                for name in names
            },
            orient="row",
        )

    @cached_property
    def analysis(self) -> dict[str, Any]:
        """Sweeps, selection curves, pass@k, ensembles, diversity and what else stored samples can tell (``strop.run.analysis``)."""
        return analyse(self.evidence, self.counts_BP) | {"position_bias": self._position_biases()}

    @cached_property
    def evidence(self) -> Evidence:
        """The stored samples and scores as arrays."""
        answers = self.responses["answer_strict"]
        codes = answers.rank("dense").cast(pl.Int64).fill_null(-1)
        return Evidence(
            self._samples,
            {name: self._judge(name) for name in self.record["verifiers"]},
            answer_PK=np.nan_to_num(
                self._grid(self.responses, codes.cast(pl.Float64)), nan=-1
            ).astype(np.int64),
            logprob_PK=self._grid(self.responses, _known(self.responses, "logprob")),
            greedy_P=self._greedy_P("utility_strict"),
            greedy_logprob_P=self._greedy_P("logprob"),
            token_ids=self._token_ids(),
            questions=self.problems["question"].to_list(),
            seed=derive(self.plan.seed, "folds"),
        )

    def sweeps(self) -> dict[str, list[dict[str, Any]]]:
        """Gap and kept share over one kind of threshold a verifier: quantiles where it has them, else levels or rounds."""
        return {name: _one_kind(rows) for name, rows in self.analysis.get("sweeps", {}).items()}

    def material(self) -> ReportRun:
        """What a page about this run is made of."""
        from strop.report import ReportRun

        document, sweeps, responses = self.document, self.sweeps(), self.responses.drop("token_ids")
        for name in ("responses", "evidence", "counts_BP", "_score_PK", "_samples"):
            self.__dict__.pop(
                name, None
            )  # made again when asked for: a large run's arrays and its page do not fit in a gigabyte together
        return ReportRun(document, self.record, self.problems, responses, self.scores, sweeps)

    def report(self) -> Path:
        """Write report.html into the run folder; returns its path."""
        from strop.report import build_page

        self.folder.write_text("report.html", build_page([self.material()]))
        return self.path / "report.html"

    def _repr_html_(self) -> str:
        """In a notebook: the verdict, the numbers, the first charts."""
        from strop.report.notebook import run_html

        return run_html(self.document, self.sweeps())

    # --- arrays ---

    @cached_property
    def _samples(self) -> Samples:
        strict_PK, flexible_PK = (
            self._grid(self.responses, self.responses[name])
            for name in ("utility_strict", "utility_flexible")
        )
        mask_PK = ~np.isnan(strict_PK)
        return Samples(np.where(mask_PK, strict_PK, 0), np.nan_to_num(flexible_PK), mask_PK)

    def cost_of_a_response(self) -> dict[str, float]:
        """Tokens and FLOPs that the run spent on each response: drawing it, and all its verifications."""
        usage = total_usage(
            usage for stage, usage in self.usage_by_stage.items() if stage != "greedy"
        )
        spent = {
            "prompt_tokens": usage.prompt_tokens,
            "generated_tokens": usage.generated_tokens,
            "flops": usage.flops,
        }
        return {name: amount / self.responses.height for name, amount in spent.items()}

    @cached_property
    def counts_BP(self) -> Floats:
        """How often each problem is drawn in each resample, (B, P): the same for all runs on the same problems."""
        return resample_counts(self.plan.problems, self.plan.bootstrap_seed, group_P=self._group_P)

    @cached_property
    def _group_P(self) -> Groups | None:
        return groups_of(self.problems["question"].to_list())

    @cached_property
    def _score_PK(self) -> dict[str, Floats]:
        """Each verifier's scores, means over draws."""
        means = {
            name: frame.group_by("problem", "sample").agg(pl.col("score").mean())
            if frame["draw"].n_unique() > 1
            else frame
            for name, frame in self.scores.items()
        }
        return {name: self._grid(frame, frame["score"]) for name, frame in means.items()}

    def of_responses(self, column: str) -> Floats:
        """A number of each response, (P, K), NaN where there is none."""
        return self._grid(self.responses, self.responses[column])

    def _grid(self, frame: pl.DataFrame, values: pl.Series) -> Floats:
        """A value for each row of the frame, as (P, K)."""
        return fill_grid(
            self._place(frame).to_numpy(),
            frame["sample"].to_numpy(),
            values.to_numpy(),
            self.problems.height,
        )

    def _place(self, frame: pl.DataFrame) -> pl.Series:
        """The number of each row's problem; null for one that the run does not have."""
        order = {problem: number for number, problem in enumerate(self.problems["problem"])}
        return frame["problem"].replace_strict(order, default=None, return_dtype=pl.Int64)

    def _judge(self, name: str) -> Judge:
        entry = self.record["verifiers"][name]
        told = (
            entry.get(key, default)
            for key, default in (
                ("pointwise", True),
                ("sees_references", False),
                ("probability", False),
                ("control", False),
            )
        )
        return Judge(self._score_PK[name], self.default_weight(name), *told)

    def _greedy_P(self, column: str) -> Floats:
        return (
            self._grid(self.greedy, _known(self.greedy, column))[:, 0]
            if self.greedy.height
            else np.full(self.plan.problems, np.nan)
        )

    def check_fixed(self) -> None:
        """UsageError for a run that was drawn adaptively."""
        if self.record["design"] != "fixed":
            raise UsageError(
                f"{self.path} was drawn adaptively: gaps, pass@k and curves over N need the same number of samples of every problem; "
                "see sharpening.json there, or sample again without --adaptive"
            )

    @property
    def usage(self) -> Usage:
        """Of all stages."""
        return total_usage(self.usage_by_stage.values())

    @cached_property
    def usage_by_stage(self) -> dict[str, Usage]:
        """What each stage spent, by the name under which its parts are stored."""
        return {stage: self.folder.usage(stage, self.plan.parts) for stage in self.stages}

    def _is_known(self, usage: Usage) -> bool:
        """What imported samples and scores cost elsewhere is not known, and stored as nothing."""
        return "imported" not in self.record or usage != Usage()

    @property
    def truncated(self) -> int:
        """Responses that no token ended."""
        return int((self.responses["finish"] == "length").sum())

    @property
    def notes(self) -> list[str]:
        """What to know before reading the numbers."""
        counts_P = self._samples.mask_PK.sum(axis=1)
        notes = []
        if counts_P.min() < counts_P.max() and self.record["design"] == "fixed":
            notes.append(
                f"problems have {counts_P.min()} to {counts_P.max()} responses: gaps mix several K, curves end at {counts_P.min()}"
            )
        copies = self.plan.problems - self.problems["question"].n_unique()
        if copies:
            notes.append(
                f"{copies} problems repeat others' questions; copies are resampled together"
            )
        if ungraded := self.responses["found_by"].str.starts_with(UNGRADED).sum():
            notes.append(
                f"{ungraded} responses could not be graded within the grader's bounds and count as wrong"
            )
        for name, entry in self.record["verifiers"].items():
            if wording := entry.get("settings", {}).get("wording"):
                notes.append(f"{name} asks in words of its own: {', '.join(wording)}")
        if (usage := self.usage).cost:
            notes.append(f"the server's tokens cost ${usage.cost:,.2f} at the prices given")
        if usage.failures:
            notes.append(f"{usage.failures:,} failed requests to the server were repeated")
        if "imported" in self.record:
            return [*notes, "at which temperature the imported responses were drawn is not known"]
        rewards = [
            name
            for name, entry in self.record["verifiers"].items()
            if entry["verifier"].startswith("logprob")
        ]
        if not rewards or (self.plan.temperature, self.plan.top_p) == (1, 1):
            return notes
        drawn = f"temperature {self.plan.temperature:g}, top-p {self.plan.top_p:g}"
        return [
            *notes,
            f"{', '.join(rewards)}: drawn at {drawn}; sharpening's best-of-N is defined at temperature 1, top-p 1",
        ]

    def _definitions(self) -> dict[str, str]:
        """What each quantity of the document is, in a line."""
        summaries = {
            quantity: value.definition
            for _, summary in self.summaries
            for quantity, value in summary.estimates.items()
        }
        accuracies = {quantity: value.definition for quantity, value in self.accuracies.items()}
        return {name: text for name, text in (accuracies | summaries).items() if text}

    def _position_biases(self) -> dict[str, Any]:
        """How often a tournament's match goes to the response shown first, and how often the two orders disagree."""
        found = {}
        for name, entry in self.record["verifiers"].items():
            if entry["verifier"] != Tournament.name:
                continue
            texts = dict(self.scores[name].group_by("problem").agg("text").iter_rows())
            try:
                bias = position_bias(texts[problem] for problem in self.problems["problem"])
            except ValueError as error:
                raise CorruptPartError(
                    f"{self.path / 'scores' / name}: {error}; delete that folder and add the verifier again"
                ) from None
            first = Ratio(
                bias.first_won_P,
                bias.read_P,
                "share of readable matches won by the response shown first; 0.5 is no bias",
                bounds=SHARE,
            )
            twice = "share of matches played in both orders whose two readings differ"
            both = Ratio(
                bias.disagreed_P, bias.twice_P, twice, "no match was played in both orders", SHARE
            )
            estimates = estimate_all(
                {"first_won": first, "orders_disagree": both}, self.counts_BP, group_P=self._group_P
            )
            found[name] = {quantity: value.as_json() for quantity, value in estimates.items()}
        return found

    def _token_ids(self) -> Sequence[list[list[int]]] | None:
        if self.responses["token_ids"].has_nulls():
            return None
        return _Tokens(
            self.responses["token_ids"],
            self._place(self.responses).to_numpy(),
            self.problems.height,
        )

    def _weighed(self, product: Product) -> Weighed:
        scores = {name: self._score_PK[name] for name in product.verifiers}
        alone = scores[product.verifiers[0]] if len(product.factors) == 1 else None
        return Weighed(alone, product(scores, self._samples.mask_PK))

    def _stage(self, stage: str, responses: int | None) -> pl.DataFrame:
        """All parts of a stage, which must be about this many responses (None: nobody knows), each once a draw, and about every problem."""
        frame = self.folder.read_stage(stage, self.plan.parts)
        schema = SCORE_SCHEMA if stage.startswith("scores/") else RESPONSE_SCHEMA
        if frame.schema != pl.Schema(schema):
            raise CorruptPartError(
                f"the parts in {self.path / stage} hold other columns than they should; restore them, or delete that folder"
            )
        place = self._place(
            frame
        )  # numbers: hashing pairs of texts takes hundreds of megabytes in a large run
        pair = place * 2**31 + frame["sample"]
        pairs = pair.n_unique()
        responses = pairs if responses is None else responses
        draws = frame["draw"].n_unique() if "draw" in frame.columns else 1
        once = (
            pairs == frame.height
            if draws == 1
            else pl.DataFrame({"pair": pair, "draw": frame["draw"]}).n_unique() == frame.height
        )
        whole = pairs == responses and frame.height == responses * draws and once
        if not whole or place.has_nulls() or place.n_unique() != self.problems.height:
            raise CorruptPartError(
                f"{self.path / stage} holds {frame.height} rows on {pairs} responses, expected {responses} responses to "
                f"{self.plan.problems} problems; a part was changed: delete that folder and run the same command again"
            )
        return frame

    def _row(self, product: Product, summary: Summary) -> dict[str, Any]:
        verifier, weigh = _label(product)
        unparsed = sum(int((~self.scores[name]["parsed"]).sum()) for name in set(product.verifiers))
        estimates = {quantity: value.as_json() for quantity, value in summary.estimates.items()}
        left_out = sum(
            int((np.isnan(self._score_PK[name]) & self._samples.mask_PK).sum())
            for name in set(product.verifiers)
        )
        counts = {
            "unparsed": unparsed,
            "left_out": left_out,
            "no_survivor": summary.no_survivor,
            "no_room": summary.no_room,
        }
        entries = [self.record["verifiers"][name] for name in product.verifiers]
        alone = (
            {"name": entries[0]["verifier"], "verifier_model": entries[0].get("model")}
            if len(entries) == 1
            else {}
        )
        return {"verifier": verifier, "weigh": weigh, **alone, **estimates, **counts}


@dataclass(frozen=True)
class _Tokens(Sequence[list[list[int]]]):
    """The token ids of each problem's responses, made into lists when they are asked for: all at once they fill the memory."""

    column: pl.Series
    problem_N: NDArray[np.int64]
    problems: int

    def __len__(self) -> int:
        return self.problems

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return [self[one] for one in range(self.problems)[place]]
        if not -self.problems <= place < self.problems:
            raise IndexError(place)
        rows = self._rows[place % self.problems]
        is_run = (
            len(rows) > 0 and rows[-1] - rows[0] == len(rows) - 1
        )  # as strop stores them; gathering is slow in a column of many parts
        return (
            self.column.slice(int(rows[0]), len(rows)) if is_run else self.column.gather(rows)
        ).to_list()

    @cached_property
    def _rows(self) -> list[NDArray[np.int64]]:
        order_N = np.argsort(self.problem_N, kind="stable")
        return np.split(
            order_N, np.searchsorted(self.problem_N[order_N], np.arange(1, self.problems))
        )


def _one_kind(rows: dict[str, Any]) -> list[dict[str, Any]]:
    names = [name for spec in rows if (name := spec.split(":")[0]) != BestOfN.name]
    kind = Quantile.name if Quantile.name in names else next(iter(names), "")
    found = [
        {"threshold": float(spec.split(":")[1]), "weigh": spec} | row
        for spec, row in rows.items()
        if spec.split(":")[0] == kind
    ]
    return sorted(found, key=lambda row: float(row["threshold"]))


def _known(frame: pl.DataFrame, column: str) -> pl.Series:
    """The column; a truncated response's log-probability is not its own, and so unknown."""
    whole = (
        pl.when(pl.col("finish") != "length").then("logprob").otherwise(float("nan"))
        if column == "logprob"
        else pl.col(column)
    )
    return frame.select(whole.alias(column))[column]


def _label(product: Product) -> tuple[str, str]:
    """Who judges, and by which weight: ("mc", "quantile:0.7"), or of an ensemble ("mc&cot-score", its whole spec)."""
    if len(product.factors) == 1:
        return product.verifiers[0], product.factors[0][1].spec
    return "&".join(product.verifiers), product.spec


def write_estimates(run: Run) -> Run:
    """The run, with its estimates written into its folder; a run drawn adaptively has none of these (``strop.sharpening`` has others)."""
    if run.record["design"] == "fixed":
        run.folder.write_json("estimates.json", run.document)
    return run
