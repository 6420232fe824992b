"""Measure and run the self-improvement of language models.

    run = strop.gap(model="ladder/250k", task="arithmetic")
    run.estimates, run.responses, run.scores, run.report()

The rooms (folders), and what each one does:

    tasks        draw problems, grade responses      run          plan, execute, store, read one run
    engines      load models, sample from them       improvement  rounds of self-improvement
    prompts      write the prompts                   report       tables, charts, the HTML page
    generate     draw responses to problems          cli          the command line
    verify       score responses                     cluster      run on a Ray cluster
    weigh        turn scores into weights            ladder       train the embedded models
    measure      estimate gaps, with intervals       theory       the sharpening paper's exact world
    distill      train on weighted responses         studies      the papers' figures and tables

To read one round, begin with ``run/gap.py``, then ``run/loop.py``. ``cross_verification``,
``scaling`` and ``sharpening`` measure several models or several numbers of samples.
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
