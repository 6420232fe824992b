"""What the page tells of commands other than ``strop gap``: the answer first, then curves and tables."""

from __future__ import annotations

from strop.report.blocks import Chapter
from strop.report.cross_story import cross_chapter
from strop.report.improve_story import improve_chapter
from strop.report.reader import Story
from strop.report.rows import clean
from strop.report.sharpen_story import sharpen_chapter


def story_chapter(story: Story) -> Chapter:
    """The chapter of any of the three."""
    document = clean(story.document)
    if story.command == "improve":
        return improve_chapter(document)
    return sharpen_chapter(document) if story.command == "sharpen" else cross_chapter(document)
