"""Which source forecasts a round, and that no forecast is made where none can be."""

from __future__ import annotations

from strop.records import Estimate
from strop.run.forecasting import Setting, forecast_round
from strop.run.updates import Update

FILTER = "cot-binary@threshold:0.5"
GAP = Estimate(0.3, 0.25, 0.35, 0.95, 200, "gap")
PILOT = Estimate(0.1, 0.08, 0.12, 0.95, 200, "pilot")
SETTING = Setting("ladder/new", "signs", FILTER, "t")


def past(task: str, share: float, models: str = "abcdef") -> list[Update]:
    """Return rounds that kept this share of a gap, with pilots that gained half of that."""
    rounds = []
    for number, model in enumerate(models):
        gap = 0.2 + 0.03 * number
        gain = share * gap
        rounds.append(
            Update(
                f"ladder/{model}",
                task,
                FILTER,
                "rft",
                gap,
                gain,
                gap - gain,
                0.02,
                0.01,
                gain / 2,
                0.01,
                "t",
            )
        )
    return rounds


def test_a_pilot_goes_before_past_rounds() -> None:
    sourced = forecast_round(SETTING, 0.4, GAP, past("signs", 0.9), PILOT)
    assert sourced.source == "pilot" and "6 rounds that had one" in sourced.words
    assert sourced.forecast is not None and sourced.forecast.gain.value is not None
    assert 0.15 < sourced.forecast.gain.value < 0.25, "twice the pilot's gain, as in past rounds"


def test_past_rounds_on_the_task_say_which_share_is_kept() -> None:
    lost = forecast_round(SETTING, 0.4, GAP, past("signs", 0.0) + past("arithmetic", 0.9))
    assert lost.source == "past" and lost.forecast is not None
    assert lost.forecast.worth < 0.1, "the same task lost everything"
    kept = forecast_round(SETTING, 0.4, GAP, past("signs", 0.9) + past("arithmetic", 0.0))
    assert kept.forecast is not None and kept.forecast.worth > 0.9


def test_an_unseen_task_or_family_gets_no_forecast_of_size() -> None:
    for setting in (
        Setting("ladder/new", "sudoku4", FILTER, "t"),
        Setting("./folder", "signs", FILTER, "t"),
    ):
        sourced = forecast_round(setting, 0.4, GAP, past("signs", 0.9))
        assert (sourced.source, sourced.forecast) == ("run", None)


def test_without_an_interval_of_the_gap_there_is_no_forecast() -> None:
    unknown = Estimate(0.3, None, None, 0.95, 1, "gap", "one problem")
    assert forecast_round(SETTING, 0.4, unknown, past("signs", 0.9)).forecast is None
    undefined = Estimate(None, None, None, 0.95, 0, "gap", "no problem")
    assert forecast_round(SETTING, 0.4, undefined, past("signs", 0.9)).forecast is None


def test_a_forecast_stays_within_what_is_possible() -> None:
    sourced = forecast_round(SETTING, 0.99, GAP, past("signs", 0.9))
    assert sourced.forecast is not None and sourced.forecast.gain.high is not None
    assert sourced.forecast.gain.high <= 0.01 + 1e-12 and sourced.forecast.worth == 0.0
