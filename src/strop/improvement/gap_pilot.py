"""A pilot for a run of ``strop gap``: the first part of the round that would follow.

RUN/pilot.json                     the pilot, which the run's verdict reads
RUN/improve/round-0/pilot ...      what ``strop improve --out RUN/improve`` uses again
"""

from __future__ import annotations

from strop.errors import UsageError
from strop.improvement.course import Course
from strop.improvement.runner import RoundRunner
from strop.progress import Watcher
from strop.run.circumstances import PILOT, TRAIN_PROBLEMS
from strop.run.executors import Executor
from strop.run.run import Run, write_estimates
from strop.run.verdict import METHOD, METHOD_FILTER
from strop.verify import VERIFIERS

FOLDER = "improve"


def add_pilot(run: Run, executor: Executor, watcher: Watcher) -> Run:
    """Make the pilot of the round that the run's verdict is about; return the run with its verdict.

    A run whose verdict names no verifier needs no pilot, and gets none. UsageError for a run of
    another temperature or top-p than rounds have: its responses would not be those of the round.
    """
    verdict = run.document["verdict"]
    if "verifier" not in verdict or verdict.get("situation") in ("all_or_nothing", "few_problems"):
        return run
    course = _course(run, f"{verdict['verifier']}@{verdict['weigh']}")
    # Trained models are named by their folders, so the path must not depend on the working folder.
    path = (run.path / FOLDER).resolve()
    pilot = RoundRunner(path, course, executor, watcher).pilot(run)
    if pilot is None:
        return run
    run.folder.write_json(PILOT, pilot.as_json())
    return write_estimates(Run(run.path, run.weights, run.task))


def _course(run: Run, filter_spec: str) -> Course:
    plan = run.plan
    verifier = filter_spec.partition("@")[0]
    if verifier not in VERIFIERS:
        raise UsageError(
            f"--pilot: the run's best filter is {filter_spec}, which is not the model's own "
            "verifier; leave --verify-with out"
        )
    course = Course(
        plan.model,
        plan.task,
        METHOD,
        filter_by=None if filter_spec == METHOD_FILTER else filter_spec,
        train_problems=min(TRAIN_PROBLEMS, plan.task.size("train") or TRAIN_PROBLEMS),
        problems=plan.problems,
        samples=plan.samples,
        seed=plan.seed,
        shots=None if plan.shots == plan.task.default_shots else plan.shots,
        max_tokens=plan.max_tokens,
    )
    drawing = course.drawing()
    if (plan.temperature, plan.top_p) != (drawing["temperature"], drawing["top_p"]):
        raise UsageError(
            f"--pilot: the run was drawn at temperature {plan.temperature:g}, top-p "
            f"{plan.top_p:g}, and a round of {METHOD} draws at {drawing['temperature']:g}, "
            f"{drawing['top_p']:g}; leave --temperature and --top-p out"
        )
    return course
