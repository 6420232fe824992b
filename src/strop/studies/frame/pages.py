"""The page of ``strop study all``, which holds the findings of many studies.

Figures and data stay in each study's folder, and the page links to them.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

# A relative link or image: "](" and the target, unless it has a scheme, a root or an anchor.
_LINK = re.compile(r"(\]\()(?![a-z]+:|/|#)([^)\s]+\))")
_FIGURE = re.compile(r"(!\[[^\]]*\]\()([^):]+\.svg)(\))")
# A finding as write_findings writes it: its title and the answer after "Holds?".
_FINDING = re.compile(r"^## (?P<title>.+?)$.*?^- Holds\? (?P<holds>.+?)$", re.MULTILINE | re.DOTALL)
# The end of a sentence, but not the point of "1.5" or of an abbreviation before a small letter.
_SENTENCE_END = re.compile(r"(?<=[\w)%\]])\. (?=[A-Z])")
_HEADING = re.compile(r"^(#{1,5} )", re.MULTILINE)


@dataclass(frozen=True)
class Section:
    """One study on the page: its own page and the command that makes it.

    If there is no page, ``why`` gives the reason.
    """

    name: str
    description: str
    page: Path | None
    command: str
    why: str = ""


def write_index(out: Path, sections: Sequence[Section], command: str) -> Path:
    """Write OUT/findings.md: contents, a table of all answers, and every study's page."""
    out.mkdir(parents=True, exist_ok=True)
    contents = []
    for section in sections:
        contents.append(f"- [{section.name}](#{section.name}): {section.description}")
    blocks = [
        "# Findings",
        f"Written by `{command}`. Each section gives the command that makes it alone.",
        "\n".join(contents),
        _answers(sections),
    ]
    for section in sections:
        blocks.extend(_blocks(section, out))
    path = out / "findings.md"
    path.write_text("\n\n".join(blocks) + "\n", encoding="utf-8")
    return path


def _answers(sections: Sequence[Section]) -> str:
    """Return a table with the first sentence of every finding's answer."""
    lines = [
        "## At a glance",
        "",
        "| study | finding | does it hold here? |",
        "| --- | --- | --- |",
    ]
    for section in sections:
        if section.page is None:
            continue
        text = section.page.read_text(encoding="utf-8")
        link = f"[{section.name}](#{section.name})"
        for finding in _FINDING.finditer(text):
            first_sentence = _SENTENCE_END.split(finding["holds"])[0]
            answer = first_sentence.rstrip(".")
            lines.append(f"| {link} | {finding['title']} | {answer} |")
    return "\n".join(lines)


def publish(page: Path, to: Path) -> None:
    """Copy a page, with its figures in a folder of its name beside it.

    This is the form in which a repository keeps the page of a full run.
    """
    figures = to.with_suffix("")
    figures.mkdir(parents=True, exist_ok=True)

    def copy_figure(link: re.Match[str]) -> str:
        source = page.parent / link[2]
        shutil.copyfile(source, figures / source.name)
        return f"{link[1]}{figures.name}/{source.name}{link[3]}"

    text = _FIGURE.sub(copy_figure, page.read_text(encoding="utf-8"))
    to.write_text(text, encoding="utf-8")


def _blocks(section: Section, out: Path) -> Iterator[str]:
    """Yield a study's part of the page: its headings one lower, its links relative to ``out``."""
    yield f"## {section.name}"
    yield f"`{section.command}`"
    if section.page is None:
        yield f"Not run: {section.why}"
        return
    text = section.page.read_text(encoding="utf-8")
    first_line, _, rest = text.partition("\n")
    # The study's name is the heading already, so the title of its page is left out.
    body = rest if first_line.startswith("# ") else text
    folder = os.path.relpath(section.page.parent, out)
    relinked = _LINK.sub(rf"\g<1>{folder}/\g<2>", body)
    yield _HEADING.sub(r"#\1", relinked).strip()
