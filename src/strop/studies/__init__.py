"""One file per figure, table or theorem: what it runs, what was seen elsewhere, what we see. The dict below is the whole registry."""

from __future__ import annotations

from strop.studies.base import Study
from strop.studies.coverage import CoverageStudy
from strop.studies.diversity import DiversityStudy
from strop.studies.forecast import ForecastStudy
from strop.studies.improvement import ImprovementStudy
from strop.studies.ladder import LadderStudy
from strop.studies.scaling import ScalingStudy
from strop.studies.sharpening import SharpeningStudy
from strop.studies.theory import TheoryStudy

STUDIES: dict[str, type[Study]] = {study.name: study for study in (
    CoverageStudy, LadderStudy, ScalingStudy, SharpeningStudy, ImprovementStudy, ForecastStudy, DiversityStudy, TheoryStudy
)}  # fmt: skip

__all__ = [
    "STUDIES", "CoverageStudy", "DiversityStudy", "ForecastStudy", "ImprovementStudy", "LadderStudy", "ScalingStudy", "SharpeningStudy",
    "Study", "TheoryStudy",
]  # fmt: skip
