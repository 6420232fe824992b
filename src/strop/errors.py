"""Everything strop raises on purpose.

    StropError                 base; one clear line for the user, exit code 2
    ├── UsageError             an option, name or value that cannot be used       (also a ValueError)
    ├── ModelError             a model that cannot be loaded or lacks an ability
    ├── MissingExtraError      an optional dependency is not installed
    ├── TokenLimitError        the run has spent as many tokens as it may
    ├── QueryBudgetError       a learner of the theory laboratory has asked its oracle too often
    └── StoreError             the run folder cannot be read or written
        ├── RunMismatchError   the folder holds another run
        ├── RunLockedError     another process is writing to it
        └── CorruptPartError   a stored file cannot be read back

Every message says what was got, what was expected and what to do. Anything else that escapes is a fault of ours (exit code 1).
"""

from __future__ import annotations


class StropError(Exception):
    """Base of all errors that a user can mend."""


class UsageError(StropError, ValueError):
    """An option, name or value that cannot be used."""


class ModelError(StropError):
    """A model that cannot be loaded, or that lacks what was asked of it."""


class MissingExtraError(StropError, ImportError):
    """An optional dependency is not installed, or does not import: ``why`` is what Python said."""

    def __init__(self, feature: str, extra: str, why: str = "") -> None:
        super().__init__(
            f"{feature} needs the extra '{extra}': run  pip install 'strop[{extra}]'"
            + (f" ({why})" if why else "")
        )
        self.asked = (feature, extra, why)

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str, str]]:
        """A worker's error reaches its user through pickle, which makes it anew of what it was made of."""
        return type(self), self.asked


class TokenLimitError(StropError):
    """The run has spent as many tokens as it may; what is stored is kept."""


class QueryBudgetError(StropError):
    """A query beyond the oracle's budget; nothing was drawn for it."""


class StoreError(StropError):
    """The run folder cannot be read or written."""


class RunMismatchError(StoreError):
    """The folder already holds a run that was asked for differently."""


class RunLockedError(StoreError):
    """Another process is writing to the folder."""


class CorruptPartError(StoreError):
    """A stored file cannot be read back, or does not hold what its name promises."""
