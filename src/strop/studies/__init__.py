"""One file per figure, table or theorem: what it runs, what was seen elsewhere, what we see. The dict below is the whole registry."""

from __future__ import annotations

from strop.studies.base import Study
from strop.studies.coverage import CoverageStudy
from strop.studies.ladder import LadderStudy
from strop.studies.sharpening import SharpeningStudy
from strop.studies.theory import TheoryStudy

STUDIES: dict[str, type[Study]] = {
    "coverage": CoverageStudy,
    "ladder": LadderStudy,
    "sharpening": SharpeningStudy,
    "theory": TheoryStudy,
}

__all__ = ["STUDIES", "CoverageStudy", "LadderStudy", "SharpeningStudy", "Study", "TheoryStudy"]
