"""Read the JSON files that strop itself wrote: run.json, improve.json, training.json, ...

They are written whole (``strop.run.store``), so one that cannot be read was changed afterwards.
Files of others, such as a model's config.json, are read where they are understood.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from strop.errors import CorruptPartError, MissingFileError

REPEAT = "delete it, and repeat the command that made it"


def read_json(path: Path, needs: Sequence[str] = (), advice: str = REPEAT) -> dict[str, Any]:
    """Return the JSON object that strop wrote to a file.

    ``needs`` names entries that it must have; ``advice`` says what to do if it cannot be read.
    Raises MissingFileError or CorruptPartError, in one line that names the file.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise MissingFileError(f"there is no {path}; {advice}") from None
    except OSError as error:
        raise CorruptPartError(
            f"{path} cannot be read ({error.strerror or error}); {advice}"
        ) from None
    except (ValueError, RecursionError) as error:
        raise _changed(path, f"it is not JSON: {error}", advice) from None
    if not isinstance(document, dict):
        raise _changed(path, "it is no JSON object", advice)
    missing = [name for name in needs if name not in document]
    if missing:
        raise _changed(path, f"it lacks {', '.join(missing)}", advice)
    return document


def _changed(path: Path, reason: str, advice: str) -> CorruptPartError:
    return CorruptPartError(f"{path} cannot be read; it was changed ({reason}): {advice}")
