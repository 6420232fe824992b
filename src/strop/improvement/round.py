"""One model of a course, as it was measured."""

from __future__ import annotations

from dataclasses import dataclass

from strop.improvement.pilot import Pilot
from strop.improvement.training_rows import TrainingRows
from strop.run.run import Run


@dataclass(frozen=True)
class Round:
    """One model of the course, measured on held-out problems and on its training problems.

    ``train`` is None before the training problems are sampled. ``training_rows``: what the next
    model was trained on, None after the last round. ``replayed``: the number of rows that were
    mixed in. ``pilot``: the pilot fit before the first round, if there was one.
    """

    number: int
    model: str
    held_out: Run
    train: Run | None = None
    training_rows: TrainingRows | None = None
    replayed: int = 0
    pilot: Pilot | None = None
