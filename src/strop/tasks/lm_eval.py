"""``lm-eval:NAME``: a generative task of lm-evaluation-harness.

Prompts, examples, stop strings, filters and the metric are the harness's own. The harness runs in a
process of its own (``lm_eval_worker.py``), which starts when the task is first used.
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
    """A task of lm-evaluation-harness.

    ``task`` is the harness's name, or a YAML file of the user. ``data`` is a file that replaces its
    data set, ``revision`` the revision of its data set on the hub. Test problems are the harness's
    test documents, or its validation documents.

    The strict grade is that of the filter with "strict" in its name, or of the first one; the
    flexible grade that of the filter with "flexible" in its name, or of the strict one. A response
    that the strict filter finds right is also right flexibly, which the harness's own figure for
    the flexible filter does not guarantee.
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

    # Class constants of the other tasks; here the harness has them for each of its tasks.
    @property
    def default_shots(self) -> int:  # type: ignore[override]
        return int(_description(self)["shots"])

    @property
    def max_tokens(self) -> int:  # type: ignore[override]
        return int(_description(self)["max_tokens"])

    @property
    def stop(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(_description(self)["stop"])

    def source(self) -> dict[str, Any]:
        """Return the harness's version, the version, filters and metric of its task, and the data.

        The data is a file with its digest, or a data set of the hub with its commit.
        """
        source = dict(_description(self)["source"])
        if self.data is not None:
            source.update(file_source(self.data))
        return source

    def size(self, split: str) -> int:
        return len(_documents(self, split))

    def problems(self, split: str, count: int, seed: int) -> list[Problem]:
        """Return ``count`` documents, shuffled: a longer list begins with a shorter one."""
        check_split(split)
        documents = _documents(self, split)
        if count > len(documents):
            raise UsageError(
                f"asked for {count} {split} problems of {self.label}, but there are "
                f"{len(documents)}; ask for fewer"
            )
        problems = []
        for number in shuffled(range(len(documents)), self.label, seed)[:count]:
            document = documents[number]
            name = f"{self.task}-{split}-{number}"
            metadata = {"answer": document["answer"]}
            problems.append(Problem(name, split, document["question"], document["gold"], metadata))
        return problems

    def context(self, problem: Problem, shots: int) -> str:
        return _contexts(self, shots)[_number(problem)]

    def gold_response(self, problem: Problem) -> str:
        assert problem.reference is not None
        return problem.reference

    def grade(self, text: str, problem: Problem) -> Grade:
        question = ["grade", problem.split, _number(problem), text]
        reply = _pool(self).ask(question, cpu_seconds=CPU_SECONDS, seconds=SECONDS)
        if reply.trouble:
            return Grade(None, None, 0.0, 0.0, f"{UNGRADED}{reply.trouble}")
        strict, flexible, strict_value, flexible_value = reply.value
        strict_filter, flexible_filter = _description(self)["source"]["filters"]
        if flexible is None or flexible == strict:
            flexible, found_by = strict, strict_filter
        else:
            found_by = flexible_filter
        return Grade(
            answer_strict=strict,
            answer_flexible=flexible,
            utility_strict=strict_value,
            utility_flexible=max(strict_value, flexible_value),
            found_by=found_by if flexible else None,
        )

    def check(self, problem: Problem, response: str) -> Check:
        """State the answer without reasons: the harness has none."""
        right = self.grade(response, problem).utility_strict == 1.0
        return Check(f"The answer is {problem.metadata['answer']}.", (right,))

    def judged(self, shots: list[Problem]) -> list[tuple[Problem, str, Check]]:
        self._refuse_tested(shots)
        return super().judged(shots)

    def contested(self, shots: list[Problem]) -> list[tuple[Problem, Judged, Judged]]:
        self._refuse_tested(shots)
        return super().contested(shots)

    def _refuse_tested(self, shots: list[Problem]) -> None:
        """Raise UsageError if a shot is also a test problem."""
        examples = _documents(self, "train")
        if any(examples[_number(shot)]["tested"] for shot in shots):
            raise UsageError(
                f"{self.label} takes its examples from its test problems: "
                "a verifier would be shown answers; use --shots 0"
            )


def _number(problem: Problem) -> int:
    """Return the number of the problem's document: its id ends in it."""
    return int(problem.id.rsplit("-", 1)[1])


def _documents(task: LmEval, split: str) -> list[dict[str, Any]]:
    documents: list[dict[str, Any]] = _description(task)[
        "problems" if split == "test" else "examples"
    ]
    return documents


@lru_cache(maxsize=8)
def _pool(task: LmEval) -> Pool:
    settings = {"task": task.task, "data": task.data, "revision": task.revision}
    return Pool("strop.tasks.lm_eval_worker", settings, size=1, start_seconds=LOADING_SECONDS)


@lru_cache(maxsize=8)
def _description(task: LmEval) -> dict[str, Any]:
    return dict(_ask(task, ["describe", None]))


@lru_cache(maxsize=8)
def _contexts(task: LmEval, shots: int) -> list[str]:
    """Return the prompts of all test problems with this number of examples."""
    available = task.size("train")
    if shots > available:
        raise UsageError(
            f"asked for {shots} shots of {task.label}, but there are {available}; "
            "ask for fewer with --shots"
        )
    return list(_ask(task, ["contexts", shots]))


def _ask(task: LmEval, question: list[Any]) -> Any:
    reply = _pool(task).ask(question, cpu_seconds=LOADING_SECONDS, seconds=LOADING_SECONDS)
    if reply.trouble:
        raise StropError(f"lm-eval failed at {task.label}: {reply.trouble}")
    return reply.value
