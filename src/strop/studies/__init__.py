"""One file per figure, table or theorem: what it runs, what was seen elsewhere, what we see. The dict below is the whole registry."""

from __future__ import annotations

from strop.studies.base import Study
from strop.studies.coverage import CoverageStudy
from strop.studies.ladder import LadderStudy
from strop.studies.scaling import ScalingStudy
from strop.studies.sharpening import SharpeningStudy

STUDIES: dict[str, type[Study]] = {study.name: study for study in (CoverageStudy, LadderStudy, ScalingStudy, SharpeningStudy)}

__all__ = ["STUDIES", "CoverageStudy", "LadderStudy", "ScalingStudy", "SharpeningStudy", "Study"]
