"""What a study is: something that runs, and writes its data and its findings into a folder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar


class Study(ABC):
    """Subclasses are frozen dataclasses; their fields are the study's settings."""

    name: ClassVar[str]
    description: ClassVar[str]

    @classmethod
    @abstractmethod
    def quick(cls) -> Study:
        """The same study, small enough for a coffee break."""

    @abstractmethod
    def run(self, out: Path, tell: Callable[[str], None]) -> Path:
        """Do it, write data and findings into ``out``, and return the file to read. ``tell`` hears of progress."""
