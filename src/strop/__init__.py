"""Measure and run the self-improvement of language models.

    run = strop.gap(model="ladder/250k", task="arithmetic")
    run.estimates, run.responses, run.scores, run.report()

The rooms, and the question that each one answers:

    tasks       what is asked, and what is right?      verify      what does the model think?
    engines     who answers?                           weigh       which responses count, how much?
    prompts     how is it put into words?              measure     what was gained, give or take?
    generate    draw responses                         distill     move the model toward them
    run         one run: plan, execute, store, read    report      the page of a run
    improvement rounds of self-improvement             cluster     a run on a Ray cluster
    ladder      the embedded models                    cli         the command line
    theory      the sharpening paper's exact world     studies     figures, tables and theorems

``run/loop.py`` is the spine: it strings one round together. ``cross_verification``, ``scaling`` and
``sharpening`` use several models or several samples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from strop.cross_verification import cross
    from strop.engines import Engine, load_engine
    from strop.errors import StropError
    from strop.improvement.rounds import Course, improve
    from strop.prompts import Wording, read_wording
    from strop.records import Estimate, Problem, Usage
    from strop.run.gap import add_verifier, gap, import_samples
    from strop.run.plan import Plan
    from strop.run.planning import plan_from_assumptions, plan_from_run
    from strop.run.run import Run
    from strop.scaling import scale
    from strop.sharpening import sharpen
    from strop.tasks import TASKS, Task
    from strop.verify import VERIFIERS, Verifier
    from strop.weigh import WEIGHTS, Weight

_HOMES = {
    "cross": "strop.cross_verification",
    "Engine": "strop.engines",
    "load_engine": "strop.engines",
    "StropError": "strop.errors",
    "Course": "strop.improvement.rounds",
    "improve": "strop.improvement.rounds",
    "Wording": "strop.prompts",
    "read_wording": "strop.prompts",
    "Estimate": "strop.records",
    "Problem": "strop.records",
    "Usage": "strop.records",
    "add_verifier": "strop.run.gap",
    "gap": "strop.run.gap",
    "import_samples": "strop.run.gap",
    "Plan": "strop.run.plan",
    "plan_from_assumptions": "strop.run.planning",
    "plan_from_run": "strop.run.planning",
    "Run": "strop.run.run",
    "scale": "strop.scaling",
    "sharpen": "strop.sharpening",
    "TASKS": "strop.tasks",
    "Task": "strop.tasks",
    "VERIFIERS": "strop.verify",
    "Verifier": "strop.verify",
    "WEIGHTS": "strop.weigh",
    "Weight": "strop.weigh",
}

__all__ = [
    "TASKS",
    "VERIFIERS",
    "WEIGHTS",
    "Course",
    "Engine",
    "Estimate",
    "Plan",
    "Problem",
    "Run",
    "StropError",
    "Task",
    "Usage",
    "Verifier",
    "Weight",
    "Wording",
    "add_verifier",
    "cross",
    "gap",
    "import_samples",
    "improve",
    "load_engine",
    "plan_from_assumptions",
    "plan_from_run",
    "read_wording",
    "scale",
    "sharpen",
]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used, so that ``import strop`` is fast."""
    if name not in _HOMES:
        raise AttributeError(f"module 'strop' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
