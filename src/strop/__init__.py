"""strop measures and runs the self-improvement of language models.

    run = strop.gap(model="ladder/250k", task="arithmetic")
    run.estimates, run.responses, run.scores, run.report()

The rooms, and what each answers:

    tasks      what is asked, and what is right?       verify    what does the model think?
    engines    who answers?                            weigh     which responses count, how much?
    prompts    how is it put into words?               measure   what was gained, give or take?
    generate   draw responses                          report    tell it
    ladder     the embedded models                     store     the run folder
    theory     the sharpening paper's exact world      studies   figures, tables and theorems, run again

``loop`` strings them together, ``run`` reads a finished run, ``analysis`` tells all that its samples can tell, ``api`` holds the functions
below, ``matrix`` those about many models, ``sharpening`` best-of-N at inference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from strop.api import add_verifier, gap, import_samples
    from strop.engines import Engine, load_engine
    from strop.errors import StropError
    from strop.loop import Plan
    from strop.matrix import cross, scale
    from strop.planning import plan_from_assumptions, plan_from_run
    from strop.prompts import Wording, read_wording
    from strop.records import Estimate, Problem, Usage
    from strop.rounds import Course, improve
    from strop.run import Run
    from strop.sharpening import sharpen
    from strop.tasks import TASKS, Task
    from strop.verify import VERIFIERS, Verifier
    from strop.weigh import WEIGHTS, Weight

_HOMES = {
    "gap": "api", "add_verifier": "api", "import_samples": "api", "cross": "matrix", "scale": "matrix", "plan_from_run": "planning",
    "sharpen": "sharpening", "improve": "rounds", "Course": "rounds",
    "plan_from_assumptions": "planning", "Engine": "engines", "load_engine": "engines", "StropError": "errors", "Plan": "loop",
    "Estimate": "records", "Problem": "records", "Usage": "records", "Run": "run", "TASKS": "tasks", "Task": "tasks",
    "VERIFIERS": "verify", "Verifier": "verify", "WEIGHTS": "weigh", "Weight": "weigh", "Wording": "prompts", "read_wording": "prompts",
}  # fmt: skip

__all__ = [
    "TASKS", "VERIFIERS", "WEIGHTS", "Course", "Engine", "Estimate", "Plan", "Problem", "Run", "StropError", "Task", "Usage", "Verifier",
    "Weight", "Wording", "add_verifier", "cross", "gap", "import_samples", "improve", "load_engine", "plan_from_assumptions",
    "plan_from_run", "read_wording", "scale", "sharpen",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Load a name when it is first used, so that ``import strop`` costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'strop' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"strop.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
