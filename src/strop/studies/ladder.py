"""The frozen evaluation of the embedded models.

It covers every task at every difficulty, every prompted verifier and all training seeds. Its rules
were fixed before the models were trained:

- The scaling measure of a model is the mean, over the nine cells SCALED x LEVELS, of the relative
  gap under a verifier's default weight. ``recall`` is left out: to check a fact takes the same
  knowledge as to give it, so "Mind the Gap" (section 4.3) expects no gap.
- Of a size's training seeds, the one with the median scaling measure under ``cot-binary`` is
  shipped; if several have the same, the lowest seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from strop.engines import LADDER
from strop.studies.frame.base import Study
from strop.studies.frame.cost import Cost, cost_of
from strop.studies.frame.findings import write_findings
from strop.studies.frame.runs import RunSpec
from strop.studies.ladder_cells import BEST, EVALUATED, LEVELS, PROMPTED, evaluate, trained_models
from strop.studies.ladder_evaluation import Evaluation
from strop.studies.ladder_page import finding, page
from strop.tasks import find_task

PROBLEMS, SAMPLES = 100, 32
TABLES = "tables.md"


@dataclass(frozen=True)
class LadderStudy(Study):
    """The evaluation of all models in the folders of ``models``, by default the shipped ones.

    Several training seeds of one name are averaged.
    """

    models: Path = LADDER
    problems: int = PROBLEMS
    samples: int = SAMPLES

    name: ClassVar[str] = "ladder"
    description: ClassVar[str] = (
        "the embedded models on every task, difficulty and verifier, and how the relative gap"
        " grows with size"
    )

    @classmethod
    def quick(cls) -> LadderStudy:
        return cls(problems=20, samples=8)

    def evaluate(self, out: Path, tell: Callable[[str], None]) -> Evaluation:
        """Evaluate every model; cells that ``out`` holds already are read."""
        models = trained_models(self.models)
        ratios = [evaluate(model, out, self.problems, self.samples, tell) for model in models]
        return Evaluation(models, ratios)

    def besides(self) -> Iterable[Cost]:
        specs = []
        for model in trained_models(self.models):
            for task in EVALUATED:
                for level in LEVELS:
                    spec = RunSpec(
                        f"llama:{model.folder}",
                        find_task(f"{task}:{level}"),
                        (*PROMPTED, BEST),
                        problems=self.problems,
                        samples=self.samples,
                    )
                    specs.append(spec)
        yield cost_of(specs)

    def run(self, out: Path, tell: Callable[[str], None]) -> Path:
        evaluation = self.evaluate(out, tell)
        evaluation.table.write_csv(out / "ladder.csv")
        tables = page(evaluation, self.problems, self.samples)
        # Kept apart from the page: ``strop ladder eval --docs`` puts these tables into a document.
        (out / TABLES).write_text(tables, encoding="utf-8")
        findings = [finding(evaluation, tables)]
        return write_findings(out, "The embedded models", self.setting, findings, self.name)
