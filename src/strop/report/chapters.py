"""The chapter of a command other than ``strop gap``."""

from __future__ import annotations

from strop.report.blocks import Chapter
from strop.report.cross_chapter import cross_chapter
from strop.report.formatting import clean
from strop.report.improve_chapter import improve_chapter
from strop.report.reader import CommandResult
from strop.report.sharpen_chapter import sharpen_chapter

_CHAPTERS = {
    "sharpen": sharpen_chapter,
    "improve": improve_chapter,
    "cross": cross_chapter,
}


def result_chapter(result: CommandResult) -> Chapter:
    """Return the chapter of what ``strop sharpen``, ``improve`` or ``cross`` measured."""
    return _CHAPTERS[result.command](clean(result.document))
