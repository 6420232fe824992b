"""The command line: one file per group of commands, options shared by decorators."""

from __future__ import annotations

from strop.cli.main import main

__all__ = ["main"]
