"""Findings, and the page that holds them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from strop.studies.frame.figures import save

FOLDED = 16
"""A table with more line breaks than this is folded away on the page."""


@dataclass(frozen=True)
class Finding:
    """One figure or table: its data and three sentences.

    ``paper``: the result of the paper, or the reference if the paper has no such result.
    ``seen``: the result here, with intervals.
    ``holds``: the answer to whether the paper's result holds here.
    ``name`` names the files NAME.parquet, NAME.svg and NAME.png. ``figure`` is an altair chart;
    ``table`` is markdown for the page.
    """

    name: str
    title: str
    paper: str
    seen: str
    holds: str
    data: pl.DataFrame
    figure: Any = None
    table: str = ""

    def __post_init__(self) -> None:
        for sentence in ("paper", "seen", "holds"):
            assert getattr(self, sentence).strip(), (
                f"finding {self.name} has no text for {sentence}"
            )


def write_findings(
    out: Path, title: str, introduction: str, findings: Iterable[Finding], name: str
) -> Path:
    """Write each finding's data and figure, and the page NAME.md that holds them all."""
    out.mkdir(parents=True, exist_ok=True)
    blocks = [f"# {title}", introduction]
    for finding in findings:
        finding.data.write_parquet(out / f"{finding.name}.parquet")
        blocks.append(f"## {finding.title}")
        if finding.figure is not None:
            save(finding.figure, out / finding.name)
            blocks.append(f"![{finding.title}]({finding.name}.svg)")
        # frame/pages.py finds the answers by these three beginnings.
        blocks.append(
            f"- The paper: {finding.paper}\n- Here: {finding.seen}\n- Holds? {finding.holds}"
        )
        if finding.table:
            blocks.append(_fold(finding.table))
    path = out / f"{name}.md"
    path.write_text("\n\n".join(blocks) + "\n", encoding="utf-8")
    return path


def _fold(table: str) -> str:
    """Put a long table into a block that the reader opens."""
    if table.count("\n") <= FOLDED:
        return table
    return f"<details><summary>The numbers</summary>\n\n{table}\n\n</details>"


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return the cells as a markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
