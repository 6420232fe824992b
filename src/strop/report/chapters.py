"""What the page tells of commands other than ``strop gap``: the answer first, then curves and tables."""

from __future__ import annotations

from strop.report.blocks import Chapter
from strop.report.cross_chapter import cross_chapter
from strop.report.formatting import clean
from strop.report.improve_chapter import improve_chapter
from strop.report.reader import CommandResult
from strop.report.sharpen_chapter import sharpen_chapter


def story_chapter(story: CommandResult) -> Chapter:
    """The chapter of any of the three."""
    document = clean(story.document)
    if story.command == "improve":
        return improve_chapter(document)
    return sharpen_chapter(document) if story.command == "sharpen" else cross_chapter(document)
