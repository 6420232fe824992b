"""What a study is: something that runs, and writes its data, its figures and its findings into a folder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import polars as pl

Tell = Callable[[str], None]


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
    """Subclasses are frozen dataclasses; their fields are the study's settings."""

    name: ClassVar[str]
    description: ClassVar[str]

    @classmethod
    @abstractmethod
    def quick(cls) -> Study:
        """The same study, small enough for a coffee break."""

    @abstractmethod
    def run(self, out: Path, tell: Tell) -> Path:
        """Do it, write data and findings into ``out``, and return the file to read. ``tell`` hears of progress."""


def write_findings(out: Path, title: str, introduction: str, findings: Iterable[Finding], name: str) -> Path:
    """Write each finding's data and figure, and the page NAME.md that holds them all."""
    from strop.studies.figures import save

    out.mkdir(parents=True, exist_ok=True)
    blocks = [f"# {title}", introduction]
    for finding in findings:
        finding.data.write_parquet(out / f"{finding.name}.parquet")
        blocks.append(f"## {finding.title}")
        if finding.figure is not None:
            save(finding.figure, out / finding.name)
            blocks.append(f"![{finding.title}]({finding.name}.svg)")
        blocks += [finding.table] if finding.table else []
        blocks.append(f"- The paper: {finding.paper}\n- Here: {finding.seen}\n- Holds? {finding.holds}")
    path = out / f"{name}.md"
    path.write_text("\n\n".join(blocks) + "\n", encoding="utf-8")
    return path


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells as a markdown table."""
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [header, ["---"] * len(header), *rows])
