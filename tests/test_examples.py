"""The examples run, and the README, the contributing guide and the docs name what exists."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_run(path: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(path), str(tmp_path / "run")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0 and ("gap" in done.stdout or "value" in done.stdout), done.stderr


def code_lines(path: Path) -> int:
    """Count the lines that are neither blank nor docstring."""
    tree = ast.parse(path.read_text())
    owners = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
    ]
    docstrings = [node.body[0] for node in owners if ast.get_docstring(node) is not None]
    text = sum(1 for line in path.read_text().splitlines() if line.strip())
    return text - sum((node.end_lineno or node.lineno) - node.lineno + 1 for node in docstrings)


@pytest.mark.parametrize(("room", "lines"), [("weigh", 50), ("verify", 100)])
def test_a_new_file_of_a_room_is_short(room: str, lines: int) -> None:
    for path in (ROOT / "src" / "strop" / room).glob("*.py"):
        if path.stem not in ("__init__", "base"):
            assert code_lines(path) <= lines, path
    assert code_lines(ROOT / "examples" / "3_new_verifier.py") <= 80
    assert code_lines(ROOT / "examples" / "4_new_task.py") <= 60


def test_the_contributing_guide_names_real_files_and_their_length() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    for name in re.findall(r"`((?:src|tests|examples|docs)/[\w/]+(?:\.py|\.md)?)`", text):
        assert (ROOT / name.replace("NAME.py", "__init__.py")).exists(), name
    named = re.findall(r"`((?:src|tests|examples)/[\w/]+\.py)`(?: \(|, )(\d+) lines", text)
    assert len(named) >= 9
    for name, lines in named:
        # A few lines more or less do not make the guide untrue.
        actual = len((ROOT / name).read_text().splitlines())
        assert abs(actual - int(lines)) <= 5, f"{name} has {actual} lines, the guide says {lines}"


PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
    # The log and the findings are records of what was true on their day.
    *sorted(path for path in (ROOT / "docs").glob("*.md") if path.stem not in ("log", "findings")),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_a_page_names_files_and_modules_that_exist(page: Path) -> None:
    text = page.read_text()
    for name in re.findall(r"\b((?:src|tests|examples|benchmarks)/[\w/]+\.py)\b", text):
        assert name.endswith("/NAME.py") or (ROOT / name).exists(), name
    for link in re.findall(r"\]\((?!http)([^)#]+)", text):
        assert (page.parent / link).exists(), link
    for name in re.findall(r"(?<![\w/.])(strop(?:\.[a-z_]+)+)(?=[.`(\s,)])", text):
        # The script of docs/deploy-slurm.md is a file, not a module.
        assert name == "strop.sbatch" or is_named(name), name


def is_named(name: str) -> bool:
    """Return whether a dotted name is a module of strop, or something in one."""
    try:
        if importlib.util.find_spec(name):
            return True
    except ModuleNotFoundError:
        pass
    module, _, attribute = name.rpartition(".")
    return bool(module) and is_named(module) and hasattr(importlib.import_module(module), attribute)


CLI = sorted((ROOT / "src" / "strop" / "cli").glob("*.py"))


def test_readme_commands_are_real() -> None:
    """Every strop command and option in the README is one that the command line knows."""
    from typer.main import get_command

    from strop.cli.main import app

    commands = vars(get_command(app))["commands"]
    assert {"list", "train", "eval", "ship"} == set(commands["ladder"].commands)
    text = (ROOT / "README.md").read_text()
    for block in re.findall(r"```bash\n(.*?)```", text, re.DOTALL):
        for command in re.findall(r"\bstrop ([a-z]+)", block):
            assert command in commands, command
    source = "".join(path.read_text() for path in CLI)
    for option in set(re.findall(r" --([a-z][a-z-]*[a-z])(?= |$)", text, re.MULTILINE)):
        assert f"--{option}" in source or f" {option.replace('-', '_')}:" in source, option
