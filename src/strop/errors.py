"""The errors that strop raises on purpose.

    StropError                 base; one clear line for the user, exit code 2
    ├── UsageError             an option, name or value that cannot be used  (also a ValueError)
    ├── ModelError             a model that cannot be loaded or lacks an ability
    ├── MissingExtraError      an optional dependency is not installed
    ├── TokenLimitError        the run has used its limit of tokens
    ├── HopelessError          training would gain nothing, and was not begun
    ├── QueryBudgetError       a theory learner used up its queries
    └── StoreError             the run folder cannot be read or written
        ├── RunMismatchError   the folder holds another run
        ├── RunLockedError     another process is writing to it
        ├── MissingFileError   a stored file is not there
        └── CorruptPartError   a stored file cannot be read

Every message says what was got, what was expected and what to do. Any other exception is a bug in
strop (exit code 1).
"""

from __future__ import annotations


class StropError(Exception):
    """Base of all errors that a user can fix."""


class UsageError(StropError, ValueError):
    """An option, name or value cannot be used."""


class ModelError(StropError):
    """A model cannot be loaded, or lacks a required ability."""


class MissingExtraError(StropError, ImportError):
    """An optional dependency is not installed, or its import fails: ``why`` is Python's message."""

    def __init__(self, feature: str, extra: str, why: str = "") -> None:
        reason = f" ({why})" if why else ""
        super().__init__(
            f"{feature} needs the extra '{extra}': run  pip install 'strop[{extra}]'{reason}"
        )
        self.arguments = (feature, extra, why)

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str, str]]:
        """Pickle the arguments, so that a worker's error can be rebuilt in the main process."""
        return type(self), self.arguments


class TokenLimitError(StropError):
    """The run has used its limit of tokens; stored parts are kept."""


class HopelessError(StropError):
    """It is clear that training would gain nothing; what was measured is kept."""


class QueryBudgetError(StropError):
    """A query exceeds the oracle's budget; nothing was drawn for it."""


class StoreError(StropError):
    """The run folder cannot be read or written."""


class RunMismatchError(StoreError):
    """The folder holds a run with other settings."""


class RunLockedError(StoreError):
    """Another process is writing to the folder."""


class MissingFileError(StoreError):
    """A file that strop wrote is not there."""


class CorruptPartError(StoreError):
    """A stored file cannot be read, or its content is not what its name promises."""
