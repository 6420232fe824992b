"""One page with the findings of many studies: ``strop study all``. Figures and data stay in each study's folder, linked from here."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_LINK = re.compile(r"(\]\()(?![a-z]+:|/|#)([^)\s]+\))")
_FIGURE = re.compile(r"(!\[[^\]]*\]\()([^):]+\.svg)(\))")
_FINDING = re.compile(r"^## (?P<title>.+?)$.*?^- Holds\? (?P<holds>.+?)$", re.MULTILINE | re.DOTALL)
_SENTENCE = re.compile(r"(?<=[\w)%\]])\. (?=[A-Z])")
_HEADING = re.compile(r"^(#{1,5} )", re.MULTILINE)


@dataclass(frozen=True)
class Section:
    """One study: its page, or ``why`` there is none, and the command that makes it."""

    name: str
    description: str
    page: Path | None
    command: str
    why: str = ""


def write_index(out: Path, sections: Sequence[Section], command: str) -> Path:
    """OUT/findings.md: contents, all answers in a table, then every study's page one heading lower, its links relative to ``out``."""
    out.mkdir(parents=True, exist_ok=True)
    contents = [f"- [{one.name}](#{one.name}): {one.description}" for one in sections]
    head = [
        "# Findings",
        f"Written by `{command}`. Each section says which command makes it alone.",
        "\n".join(contents),
        _answers(sections),
    ]
    path = out / "findings.md"
    path.write_text(
        "\n\n".join([*head, *(block for one in sections for block in _blocks(one, out))]) + "\n",
        encoding="utf-8",
    )
    return path


def _answers(sections: Sequence[Section]) -> str:
    """Of every finding the first sentence of whether it holds."""
    rows = ["| study | finding | does it hold here? |", "| --- | --- | --- |"]
    for one in sections:
        found = _FINDING.finditer(one.page.read_text(encoding="utf-8")) if one.page else ()
        rows += [
            f"| [{one.name}](#{one.name}) | {each['title']} | {_SENTENCE.split(each['holds'])[0].rstrip('.')} |"
            for each in found
        ]
    return "\n".join(["## At a glance", "", *rows])


def publish(page: Path, to: Path) -> None:
    """A copy of a page, with its figures in a folder of its name beside it: what a repository keeps of a full run."""
    figures = to.with_suffix("")

    def moved(link: re.Match[str]) -> str:
        source = page.parent / link[2]
        shutil.copyfile(source, figures / source.name)
        return f"{link[1]}{figures.name}/{source.name}{link[3]}"

    figures.mkdir(parents=True, exist_ok=True)
    to.write_text(_FIGURE.sub(moved, page.read_text(encoding="utf-8")), encoding="utf-8")


def _blocks(section: Section, out: Path) -> Iterator[str]:
    yield f"## {section.name}"
    yield f"`{section.command}`"
    if section.page is None:
        yield f"Not run: {section.why}"
        return
    text = section.page.read_text(encoding="utf-8")
    first, _, rest = text.partition("\n")
    body = rest if first.startswith("# ") else text
    place = os.path.relpath(section.page.parent, out)
    yield _HEADING.sub(r"#\1", _LINK.sub(rf"\g<1>{place}/\g<2>", body)).strip()
