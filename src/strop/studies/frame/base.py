"""What a study is: something that runs, and writes its data, its figures and its findings into a folder.

Most studies read runs: they say which (``wanted``) and what those tell (``findings``), and what is stored already is never made again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

import polars as pl

if TYPE_CHECKING:
    from strop.studies.frame.cost import Cost
    from strop.studies.frame.runs import Runs, RunSpec

Tell = Callable[[str], None]
FOLDED = 16
"""Lines of a table that a page folds away."""


@dataclass(frozen=True)
class Finding:
    """One figure or table: its data, and three sentences, what the paper saw, what is seen here with intervals, and whether it holds.

    ``name`` names the files: NAME.parquet, NAME.svg, NAME.png. ``figure`` is an altair chart; ``table`` is markdown for the page.
    """

    name: str
    title: str
    paper: str
    seen: str
    holds: str
    data: pl.DataFrame
    figure: Any = None
    table: str = ""


class Study(ABC):
    """Subclasses are frozen dataclasses; their fields are the study's settings.

    ``strop study NAME`` sets ``models``, ``tasks``, ``problems``, ``samples`` and ``seed`` by its options, where a study has them. A study
    either says ``wanted`` and ``findings``, or has a ``run`` of its own. Its folder stands beside the folder ``runs``, which all studies
    share. ``beyond``: what it does besides, which a dry run cannot count.
    ``own_tasks``: it is about its tasks, and ``strop study all --task`` leaves them alone.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    beyond: ClassVar[str] = ""
    own_tasks: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def quick(cls) -> Study:
        """The same study, small enough for a coffee break."""

    def run(self, out: Path, tell: Tell) -> Path:
        """Do it, write data and findings into ``out``, and return the file to read. ``tell`` hears of progress."""
        from strop.studies.frame.runs import Runs

        runs = Runs(out.parent / "runs", tell)
        runs.make(self.wanted())
        return write_findings(
            out, self.name.capitalize(), self.setting, self.findings(runs), self.name
        )

    def wanted(self) -> Sequence[RunSpec]:
        """The runs that it reads."""
        return ()

    def findings(self, runs: Runs) -> Iterable[Finding]:
        """What the runs tell; no engine is asked."""
        raise NotImplementedError(f"study {self.name} has neither findings nor a run of its own")

    def besides(self) -> Iterable[Cost]:
        """For a dry run: the courses and fits that it makes, and what it reads of them, at most."""
        return ()

    @property
    def setting(self) -> str:
        """What was run, in a line, for the head of its page."""
        values = {f.name.replace("_", " "): getattr(self, f.name) for f in fields(cast(Any, self))}
        return (
            f"{self.description}. "
            + "; ".join(f"{name}: {_plain(value)}" for name, value in values.items())
            + "."
        )


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name.replace('_', ' ')} {one}" for name, one in value.items())
    if isinstance(value, tuple):
        parts = (
            " / ".join(map(_plain, one)) if isinstance(one, tuple) else _plain(one) for one in value
        )
        return ", ".join(parts) or "none"
    if isinstance(value, Path):
        return f"folder {value.name}"
    return str(getattr(value, "label", value)) or "by default"


def write_findings(
    out: Path, title: str, introduction: str, findings: Iterable[Finding], name: str
) -> Path:
    """Write each finding's data and figure, and the page NAME.md that holds them all."""
    from strop.studies.frame.figures import save

    out.mkdir(parents=True, exist_ok=True)
    blocks = [f"# {title}", introduction]
    for finding in findings:
        finding.data.write_parquet(out / f"{finding.name}.parquet")
        blocks.append(f"## {finding.title}")
        if finding.figure is not None:
            save(finding.figure, out / finding.name)
            blocks.append(f"![{finding.title}]({finding.name}.svg)")
        blocks.append(
            f"- The paper: {finding.paper}\n- Here: {finding.seen}\n- Holds? {finding.holds}"
        )
        blocks += [_folded(finding.table)] if finding.table else []
    path = out / f"{name}.md"
    path.write_text("\n\n".join(blocks) + "\n", encoding="utf-8")
    return path


def _folded(table: str) -> str:
    """A long table, shown when it is asked for."""
    return (
        table
        if table.count("\n") <= FOLDED
        else f"<details><summary>The numbers</summary>\n\n{table}\n\n</details>"
    )


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells as a markdown table."""
    return "\n".join(
        "| " + " | ".join(cells) + " |" for cells in [header, ["---"] * len(header), *rows]
    )
