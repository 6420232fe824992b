"""``strop plan``: the problems and samples that a wanted interval needs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from strop.cli.options import AsJson
from strop.cli.output import print_result
from strop.errors import UsageError

plan_app = typer.Typer()


@plan_app.command()
def plan(
    run: Annotated[Path | None, typer.Argument(help="Pilot run.")] = None,
    half_width: Annotated[
        float,
        typer.Option(help="Wanted half of the 95% interval, as a fraction: 0.02 is two points."),
    ] = 0.02,
    accuracy: Annotated[
        float | None, typer.Option(help="Without a pilot: the assumed accuracy.")
    ] = None,
    auroc: Annotated[
        float | None, typer.Option(help="Without a pilot: the verifier's AUROC (default 0.75).")
    ] = None,
    rho: Annotated[
        float | None,
        typer.Option(help="Without a pilot: share of the variance between problems (default 0.5)."),
    ] = None,
    weigh: Annotated[
        str | None, typer.Option(help="Without a pilot: the weight (default quantile:0.7).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compute the problems and samples that a wanted interval needs, and their cost."""
    from strop.report.model_tables import plan_notes, plan_table
    from strop.run import planning
    from strop.run.run import Run

    if (run is None) == (accuracy is None):
        given = "neither" if run is None else "both"
        raise UsageError(f"strop plan needs a pilot run's folder, or --accuracy; got {given}")
    options: dict[str, Any] = {"auroc": auroc, "rho": rho, "weigh": weigh}
    assumptions = {name: value for name, value in options.items() if value is not None}
    if run is not None and assumptions:
        raise UsageError(
            f"--{next(iter(assumptions))} is an assumption, and the pilot run has measured its "
            "own; leave it out"
        )
    if run is not None:
        needs = planning.plan_from_run(Run(run), half_width)
    else:
        needs = planning.plan_from_assumptions(half_width, accuracy or 0.0, **assumptions)
    documents = [need.as_json() for need in needs]
    print_result({"plans": documents}, [plan_table(documents), *plan_notes(documents)], as_json)
