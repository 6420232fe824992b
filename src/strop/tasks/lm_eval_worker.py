"""lm-evaluation-harness in a process of its own: problems, prompts and grades of one of its tasks.

Only this process imports ``lm_eval``, and only here do the harness's filters and metrics read
untrusted text; ``workers.py`` bounds its time and memory.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strop.errors import UsageError
from strop.tasks.data import read_file, resolve_revision
from strop.tasks.workers import serve

MEMORY = 8 << 30
FEWSHOT_SEED = 1234
"""The harness's default seed for its choice of examples."""
DEFAULT_MAX_TOKENS = 256
"""The harness's default length of a response."""
FILES = ("json", "csv", "parquet", "text", "arrow")
"""Names in the place of a data set that mean files, not the hub."""
LABELS = re.compile(r"\A\s*(Question|Problem|Q):|\n\s*(Answer|Solution|A):\s*\Z")
"""Labels around a question in the harness's prompts; strop's verification prompts add their own."""
INVALID = "[invalid]"
"""The value of the harness's filters if they find nothing."""


@dataclass(frozen=True)
class Harness:
    """A loaded task.

    ``docs`` are the problems and ``pool`` the documents that examples are drawn from; ``shots`` is
    the task's own number of examples, if it has one. ``strict`` and ``flexible`` name filters, and
    ``metric`` grades. The public methods answer the questions of ``lm_eval.py``.
    """

    task: Any
    docs: list[Any]
    pool: list[Any]
    shots: int | None
    metric: str
    strict: str
    flexible: str
    source: Mapping[str, Any]

    def describe(self, _: None) -> dict[str, Any]:
        """Return everything but the prompts."""
        generation = self.task.config.generation_kwargs or {}
        until = generation.get("until") or []
        examples = [{**self._document(doc), "tested": doc in self.docs} for doc in self.pool]
        return {
            "problems": [self._document(doc) for doc in self.docs],
            "examples": examples,
            "stop": [until] if isinstance(until, str) else until,
            "max_tokens": int(generation.get("max_gen_toks") or DEFAULT_MAX_TOKENS),
            "shots": self.shots or 0,
            "source": dict(self.source),
        }

    def _document(self, doc: Any) -> dict[str, str]:
        target = self.task.doc_to_target(doc)
        has_choices = self.task.config.doc_to_choice is not None
        if has_choices and isinstance(target, int):
            target = self.task.doc_to_choice(doc)[target]
        if isinstance(target, list):  # several accepted answers
            target = target[0]
        gold = str(target)
        answer = _as_answer(self._filter(doc, gold)[self.strict])
        question = LABELS.sub("", self.task.doc_to_text(doc)).strip()
        return {"question": question, "gold": gold, "answer": answer or gold}

    def contexts(self, shots: int) -> list[str]:
        """Return the prompts of all problems, in order, as the harness builds them."""
        if shots and self.shots == 0:
            raise UsageError(
                f"lm-eval:{self.task.config.task} has no examples by its own settings; "
                "use --shots 0"
            )
        self.task.set_config("num_fewshot", shots)
        self.task.set_fewshot_seed(FEWSHOT_SEED)
        self.task.build_all_requests()
        return [instance.args[0] for instance in self.task.instances]

    def grade(self, split: str, number: int, text: str) -> list[Any]:
        """Grade a response to a problem or to an example (``split`` "train").

        Returns [strict answer, flexible answer, strict value, flexible value].
        """
        doc = (self.docs if split == "test" else self.pool)[number]
        filtered = self._filter(doc, text)
        answers = [filtered[name] for name in (self.strict, self.flexible)]
        values = []
        for answer in answers:
            results = self.task.process_results(doc, [answer])
            values.append(float(results[self.metric]))
        if not all(0 <= value <= 1 for value in values):
            raise UsageError(
                f"lm-eval:{self.task.config.task} grades with {self.metric}, "
                f"which gave {values}; expected numbers in [0, 1]"
            )
        return [*map(_as_answer, answers), *values]

    def _filter(self, doc: Any, text: str) -> dict[str, Any]:
        """Return the value of each filter on a response."""
        instance = importlib.import_module("lm_eval.api.instance").Instance(
            "generate_until", doc, ("", {}), 0, ("", 0, 1), resps=[text]
        )
        for each_filter in self.task._filters:
            each_filter.apply([instance])
        return dict(instance.filtered_resps)


def _as_answer(filtered: Any) -> str | None:
    """Return the value of a filter as text, or None if the filter found nothing."""
    if isinstance(filtered, list | tuple) and len(filtered) == 1:
        filtered = filtered[0]
    if filtered is None:
        return None
    text = str(filtered).strip()
    return None if text in ("", INVALID) else text


def prepare(settings: Mapping[str, Any]) -> Callable[[list[Any]], Any]:
    """Load the task, and return the function that answers [method, arguments...]."""
    harness = load(settings["task"], settings["data"], settings["revision"])

    def answer(question: list[Any]) -> Any:
        method, *arguments = question
        return getattr(harness, method)(*arguments)

    return answer


def load(name: str, data: str | None, revision: str | None) -> Harness:
    """Load a task with its data.

    Raises UsageError for a task that strop cannot or will not run, before any data or metric of the
    task is used.
    """
    try:
        return _load(name, data, revision)
    except UsageError:
        raise
    except Exception as error:  # the network, the data and the task's own code raise many types
        reason = " ".join(str(error).split())[:300]
        raise UsageError(
            f"lm-eval cannot load the task {name} ({type(error).__name__}: {reason})"
        ) from None


def _load(name: str, data: str | None, revision: str | None) -> Harness:
    # Otherwise the harness would fetch metrics that are code from the hub, and run them.
    os.environ["HF_EVALUATE_OFFLINE"] = "1"
    try:
        tasks = importlib.import_module("lm_eval.tasks")
        api = importlib.import_module("lm_eval.api.task")
        load_yaml = importlib.import_module("lm_eval.tasks._yaml_loader").load_yaml
    except ImportError:
        raise UsageError(
            f"the task lm-eval:{name} needs lm-evaluation-harness: pip install 'strop[lm-eval]'"
        ) from None
    yaml_file = _yaml_file(name, tasks)
    # First without, then with importing the functions that the YAML names.
    check(name, load_yaml(yaml_file, resolve_func=False))
    config = load_yaml(yaml_file, resolve_func=True)
    for key in ("tag", "group", "task_list"):
        config.pop(key, None)
    source: dict[str, Any] = {"harness": f"lm-eval {importlib.metadata.version('lm_eval')}"}
    if data is not None:
        config.update(_data_of_file(Path(data), config))
    elif not config.get("custom_dataset") and config["dataset_path"] not in FILES:
        hub = config["dataset_path"]
        commit, cache = resolve_revision(hub, revision)
        pinned = {"revision": commit, "cache_dir": str(cache)}
        config["dataset_kwargs"] = {**(config.get("dataset_kwargs") or {}), **pinned}
        source.update({"hub": hub, "revision": commit})
    task = api.ConfigurableTask(config=config)
    strict, flexible = _choose_filters(task)
    metric = _metric(name, task)
    source.update({"version": str(task.VERSION), "metric": metric, "filters": [strict, flexible]})
    return Harness(
        task=task,
        docs=list(task.eval_docs),
        pool=list(task.sampler.df) if hasattr(task, "sampler") else [],
        shots=task.config.num_fewshot,
        metric=metric,
        strict=strict,
        flexible=flexible,
        source=source,
    )


def _yaml_file(name: str, tasks: Any) -> Path:
    """Return the task's YAML file: the user's own, or the harness's."""
    if name.endswith((".yaml", ".yml")):
        if not Path(name).is_file():
            raise UsageError(f"there is no file {name}; expected a task of lm-eval, as YAML")
        return Path(name)
    index = tasks.TaskManager().task_index
    if name not in index:
        raise UsageError(
            f"lm-eval has no task {name!r}; `lm-eval ls tasks` lists them; "
            "a YAML file of your own is lm-eval:FILE.yaml"
        )
    entry = index[name]
    if entry.kind.name in ("GROUP", "TAG"):
        raise UsageError(
            f"lm-eval:{name} is a {entry.kind.name.lower()} of tasks; "
            "name one of them: `lm-eval ls tasks` lists them"
        )
    return Path(entry.yaml_path)


def check(name: str, config: Mapping[str, Any]) -> None:
    """Raise UsageError for a task that strop does not run.

    These are tasks that run generated code or code from the hub, that are not plain YAML, that
    generate nothing, or that show images or sounds.
    """
    if config.get("unsafe_code") not in (None, False):
        raise UsageError(f"lm-eval:{name} runs the code that a model writes; strop does not run it")
    kwargs = config.get("dataset_kwargs") or {}
    if kwargs.get("trust_remote_code"):
        raise UsageError(
            f"lm-eval:{name} asks to run code that comes with its data set; strop does not run it"
        )
    if any(metric.get("hf_evaluate") for metric in config.get("metric_list") or []):
        raise UsageError(
            f"lm-eval:{name} is graded by code that is fetched from the hub; strop does not run it"
        )
    if "class" in config:
        raise UsageError(
            f"lm-eval:{name} is a class with a way of its own; "
            "strop runs tasks that are described in YAML"
        )
    output_type = config.get("output_type", "generate_until")
    if output_type != "generate_until":
        raise UsageError(
            f"lm-eval:{name} is of the kind {output_type}, which generates nothing; "
            "expected generate_until"
        )
    if config.get("doc_to_image") or config.get("doc_to_audio"):
        raise UsageError(f"lm-eval:{name} shows images or sounds; strop's models read text")


def _choose_filters(task: Any) -> tuple[str, str]:
    """Return the names of the strict and the flexible filter."""
    names = [each_filter.name for each_filter in task._filters]
    strict = next((name for name in names if "strict" in name), names[0])
    flexible = next((name for name in names if "flexible" in name), strict)
    return strict, flexible


def _metric(name: str, task: Any) -> str:
    """Return the task's first metric, which must be a mean over problems, the higher the better."""
    metric = next(iter(task._metric_fn_list))
    mean = importlib.import_module("lm_eval.api.metrics").mean
    if task.aggregation().get(metric) is not mean or task.higher_is_better().get(metric) is False:
        raise UsageError(
            f"lm-eval:{name} is graded by {metric}, which is no mean of right and wrong; "
            "strop needs one"
        )
    return str(metric)


def _data_of_file(path: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings by which the harness reads its splits from a file.

    Rows of the split "train" are the examples, all others the problems.
    """
    rows = [dict(row.fields) for row in read_file(path, {})]
    train = [number for number, row in enumerate(rows) if row.get("split") == "train"]
    test = [number for number, row in enumerate(rows) if row.get("split") != "train"]
    if not test:
        raise UsageError(f"{path} has only train rows; expected rows of the split test")
    # The test split last: a task may take its examples from it.
    numbers_of = {config.get("training_split"): train, config.get("fewshot_split"): train}
    numbers_of[config.get("test_split") or config.get("validation_split")] = test

    def custom_dataset(**_: Any) -> Any:
        datasets = importlib.import_module("datasets")
        table = datasets.Dataset.from_list(rows)
        splits = {split: table.select(numbers) for split, numbers in numbers_of.items() if split}
        return datasets.DatasetDict(splits)

    return {
        "custom_dataset": custom_dataset,
        "dataset_kwargs": None,
        "dataset_path": None,
        "dataset_name": None,
    }


if __name__ == "__main__":
    serve(prepare, memory=MEMORY)
