"""Keep the progress bars and warnings of other libraries out of stderr while they load something.

stderr holds strop's own progress and messages. The libraries have switches of their own; they are
set while a model or a data set is loaded, and then set back to what the user had.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

LIBRARIES = r"(transformers|torch|huggingface_hub|datasets|tokenizers|safetensors|peft|accelerate)"
"""Their warnings are about each other: a user of strop can do nothing about them."""


@contextmanager
def quiet_libraries(*names: str) -> Iterator[None]:
    """Switch off bars, logs below errors and warnings of these libraries, which are installed.

    ``names``: of "transformers", "datasets" and "huggingface_hub".
    """
    with ExitStack() as stack, warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=LIBRARIES)
        for name in names:
            stack.enter_context(_SWITCHES[name]())
        yield


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    """Switch off transformers' bars, which switches off those of the hub too."""
    logging: Any = importlib.import_module("transformers.utils.logging")
    has_bars = logging.is_progress_bar_enabled()
    with _quiet_hub(), _quiet_log(logging):
        logging.disable_progress_bar()
        try:
            yield
        finally:
            if has_bars:
                logging.enable_progress_bar()


@contextmanager
def _quiet_datasets() -> Iterator[None]:
    datasets: Any = importlib.import_module("datasets")
    has_bars = not datasets.are_progress_bars_disabled()
    with _quiet_hub(), _quiet_log(datasets.logging):
        datasets.disable_progress_bars()
        try:
            yield
        finally:
            if has_bars:
                datasets.enable_progress_bars()


@contextmanager
def _quiet_hub() -> Iterator[None]:
    """Switch off the hub's bars of downloads.

    Where HF_HUB_DISABLE_PROGRESS_BARS is set, the user has decided: the hub keeps to it.
    """
    constants: Any = importlib.import_module("huggingface_hub.constants")
    hub: Any = importlib.import_module("huggingface_hub.utils")
    if constants.HF_HUB_DISABLE_PROGRESS_BARS is not None:
        yield
        return
    had_bars = not hub.are_progress_bars_disabled()
    hub.disable_progress_bars()
    try:
        yield
    finally:
        # Other libraries' switches move this one too, so that it is set in both cases.
        if had_bars:
            hub.enable_progress_bars()
        else:
            hub.disable_progress_bars()


@contextmanager
def _quiet_log(logging: Any) -> Iterator[None]:
    """Let a library log errors alone."""
    level = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)


_SWITCHES = {
    "transformers": _quiet_transformers,
    "datasets": _quiet_datasets,
    "huggingface_hub": _quiet_hub,
}
