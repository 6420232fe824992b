"""``lm-eval:NAME``: a generative task of lm-evaluation-harness, by the harness's own prompts, examples, stop strings, filters and metric.

The harness works in a process of its own (``lm_eval_worker.py``), which starts when something is first asked of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

from strop.errors import StropError, UsageError
from strop.records import Problem
from strop.tasks.base import UNGRADED, Check, Grade, Judged, Task, check_split, shuffled
from strop.tasks.data import file_source
from strop.tasks.workers import Pool

CPU_SECONDS = 10.0
SECONDS = 30.0
LOADING_SECONDS = 3600.0


@dataclass(frozen=True)
class LmEval(Task):
    """``task``: the harness's name, or a YAML file of one's own. ``data``: a file in the place of its data set, ``revision``: that one's.

    Strict is the filter whose name says so, or the first; flexible the one whose name says that, or the same. A response that the strict
    filter finds right is right flexibly too, which the harness's own flexible figure may deny. Problems are the harness's test documents,
    or its validation documents.
    """

    task: str
    data: str | None = None
    revision: str | None = None

    name: ClassVar[str] = "lm-eval"
    description: ClassVar[str] = (
        "a generative task of lm-evaluation-harness, prompted and graded by the harness"
    )
    writes_prompts: ClassVar[bool] = True

    @property
    def label(self) -> str:
        return f"{self.name}:{self.task}"

    @property
    def origin(self) -> dict[str, Any]:
        return {"data": self.data, "revision": self.revision}

    @property
    def default_shots(self) -> int:  # type: ignore[override]  # a constant of other tasks, which only the harness knows of its own
        return int(_description(self)["shots"])

    @property
    def max_tokens(self) -> int:  # type: ignore[override]
        return int(_description(self)["max_tokens"])

    @property
    def stop(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(_description(self)["stop"])

    def source(self) -> dict[str, Any]:
        """The harness's version, its task's, filters and metric; and the file and its digest, or the hub's data set and commit."""
        source = dict(_description(self)["source"])
        return source if self.data is None else source | file_source(self.data)

    def size(self, split: str) -> int:
        return len(_description(self)["problems" if split == "test" else "examples"])

    def problems(self, split: str, count: int, seed: int) -> list[Problem]:
        """``count`` documents in an order that the seed shuffles: a longer list begins with a shorter one."""
        check_split(split)
        rows = _description(self)["problems" if split == "test" else "examples"]
        if count > len(rows):
            raise UsageError(
                f"asked for {count} {split} problems of {self.label}, but there are {len(rows)}; ask for fewer"
            )
        return [
            Problem(
                f"{self.task}-{split}-{n}",
                split,
                rows[n]["question"],
                rows[n]["gold"],
                {"answer": rows[n]["answer"]},
            )
            for n in shuffled(range(len(rows)), self.label, seed)[:count]
        ]

    def context(self, problem: Problem, shots: int) -> str:
        return _contexts(self, shots)[_number(problem)]

    def gold_response(self, problem: Problem) -> str:
        assert problem.reference is not None
        return problem.reference

    def grade(self, text: str, problem: Problem) -> Grade:
        reply = _pool(self).ask(
            ["grade", problem.split, _number(problem), text],
            cpu_seconds=CPU_SECONDS,
            seconds=SECONDS,
        )
        if reply.trouble:
            return Grade(None, None, 0.0, 0.0, f"{UNGRADED}{reply.trouble}")
        strict, flexible, right_strict, right_flexible = reply.value
        filters = _description(self)["source"]["filters"]
        answer, found_by = (
            (strict, filters[0]) if flexible in (None, strict) else (flexible, filters[1])
        )
        return Grade(
            strict,
            answer,
            right_strict,
            max(right_strict, right_flexible),
            found_by if answer else None,
        )

    def check(self, problem: Problem, response: str) -> Check:
        """The answer, and no reasons: all that the harness knows."""
        return Check(
            f"The answer is {problem.metadata['answer']}.",
            (self.grade(response, problem).utility_strict == 1.0,),
        )

    def judged(self, shots: list[Problem]) -> list[tuple[Problem, str, Check]]:
        self._check_examples(shots)
        return super().judged(shots)

    def contested(self, shots: list[Problem]) -> list[tuple[Problem, Judged, Judged]]:
        self._check_examples(shots)
        return super().contested(shots)

    def _check_examples(self, shots: list[Problem]) -> None:
        examples = _description(self)["examples"]
        if any(examples[_number(shot)]["tested"] for shot in shots):
            raise UsageError(
                f"{self.label} takes its examples from its test problems: a verifier would be shown answers; use --shots 0"
            )


def _number(problem: Problem) -> int:
    return int(problem.id.rsplit("-", 1)[1])


@lru_cache(maxsize=8)
def _pool(task: LmEval) -> Pool:
    settings = {"task": task.task, "data": task.data, "revision": task.revision}
    return Pool("strop.tasks.lm_eval_worker", settings, size=1, start_seconds=LOADING_SECONDS)


@lru_cache(maxsize=8)
def _description(task: LmEval) -> dict[str, Any]:
    return dict(_asked(task, ["describe", None]))


@lru_cache(maxsize=8)
def _contexts(task: LmEval, shots: int) -> list[str]:
    if shots > task.size("train"):
        raise UsageError(
            f"asked for {shots} shots of {task.label}, but there are {task.size('train')}; ask for fewer with --shots"
        )
    return list(_asked(task, ["contexts", shots]))


def _asked(task: LmEval, question: list[Any]) -> Any:
    reply = _pool(task).ask(question, cpu_seconds=LOADING_SECONDS, seconds=LOADING_SECONDS)
    if reply.trouble:
        raise StropError(f"lm-eval failed at {task.label}: {reply.trouble}")
    return reply.value
