"""Studies of the papers' figures, tables and theorems, one file for each.

A study runs what the figure needs, and puts the paper's result beside the result here. The dict
STUDIES is the registry.
"""

from __future__ import annotations

from strop.studies.compute import ComputeStudy
from strop.studies.coverage import CoverageStudy
from strop.studies.cross import CrossStudy
from strop.studies.diversity import DiversityStudy
from strop.studies.draws import DrawsStudy
from strop.studies.ensembles import EnsemblesStudy
from strop.studies.forecast import ForecastStudy
from strop.studies.frame.base import Study
from strop.studies.improvement import ImprovementStudy
from strop.studies.ladder import LadderStudy
from strop.studies.recall import RecallStudy
from strop.studies.scaling import ScalingStudy
from strop.studies.seeds import SeedsStudy
from strop.studies.sft import SftStudy
from strop.studies.sharpening import SharpeningStudy
from strop.studies.sudoku import SudokuStudy
from strop.studies.temperature import TemperatureStudy
from strop.studies.theory.study import TheoryStudy
from strop.studies.thresholds import ThresholdsStudy
from strop.studies.verifiers import VerifiersStudy

STUDIES: dict[str, type[Study]] = {
    study.name: study
    for study in (
        ScalingStudy,
        CrossStudy,
        RecallStudy,
        SudokuStudy,
        ImprovementStudy,
        ThresholdsStudy,
        VerifiersStudy,
        EnsemblesStudy,
        TemperatureStudy,
        DrawsStudy,
        ComputeStudy,
        ForecastStudy,
        DiversityStudy,
        SharpeningStudy,
        SftStudy,
        TheoryStudy,
        SeedsStudy,
        CoverageStudy,
        LadderStudy,
    )
}
"""All studies by name, in the order of the page that ``strop study all`` writes."""

__all__ = [
    "STUDIES",
    "CoverageStudy",
    "DiversityStudy",
    "ForecastStudy",
    "ImprovementStudy",
    "LadderStudy",
    "SharpeningStudy",
    "Study",
    "TheoryStudy",
]
