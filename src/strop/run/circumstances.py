"""Read the facts that a run's verdict needs beside samples and scores."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

from strop.engines import is_embedded, model_folder, name_with_revision
from strop.engines.options import split_options
from strop.errors import ModelError, StoreError
from strop.json_files import read_json
from strop.records import Estimate
from strop.run.plan import Plan
from strop.run.stored import StoredRun
from strop.run.unreadable import cutting_limits, unreadable_shares
from strop.run.updates import default_trainer_label
from strop.run.verdict import Circumstances
from strop.tasks import typed_name
from strop.verify import VERIFIERS

PILOT = "pilot.json"
"""The file of a run folder that holds its pilot (``strop gap --pilot``)."""
RESUMED_BY_DEFAULT = (
    "temperature",
    "top_p",
    "verify_max_tokens",
    "revision",
    "split",
    "adaptive",
)
"""Settings that ``strop improve`` has no option for."""
TRAIN_PROBLEMS = 400
"""Training problems of a round of ``strop improve`` by default, each with K samples."""


def circumstances_of(stored: StoredRun) -> Circumstances:
    """Return the circumstances of a stored run. No engine is loaded."""
    plan = stored.plan
    model = name_with_revision(plan.model, plan.revision)
    command = ["--model", model, "--task", typed_name(plan.task)]
    data = getattr(plan.task, "data", None)
    if data is not None:
        command += ["--data", str(data)]
    # What lm-eval's tasks take by default only the harness knows, and a stored run is read without
    # it. They cannot be trained on, so nothing asks how to go on.
    can_train = _can_train(stored)
    responses = stored.responses.height
    usage = stored.usage_by_stage["responses"]
    # Imported texts may be left empty where a grade is given.
    empty = usage.unclosed if stored.is_imported else stored.empty
    return Circumstances(
        model=plan.model,
        task=plan.task.label,
        folder=str(stored.path),
        temperature=None if stored.is_imported else plan.temperature,
        command=command,
        shots=plan.shots,
        sizes=[] if stored.is_imported else _sizes(plan),
        resume=_resume(stored) if can_train else [],
        is_imported=stored.is_imported,
        has_answers=not stored.responses["answer_strict"].is_null().all(),
        can_train=can_train,
        trainer=default_trainer_label(is_embedded(plan.model)),
        unreadable=unreadable_shares(stored),
        cut_at=cutting_limits(stored),
        identical=stored.all_identical,
        empty=empty / responses,
        unclosed=usage.unclosed / responses,
        refused=usage.refused / responses,
        max_tokens=_most_tokens(stored),
        one_a_request=_one_a_request(plan.model),
        pilots=read_pilots(stored.path),
        cost={} if stored.is_imported else _cost_of_round(stored),
    )


def read_pilots(folder: Path) -> dict[str, Estimate]:
    """Return the gain of the run's pilot by the filter that it trained on; empty without one."""
    file = folder / PILOT
    if not file.is_file():
        return {}
    try:
        document = read_json(file)
        return {str(document["filter"]): Estimate.from_json(document["gain"])}
    except (StoreError, ValueError, KeyError, TypeError):
        return {}  # a pilot that cannot be read is made again by --pilot


def _sizes(plan: Plan) -> list[str]:
    """Return the options of the run's sizes, examples and seed that are not the defaults."""
    words = []
    # What an lm-eval task has by default only the harness knows.
    if plan.task.label.startswith("lm-eval:") or plan.shots != plan.task.default_shots:
        words += ["--shots", str(plan.shots)]
    if plan.max_tokens is not None:
        words += ["--max-tokens", str(plan.max_tokens)]
    for name in ("problems", "samples", "seed"):
        value = getattr(plan, name)
        if value != getattr(Plan, name):
            words += [f"--{name}", str(value)]
    return words


def _resume(stored: StoredRun) -> list[str]:
    """Return the options with which ``strop gap`` goes on with this run; empty if none would.

    Decoding other than the default cannot go on: a round of training draws by the default. Nor can
    verifiers with settings of their own, which may come from a prompt file.
    """
    if stored.is_imported:
        return []
    plan, asked = stored.plan, stored.record["asked"]
    default = Plan(plan.model, plan.task)
    for name in RESUMED_BY_DEFAULT:
        if getattr(plan, name) != getattr(default, name):
            return []
    if asked["draws"] != 1 or asked["verifier_model"] != plan.model:
        return []
    words = _sizes(plan)
    for name, settings in asked["verifiers"].items():
        if name not in VERIFIERS or VERIFIERS[name]().settings() != settings:
            return []
        words += ["--verifier", name]
    return [*words, "--out", str(stored.path)]


def _can_train(stored: StoredRun) -> bool:
    """Whether ``strop improve`` can train the model: its weights lie in a local folder.

    lm-eval's tasks have no training problems of their own.
    """
    if stored.is_imported or stored.plan.task.label.startswith("lm-eval:"):
        return False
    try:
        model_folder(name_with_revision(stored.plan.model, stored.plan.revision))
    except ModelError:
        return False
    return True


def _most_tokens(stored: StoredRun) -> int:
    """Return the limit of a response's tokens; 0 if it is not known here.

    The default of an lm-eval task only the harness knows.
    """
    plan = stored.plan
    if plan.max_tokens is not None:
        return plan.max_tokens
    if stored.is_imported or plan.task.label.startswith("lm-eval:"):
        return 0
    return plan.task.max_tokens


def _one_a_request(model: str) -> str:
    """Return the name of a served model with one sample a request; "" if there is no such name."""
    bare, options = split_options(model)
    if not bare.startswith("openai:") or options.get("n") == "1":
        return ""
    return f"{bare}?{urlencode(options | {'n': '1'}, safe='/:@')}"


def _cost_of_round(stored: StoredRun) -> dict[str, float]:
    """Return the cost of sampling and verifying one round's training problems, at this run's rates.

    The cost of the fit is not included. Seconds are summed over workers.
    """
    plan = stored.plan
    responses = TRAIN_PROBLEMS * plan.samples
    cost = {name: value * responses for name, value in stored.cost_of_a_response().items()}
    return {"responses": float(responses), **cost}
