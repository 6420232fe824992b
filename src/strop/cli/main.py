"""The command line: all commands, and the exit code of every outcome.

Commands parse, call and print. They import heavy modules inside the function, so that
``strop --help`` is quick. stdout holds results, and under ``--json`` nothing but the document;
progress and messages go to stderr.

Exit codes: 0 done, 2 what the user must fix (one line), 1 a fault of strop, 130 interrupted.
"""

from __future__ import annotations

import errno
import os
import shlex
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import typer

from strop.cli.gap import gap_app
from strop.cli.improve import improve_app
from strop.cli.ladder import ladder_app
from strop.cli.listing import list_app
from strop.cli.many_models import many_models_app
from strop.cli.plan import plan_app
from strop.cli.runs import runs_app
from strop.cli.sharpen import sharpen_app
from strop.cli.study import study_app
from strop.errors import StropError

USER_ERROR = 2
INTERRUPTED = 130

# click's UsageError. Newer versions of typer carry their own copy of click, so it cannot be
# imported from click: it is the class that typer's BadParameter extends.
COMMAND_LINE_ERROR: Any = typer.BadParameter.__mro__[1]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Measure the self-improvement of language models.",
)
app.add_typer(gap_app)
app.add_typer(runs_app)
app.add_typer(plan_app)
app.add_typer(many_models_app)
app.add_typer(ladder_app, name="ladder")
app.add_typer(list_app)
app.add_typer(sharpen_app)
app.add_typer(improve_app)
app.add_typer(study_app)


def main() -> NoReturn:
    """Run the command line and exit with the code of its outcome."""
    with _short_warnings():
        code = _exit_code()
    sys.exit(code if isinstance(code, int) else 0)


def _exit_code() -> Any:
    """Run the command line; return the code of its outcome."""
    try:
        code = app(standalone_mode=False)
        print(end="", flush=True)  # a closed pipe must raise here, not at interpreter exit
        if code == INTERRUPTED:  # typer turns a KeyboardInterrupt into this code
            code = _interrupted()
    except StropError as error:
        code = _fail(str(error))
    except COMMAND_LINE_ERROR as error:
        code = _fail(error.format_message())
    except (KeyboardInterrupt, typer.Abort):
        code = _interrupted()
    except OSError as error:
        code = _cannot_write(error)
    return code


@contextmanager
def _short_warnings() -> Iterator[None]:
    """Write strop's own warnings as one line each, without the place in the code."""
    usual = warnings.formatwarning

    def short(message: Any, category: Any, filename: str, lineno: int, line: Any = None) -> str:
        if filename == "strop":
            return f"strop: warning: {message}\n"
        return usual(message, category, filename, lineno, line)

    warnings.formatwarning = short
    try:
        yield
    finally:
        warnings.formatwarning = usual


def _fail(message: str) -> int:
    """Print the message on one line; a bare ``strop`` has printed its help and has none."""
    if message:
        print(f"strop: {' '.join(message.split())}", file=sys.stderr)
    return USER_ERROR


def _cannot_write(error: OSError) -> int:
    """Return the exit code where stdout was closed or the disk is full; raise other errors."""
    if error.errno not in (errno.EPIPE, errno.ENOSPC):
        raise error
    # What is still buffered goes to the null device: else Python would fail again at exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if error.errno == errno.EPIPE:  # the reader, such as `head`, has read enough
        return 0
    return _fail(f"cannot write the output: {error.strerror}; the run itself is kept")


def _interrupted() -> int:
    command = shlex.join(["strop", *sys.argv[1:]])
    print(f"strop: interrupted; finished parts are kept. To go on:  {command}", file=sys.stderr)
    return INTERRUPTED
