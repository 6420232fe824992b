"""lm-evaluation-harness, in a process of its own: a task's problems, prompts and grades by the harness's own code.

The process is where ``lm_eval`` is imported and where its filters and metrics meet untrusted text; see ``workers.py`` for its bounds.
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
"""What the harness seeds its choice of examples with, unless told otherwise."""
DEFAULT_MAX_TOKENS = 256
"""What the harness lets a model write where the task does not say."""
FILES = ("json", "csv", "parquet", "text", "arrow")
LABELS = re.compile(r"\A\s*(Question|Problem|Q):|\n\s*(Answer|Solution|A):\s*\Z")
"""Around a question, in the harness's prompts: strop's verification prompts have their own."""
INVALID = "[invalid]"
"""What the harness's filters give where they find nothing."""


@dataclass(frozen=True)
class Harness:
    """A loaded task. ``pool`` holds the examples;
    ``shots`` is how many it shows by itself; ``strict`` and ``flexible`` name filters, ``metric`` what grades."""

    task: Any
    docs: list[Any]
    pool: list[Any]
    shots: int | None
    metric: str
    strict: str
    flexible: str
    source: Mapping[str, Any]

    def describe(self, _: None) -> dict[str, Any]:
        """Everything but the prompts."""
        config = self.task.config
        generation = config.generation_kwargs or {}
        until = generation.get("until") or []
        return {
            "problems": [self._row(doc) for doc in self.docs],
            "examples": [self._row(doc) | {"tested": doc in self.docs} for doc in self.pool],
            "stop": [until] if isinstance(until, str) else until,
            "max_tokens": int(generation.get("max_gen_toks") or DEFAULT_MAX_TOKENS),
            "shots": self.shots or 0,
            "source": dict(self.source),
        }

    def _row(self, doc: Any) -> dict[str, str]:
        target = self.task.doc_to_target(doc)
        if self.task.config.doc_to_choice is not None and isinstance(target, int):
            target = self.task.doc_to_choice(doc)[target]
        gold = str(target[0] if isinstance(target, list) else target)
        question = LABELS.sub("", self.task.doc_to_text(doc)).strip()
        return {
            "question": question,
            "gold": gold,
            "answer": self._filtered(doc, gold)[self.strict] or gold,
        }

    def contexts(self, shots: int) -> list[str]:
        """Every problem's prompt, as the harness builds them one after the other."""
        if shots and self.shots == 0:
            raise UsageError(
                f"lm-eval:{self.task.config.task} has no examples by its own settings; use --shots 0"
            )
        self.task.set_config("num_fewshot", shots)
        self.task.set_fewshot_seed(FEWSHOT_SEED)
        self.task.build_all_requests()
        return [instance.args[0] for instance in self.task.instances]

    def grade(self, split: str, number: int, text: str) -> list[Any]:
        """[strict answer, flexible answer, strict value, flexible value] of a response to a problem or an example."""
        doc = (self.docs if split == "test" else self.pool)[number]
        found = self._filtered(doc, text, raw=True)
        values = [
            float(self.task.process_results(doc, [found[name]])[self.metric])
            for name in (self.strict, self.flexible)
        ]
        if not all(0 <= value <= 1 for value in values):
            raise UsageError(
                f"lm-eval:{self.task.config.task} grades with {self.metric}, which gave {values}; expected numbers in [0, 1]"
            )
        return [_answer(found[self.strict]), _answer(found[self.flexible]), *values]

    def _filtered(self, doc: Any, text: str, raw: bool = False) -> dict[str, Any]:
        """What each filter makes of a response."""
        instance = importlib.import_module("lm_eval.api.instance").Instance(
            "generate_until", doc, ("", {}), 0, ("", 0, 1), resps=[text]
        )
        for one in self.task._filters:
            one.apply([instance])
        return {
            name: found if raw else _answer(found)
            for name, found in instance.filtered_resps.items()
        }


def _answer(found: Any) -> str | None:
    """As text; None for nothing."""
    one = found[0] if isinstance(found, list | tuple) and len(found) == 1 else found
    text = str(one).strip() if one is not None else ""
    return None if text in ("", INVALID) else text


def prepare(settings: Mapping[str, Any]) -> Callable[[list[Any]], Any]:
    """Load the task and answer [what, arguments...]."""
    harness = load(settings["task"], settings["data"], settings["revision"])
    return lambda question: getattr(harness, question[0])(*question[1:])


def load(name: str, data: str | None, revision: str | None) -> Harness:
    """The task, its data loaded. UsageError for one that strop cannot or will not run, before any data or metric is touched."""
    try:
        return _load(name, data, revision)
    except UsageError:
        raise
    except Exception as error:  # whatever the network, the data or the task's own code has to say
        reason = " ".join(str(error).split())[:300]
        raise UsageError(
            f"lm-eval cannot load the task {name} ({type(error).__name__}: {reason})"
        ) from None


def _load(name: str, data: str | None, revision: str | None) -> Harness:
    os.environ["HF_EVALUATE_OFFLINE"] = (
        "1"  # or metrics that are code from the hub would be fetched and run
    )
    try:
        tasks, api = (
            importlib.import_module("lm_eval.tasks"),
            importlib.import_module("lm_eval.api.task"),
        )
        read = importlib.import_module("lm_eval.tasks._yaml_loader").load_yaml
    except ImportError:
        raise UsageError(
            f"the task lm-eval:{name} needs lm-evaluation-harness: pip install 'strop[lm-eval]'"
        ) from None
    place = _place(name, tasks)
    check(name, read(place, resolve_func=False))  # before the task's own functions are imported
    config = read(place, resolve_func=True)
    config = {
        key: value for key, value in config.items() if key not in ("tag", "group", "task_list")
    }
    source: dict[str, Any] = {"harness": f"lm-eval {importlib.metadata.version('lm_eval')}"}
    if data is not None:
        config |= _own_data(Path(data), config)
    elif not config.get("custom_dataset") and config["dataset_path"] not in FILES:
        commit, cache = resolve_revision(config["dataset_path"], revision)
        config |= {
            "dataset_kwargs": (config.get("dataset_kwargs") or {})
            | {"revision": commit, "cache_dir": str(cache)}
        }
        source |= {"hub": config["dataset_path"], "revision": commit}
    task = api.ConfigurableTask(config=config)
    docs, pool = list(task.eval_docs), list(task.sampler.df) if hasattr(task, "sampler") else []
    filters = [one.name for one in task._filters]
    strict = next((one for one in filters if "strict" in one), filters[0])
    flexible = next((one for one in filters if "flexible" in one), strict)
    metric = _metric(name, task)
    source |= {"version": str(task.VERSION), "metric": metric, "filters": [strict, flexible]}
    return Harness(task, docs, pool, task.config.num_fewshot, metric, strict, flexible, source)


def _place(name: str, tasks: Any) -> Path:
    """The task's YAML file: one of the user's own, or the harness's."""
    if name.endswith((".yaml", ".yml")):
        if not Path(name).is_file():
            raise UsageError(f"there is no file {name}; expected a task of lm-eval, as YAML")
        return Path(name)
    index = tasks.TaskManager().task_index
    if name not in index:
        raise UsageError(
            f"lm-eval has no task {name!r}; `lm-eval ls tasks` lists them; a YAML file of your own is lm-eval:FILE.yaml"
        )
    entry = index[name]
    if entry.kind.name in ("GROUP", "TAG"):
        raise UsageError(
            f"lm-eval:{name} is a {entry.kind.name.lower()} of tasks; name one of them: `lm-eval ls tasks` lists them"
        )
    return Path(entry.yaml_path)


def check(name: str, config: Mapping[str, Any]) -> None:
    """UsageError for a task that runs generated code, wants code from the hub, or has nothing to generate."""
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
            f"lm-eval:{name} is a class with a way of its own; strop runs tasks that are described in YAML"
        )
    if config.get("output_type", "generate_until") != "generate_until":
        raise UsageError(
            f"lm-eval:{name} is of the kind {config['output_type']}, which generates nothing; expected generate_until"
        )
    if config.get("doc_to_image") or config.get("doc_to_audio"):
        raise UsageError(f"lm-eval:{name} shows images or sounds; strop's models read text")


def _metric(name: str, task: Any) -> str:
    """The task's first metric, if it is a mean over problems of something to be raised."""
    metric = next(iter(task._metric_fn_list))
    mean = importlib.import_module("lm_eval.api.metrics").mean
    if task.aggregation().get(metric) is not mean or task.higher_is_better().get(metric) is False:
        raise UsageError(
            f"lm-eval:{name} is graded by {metric}, which is no mean of right and wrong; strop needs one"
        )
    return str(metric)


def _own_data(path: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """A file's rows where the task looks for its splits: those of the split "train" as examples, all others as problems."""
    rows = [dict(row.fields) for row in read_file(path, {})]
    tested = config.get("test_split") or config.get("validation_split")
    trained = [number for number, row in enumerate(rows) if row.get("split") == "train"]
    if len(trained) == len(rows):
        raise UsageError(f"{path} has only train rows; expected rows of the split test")
    splits = {config.get("training_split"): trained, config.get("fewshot_split"): trained}
    splits |= {tested: sorted(set(range(len(rows))) - set(trained))}

    def custom_dataset(**_: Any) -> Any:
        datasets = importlib.import_module("datasets")
        whole = datasets.Dataset.from_list(rows)
        return datasets.DatasetDict(
            {split: whole.select(numbers) for split, numbers in splits.items() if split}
        )

    return {
        "custom_dataset": custom_dataset,
        "dataset_kwargs": None,
        "dataset_path": None,
        "dataset_name": None,
    }


if __name__ == "__main__":
    serve(prepare, memory=MEMORY)
