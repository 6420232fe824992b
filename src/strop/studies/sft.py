"""Sharpening by training ("The Sharpening Mechanism", Figures 7 to 9 and the table of SFT-Sharpening): how much of the lift is kept?

SFT-Sharpening for several N, reward-based DPO and XPO are fit to a model's own samples of training problems, and measured on these and on
held-out ones. A seed is another draw of problems and samples and another training: intervals are Student's over seeds, changes are paired
by seed. The training curve is that of the largest N, fit for longer, with snapshots.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import altair as alt
import numpy as np
import polars as pl

from strop.measure.intervals import ANYTHING
from strop.measure.replicates import over_draws
from strop.records import Estimate
from strop.studies.frame.base import Finding, Study, Tell, markdown_table, write_findings
from strop.studies.frame.cost import Cost
from strop.studies.frame.figures import COLUMN, level, points_with_intervals
from strop.studies.frame.fits import Fits, Measured
from strop.studies.frame.numbers import per_cent, points, short, told, written
from strop.studies.frame.runs import Runs
from strop.tasks import Task

TABLE = (
    "SFT-Sharpening lifts accuracy over greedy decoding by 19.2% (Phi-3.5, MATH), 1.8% (GSM8K) and 12.5% (ProntoQA), and the log-likelihood"
    " under the base model by 48.3, 1.5 and 5.6 nats; on the prompts it was trained on, at the best checkpoint."
)
CURVE = "accuracy and log-likelihood under the base model rise over the steps and level off, on the training prompts (Figures 7 and 8)."
EFFECT = "larger N (10, 25, 50) brings more, with falling returns (Figure 9)."
SHOWN = {
    "train_accuracy": "one sample, training problems, %",
    "accuracy": "one sample, held out, %",
    "greedy": "greedy, held out, %",
    "best_of_k": "best of K, held out, %",
    "coverage": "coverage, held out, %",
    "base_likelihood": "log-likelihood under the base, nats",
}
WHERE = {
    "train_accuracy": "one sample, training",
    "accuracy": "one sample, held out",
    "greedy": "greedy, held out",
    "coverage": "coverage, held out",
}
CURVES = {
    "train_accuracy": ("accuracy", "training problems"),
    "accuracy": ("accuracy", "held-out problems"),
    "train_base_likelihood": ("log-likelihood", "training problems"),
    "base_likelihood": ("log-likelihood", "held-out problems"),
}
CHANGES = ("train_accuracy", "accuracy", "greedy", "coverage", "base_likelihood")


@dataclass(frozen=True)
class SftStudy(Study):
    """``model`` is fit to ``train_problems`` of ``task``, with ``samples`` of each; ``sizes``: N of SFT-Sharpening; ``pairs`` of each
    problem for reward-DPO, and rounds of XPO. ``curve_steps``: of the fit whose ``snapshots`` make the training curve.
    """

    model: str = "ladder/125k"
    task: str | Task = "arithmetic"
    seeds: int = 3
    problems: int = 200
    train_problems: int = 200
    samples: int = 32
    sizes: tuple[int, ...] = (4, 8, 16, 32)
    pairs: int = 4
    epochs: float = 2.0
    curve_steps: int = 40
    snapshots: int = 5
    seed: int = 0

    name: ClassVar[str] = "sft"
    description: ClassVar[str] = (
        "what SFT-Sharpening, reward-DPO and XPO keep of the lift, by N and by step"
    )

    @classmethod
    def quick(cls) -> SftStudy:
        return cls(
            seeds=2,
            problems=32,
            train_problems=32,
            samples=8,
            sizes=(2, 8),
            pairs=1,
            curve_steps=10,
            snapshots=2,
        )

    def _fits(self, out: Path, tell: Tell) -> list[Fits]:
        runs = Runs(out.parent / "runs", tell)
        return [
            Fits(self, runs, out / "models" / f"seed-{seed}", seed)
            for seed in range(self.seed, self.seed + self.seeds)
        ]

    def besides(self) -> Iterable[Cost]:
        return (cost for fits in self._fits(Path(), print) for cost in fits.costs())

    def run(self, out: Path, tell: Tell) -> Path:
        places = self._fits(out, tell)
        measured: dict[str, list[Measured]] = {}
        steps: dict[int, dict[int, Measured]] = {}
        for number, fits in enumerate(places):
            for name, one in fits.models():
                measured.setdefault(name, []).append(one)
            for step, one in fits.snapshots():
                steps.setdefault(step, {})[number] = one
        kept = {name: one for name, one in measured.items() if len(one) == self.seeds}
        findings = [self._table(kept, places), self._effect(kept), self._curve(kept["base"], steps)]
        return write_findings(out, "Sharpening by training", self.setting, findings, self.name)

    def _table(self, measured: Mapping[str, Sequence[Measured]], places: Sequence[Fits]) -> Finding:
        base, rows = measured["base"], []
        values, changes = {}, {}
        for name, own in measured.items():
            values[name] = {key: over((one[key] for one in own), key) for key in SHOWN}
            changes[name] = {
                key: over(
                    (one[key] - before[key] for one, before in zip(own, base, strict=True)), None
                )
                for key in CHANGES
            }
            for table, kind in ((values[name], "value"), (changes[name], "change")):
                rows += [
                    {"model": name, "quantity": key, "kind": kind, "seeds": len(own)} | told(value)
                    for key, value in table.items()
                ]
        trained = [name for name in measured if name != "base"]
        lines = [[name, *(_cell(values[name][key], key) for key in SHOWN)] for name in measured]
        changed = [
            [name, *(_cell(changes[name][key], key, "+.1f") for key in CHANGES)] for name in trained
        ]
        text = "\n\n".join(
            [
                markdown_table(["model", *SHOWN.values()], lines),
                "Change against the base model, paired by seed (points; nats):",
                markdown_table(
                    [
                        "model",
                        *(
                            SHOWN[key].partition(",")[0] + ", " + SHOWN[key].split(", ")[1]
                            for key in CHANGES
                        ),
                    ],
                    changed,
                ),
            ]
        )
        told_changes = "; ".join(
            f"{name} {points(changes[name]['train_accuracy'])} on training problems, {points(changes[name]['accuracy'])} held out"
            for name in trained
        )
        dropped = "".join(f" Seed {one.seed}: {why}." for one in places for why in one.left_out)
        return Finding(
            "sft-table",
            f"Training {short(self.model)} on its own samples of {self._task}",
            TABLE,
            f"change of the accuracy of one sample, points, {self.seeds} seeds: {told_changes or 'nothing was trained'}.{dropped}",
            self._kept(measured)
            + f" Held-out problems and the last checkpoint are the headline here; {self.seeds} seeds say little of "
            "their own spread.",
            pl.DataFrame(rows, infer_schema_length=None),
            self._bars(changes) if trained else None,
            text,
        )

    @property
    def _task(self) -> str:
        return self.task if isinstance(self.task, str) else self.task.label

    def _kept(self, measured: Mapping[str, Sequence[Measured]]) -> str:
        """How much of the lift of best-of-K over one sample each way of training keeps."""
        base, parts = measured["base"], []
        for name, own in measured.items():
            shares = []
            for where, key in (("training", "train_"), ("held-out", "")):
                lift, gain = (
                    float(
                        np.mean(
                            [
                                one[f"{key}{end}"] - before[f"{key}accuracy"]
                                for one, before in zip(rows, base, strict=True)
                            ]
                        )
                    )
                    for rows, end in ((base, "best_of_k"), (own, "accuracy"))
                )
                shares.append(
                    f"{100 * gain / lift:.0f}% ({where})"
                    if lift > 0
                    else f"no lift to keep ({where})"
                )
            if name != "base":
                parts.append(f"{name} {' and '.join(shares)}")
        return f"Of the lift of best-of-{self.samples} over one sample is kept: {'; '.join(parts)}."

    def _effect(self, measured: Mapping[str, Sequence[Measured]]) -> Finding:
        rows, base = [], measured["base"]
        for size in self.sizes:
            own = measured.get(f"sft-{size}", ())
            for key, where in WHERE.items():
                change = over(
                    (one[key] - before[key] for one, before in zip(own, base, strict=False)), None
                )
                rows.append({"N": size, "quantity": key, "where": where} | told(change))
        first, last = (measured.get(f"sft-{size}") for size in (self.sizes[0], self.sizes[-1]))
        if first is None or last is None or first is last:
            seen, holds = "there are not two N to compare.", "Not testable here."
        else:
            ends = {
                key: over((b[key] - a[key] for a, b in zip(first, last, strict=True)), None)
                for key in ("train_accuracy", "accuracy")
            }
            seen = (
                f"from N = {self.sizes[0]} to N = {self.sizes[-1]} the accuracy of one sample changes by "
                f"{points(ends['train_accuracy'])} points on training problems and by {points(ends['accuracy'])} on held-out ones."
            )
            above = [
                name
                for key, name in (
                    ("train_accuracy", "training problems"),
                    ("accuracy", "held-out ones"),
                )
                if (ends[key].low or 0) > 0
            ]
            holds = f"{'More N brings more on ' + ' and on '.join(above) if above else 'Not shown'}; intervals are over {self.seeds} seeds."
        data = pl.DataFrame(rows, infer_schema_length=None)
        x = alt.X("N:O", title="N of SFT-Sharpening", axis=alt.Axis(labelAngle=0))
        shown = data.filter(pl.col("value").is_not_null()).with_columns(
            pl.col("value", "low", "high") * 100
        )
        colour = alt.Color("where:N", sort=None, title=None, legend=alt.Legend(columns=2))
        chart = points_with_intervals(
            shown, x, "value:Q", colour, title="change against the base, points", apart="where:N"
        )
        chart = alt.layer(level(0), chart).properties(width=COLUMN, height=150)
        return Finding(
            "sft-effect-of-N",
            "The effect of N on SFT-Sharpening",
            EFFECT,
            seen,
            holds,
            data,
            None if shown.is_empty() else chart,
        )

    def _curve(
        self, base: Sequence[Measured], steps: Mapping[int, Mapping[int, Measured]]
    ) -> Finding:
        """Changes against the base model, paired by seed."""
        rows = []
        for step, own in sorted(steps.items()):
            for key, (what, where) in CURVES.items():
                change = over((one[key] - base[number][key] for number, one in own.items()), None)
                rows.append(
                    {
                        "step": step,
                        "quantity": key,
                        "what": what,
                        "problems": where,
                        "seeds": len(own),
                    }
                    | told(change)
                )
        seen, holds = _curve_told(base, steps)
        title = f"Training curves of SFT-Sharpening, N = {self.sizes[-1]}, {self.curve_steps} steps: change against the base model"
        data = pl.DataFrame(rows, infer_schema_length=None)
        return Finding(
            "sft-curves",
            title,
            CURVE,
            seen,
            holds,
            data,
            self._curve_figure(data) if rows and data["value"].count() else None,
        )

    def _curve_figure(self, data: pl.DataFrame) -> Any:
        panels = []
        for what, title in (
            ("accuracy", "accuracy, points"),
            ("log-likelihood", "log-likelihood, nats"),
        ):
            times, last = (100, False) if what == "accuracy" else (1, True)
            shown = data.filter(pl.col("what") == what, pl.col("value").is_not_null()).with_columns(
                pl.col("value", "low", "high") * times
            )
            x = alt.X(
                "step:O",
                title="optimiser step" if last else None,
                axis=alt.Axis(labels=last, labelAngle=0),
            )
            colour = alt.Color("problems:N", sort=None, title=None)
            chart = points_with_intervals(
                shown, x, "value:Q", colour, title=title, apart="problems:N"
            )
            panels.append(alt.layer(level(0), chart).properties(width=COLUMN, height=110))
        return alt.vconcat(*panels, spacing=6)

    def _bars(self, changes: Mapping[str, Mapping[str, Estimate]]) -> Any:
        """The changes against the base model, in points."""
        rows = [
            {"model": name, "where": where} | told(own[key])
            for name, own in changes.items()
            if name != "base"
            for key, where in WHERE.items()
        ]
        data = pl.DataFrame(rows, infer_schema_length=None).with_columns(
            pl.col("value", "low", "high") * 100
        )
        base = alt.Chart(data).encode(
            x=alt.X("model:N", sort=None, title=None, axis=alt.Axis(labelAngle=-30)),
            xOffset=alt.XOffset("where:N", sort=None),
            color=alt.Color("where:N", sort=None, title=None, legend=alt.Legend(columns=2)),
        )
        spans = base.mark_rule(strokeWidth=1.2, opacity=0.7).encode(
            y=alt.Y("low:Q", title="change against the base, points"), y2="high:Q"
        )
        marks = base.mark_point(filled=True, size=26, opacity=1).encode(y="value:Q")
        zero = (
            alt.Chart(alt.Data(values=[{"level": 0}]))
            .mark_rule(strokeDash=[3, 3], strokeWidth=0.8, color="#777")
            .encode(y="level:Q")
        )
        return alt.layer(zero, spans, marks).properties(width=COLUMN, height=190)


def _curve_told(
    base: Sequence[Measured], steps: Mapping[int, Mapping[int, Measured]]
) -> tuple[str, str]:
    if not steps:
        return "no snapshot could be made.", "Not testable here."
    last = steps[max(steps)]
    found = {
        key: over((one[key] - base[number][key] for number, one in last.items()), None)
        for key in ("train_accuracy", "accuracy", "train_base_likelihood", "base_likelihood")
    }
    seen = (
        f"from the base to step {max(steps)}: accuracy {points(found['train_accuracy'])} points on training problems and "
        f"{points(found['accuracy'])} held out; log-likelihood under the base {written(found['train_base_likelihood'], 1, '+.2f', '.2f')} "
        f"and {written(found['base_likelihood'], 1, '+.2f', '.2f')} nats."
    )
    means = {
        step: float(
            np.mean([one["accuracy"] - base[number]["accuracy"] for number, one in own.items()])
        )
        for step, own in steps.items()
    }
    best = max(means, key=lambda step: means[step])
    kept = (
        "the last snapshot is the best"
        if best == max(steps)
        else f"step {best} is better than the last"
    )
    return (
        seen,
        f"By held-out accuracy {kept}; choosing a checkpoint by it would flatter it. All seeds share one schedule.",
    )


def over(values: Iterable[float], key: str | None) -> Estimate:
    """Mean over seeds, and Student's 95% interval over them; shares are cut at 0 and 1."""
    is_share = key is not None and not key.endswith("likelihood")
    return over_draws(
        np.array(list(values), dtype=float), "mean over seeds", (0.0, 1.0) if is_share else ANYTHING
    )


def _cell(value: Estimate, key: str, form: str = ".1f") -> str:
    if key.endswith("likelihood"):
        return written(value, 1, "+.2f" if form.startswith("+") else ".2f", ".2f")
    return written(value, 100, form, ".1f") if form != ".1f" else per_cent(value)
