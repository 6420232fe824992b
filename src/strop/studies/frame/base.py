"""The interface of a study: it runs, and writes its data, figures and findings into a folder.

Most studies read stored runs. Such a study names the runs (``wanted``) and computes its findings
from them (``findings``). A run that is stored already is never made again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar, cast

from strop.studies.frame.cost import Cost
from strop.studies.frame.findings import Finding, markdown_table, write_findings
from strop.studies.frame.runs import Runs, RunSpec, Tell

__all__ = ["Finding", "Study", "Tell", "markdown_table", "write_findings"]


class Study(ABC):
    """One study. Subclasses are frozen dataclasses whose fields are the study's settings.

    ``strop study NAME`` sets ``models``, ``tasks``, ``problems``, ``samples`` and ``seed`` by its
    options, if the study has these fields. A study either defines ``wanted`` and ``findings``, or
    overrides ``run``. Its folder stands beside the folder ``runs``, which all studies share.

    ``beyond``: further work that a dry run cannot count.
    ``own_tasks``: the study is about its own tasks, and ``strop study all --task`` keeps them.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    beyond: ClassVar[str] = ""
    own_tasks: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def quick(cls) -> Study:
        """Return a small version that takes a few minutes."""

    def run(self, out: Path, tell: Tell) -> Path:
        """Write data and findings into ``out`` and return the page. ``tell`` prints progress."""
        runs = Runs(out.parent / "runs", tell)
        runs.make(self.wanted())
        findings = self.findings(runs)
        return write_findings(out, self.name.capitalize(), self.setting, findings, self.name)

    def wanted(self) -> Sequence[RunSpec]:
        """Return the runs that the study reads."""
        return ()

    def findings(self, runs: Runs) -> Iterable[Finding]:
        """Compute the findings from stored runs, without a model."""
        raise NotImplementedError(
            f"study {self.name} must define either findings() or its own run()"
        )

    def besides(self) -> Iterable[Cost]:
        """Return upper bounds for a dry run: the study's courses and fits, and the runs of them."""
        return ()

    @property
    def setting(self) -> str:
        """The description and all settings in one line, for the head of the page."""
        settings = []
        # The cast: subclasses are dataclasses, this class is not.
        for field in fields(cast(Any, self)):
            name = field.name.replace("_", " ")
            setting = _in_words(getattr(self, field.name))
            settings.append(f"{name}: {setting}")
        return f"{self.description}. {'; '.join(settings)}."


def _in_words(value: Any) -> str:
    """Return a setting as the page shows it."""
    if isinstance(value, dict):
        parts = []
        for name, setting in value.items():
            parts.append(f"{name.replace('_', ' ')} {setting}")
        return ", ".join(parts)
    if isinstance(value, tuple):
        return ", ".join(map(_item_in_words, value)) or "none"
    if isinstance(value, Path):
        return f"folder {value.name}"  # not the whole path: pages are compared across machines
    # A task has a label. An empty text means that the study chooses.
    return str(getattr(value, "label", value)) or "by default"


def _item_in_words(item: Any) -> str:
    if isinstance(item, tuple):
        return " / ".join(map(_in_words, item))
    return _in_words(item)
