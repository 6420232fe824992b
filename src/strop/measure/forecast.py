"""Forecast what one round of training gains, before it is trained ("Mind the Gap", section 2.1).

Training keeps a share of the gap that the task decides, so forecasts multiply: the gain is a share
of the gap, or of the gain of a small pilot fit. ``pooling`` learns the share from past rounds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from strop.measure.intervals import LEVEL, Ratio
from strop.measure.pooling import Prediction
from strop.records import Estimate

WORTH = 0.02
"""A gain that is worth a round: two points of accuracy."""
UPPER_FIGURE = "J(f[w]): accuracy after one round if training kept the whole gap; an upper figure"


@dataclass(frozen=True)
class Forecast:
    """The gain of one round with its prediction interval.

    ``worth``: the probability that the gain is larger than WORTH.
    """

    gain: Estimate
    worth: float

    @classmethod
    def of(
        cls, prediction: Prediction, accuracy: float, problems: int, definition: str
    ) -> Forecast:
        """Cut a prediction to what is possible: an accuracy ends at 0 and at 1.

        ``accuracy`` is the accuracy before the round; ``problems`` says how many it rests on.
        """
        tail = (1 - LEVEL) / 2
        least, most = -accuracy, 1 - accuracy
        value = min(max(prediction.mean, least), most)
        low = min(max(prediction.quantile(tail), least), most)
        high = min(max(prediction.quantile(1 - tail), least), most)
        gain = Estimate(value, low, high, LEVEL, problems, definition)
        worth = prediction.probability_above(WORTH) if most > WORTH else 0.0
        return cls(gain, worth)

    def accuracy_after(self, before: float) -> Estimate:
        """Return the accuracy to expect after the round."""
        gain = self.gain
        assert gain.value is not None and gain.low is not None and gain.high is not None
        definition = f"accuracy before the round plus the forecast gain ({gain.definition})"
        return replace(
            gain,
            value=before + gain.value,
            low=before + gain.low,
            high=before + gain.high,
            definition=definition,
        )


def upper_figure(kept: Ratio) -> Estimate:
    """Return J(f[w]), the accuracy after a round that keeps the whole gap; it has no interval."""
    problems = int((kept.below_P != 0).sum())
    if kept.value != kept.value:  # NaN: no problem has a value
        return Estimate(None, None, None, LEVEL, 0, UPPER_FIGURE, kept.why)
    why = "what training keeps of the gap is not measured here: see the verdict's forecast"
    return Estimate(kept.value, None, None, LEVEL, problems, UPPER_FIGURE, why)


def forecast_selection(at_n: Estimate, n: int) -> Estimate:
    """Return the accuracy after best-of-N selection, which needs no training."""
    definition = f"accuracy of best-of-{n} selection: the selection curve at {n}, no training"
    return replace(at_n, definition=f"{definition} ({at_n.definition})")
