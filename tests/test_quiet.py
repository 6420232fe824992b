"""Loaders' bars and warnings stay out of stderr, and the user's switches are set back."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from strop.engines import embedded_folder, load_engine
from strop.quiet import quiet_libraries

transformers = pytest.importorskip("transformers")
datasets = pytest.importorskip("datasets")
hub = pytest.importorskip("huggingface_hub.utils")
logging: Any = transformers.utils.logging

BARS: dict[str, tuple[Callable[[], bool], Callable[[], None], Callable[[], None]]] = {
    "transformers": (
        logging.is_progress_bar_enabled,
        logging.enable_progress_bar,
        logging.disable_progress_bar,
    ),
    "datasets": (
        lambda: not datasets.are_progress_bars_disabled(),
        datasets.enable_progress_bars,
        datasets.disable_progress_bars,
    ),
    "huggingface_hub": (
        lambda: not hub.are_progress_bars_disabled(),
        hub.enable_progress_bars,
        hub.disable_progress_bars,
    ),
}


@pytest.fixture(autouse=True)
def switches() -> Iterator[None]:
    """Give every other test the switches that it would have had."""
    before = {name: is_on() for name, (is_on, _, _) in BARS.items()}
    yield
    for name, (_, enable, disable) in BARS.items():
        (enable if before[name] else disable)()


@pytest.mark.parametrize("name", list(BARS))
@pytest.mark.parametrize("own", [True, False], ids=["bars on", "bars off"])
@pytest.mark.parametrize("of_hub", [True, False], ids=["hub on", "hub off"])
def test_bars_are_off_inside_and_as_before_afterwards(name: str, own: bool, of_hub: bool) -> None:
    is_on, enable, disable = BARS[name]
    hub_is_on, enable_hub, disable_hub = BARS["huggingface_hub"]
    (enable if own else disable)()
    (enable_hub if of_hub else disable_hub)()
    before = is_on(), hub_is_on()
    with quiet_libraries(name):
        assert not is_on() and not hub_is_on()
    assert (is_on(), hub_is_on()) == before


def test_logs_are_quiet_inside_and_errors_set_back_too() -> None:
    levels = logging.get_verbosity(), datasets.logging.get_verbosity()
    with (
        pytest.raises(ValueError, match="from inside"),
        quiet_libraries("transformers", "datasets"),
    ):
        assert logging.get_verbosity() == datasets.logging.get_verbosity() == 40
        raise ValueError("from inside")
    assert (logging.get_verbosity(), datasets.logging.get_verbosity()) == levels


def test_warnings_of_libraries_are_dropped_and_strop_s_own_stand() -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with quiet_libraries():
            for module in ("transformers.models.llama", "torch.nn", "strop.engines"):
                warnings.warn_explicit(f"of {module}", UserWarning, "file", 1, module=module)
    assert [str(warning.message) for warning in seen] == ["of strop.engines"]


def test_loading_a_model_writes_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    load_engine(str(embedded_folder("ladder/25k")))
    assert capfd.readouterr() == ("", "")
