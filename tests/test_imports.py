"""Check which room imports which, that no imports form a circle, and that files stay short.

Imports are read from the syntax trees, wherever they stand: at the top of a file, in a function,
under TYPE_CHECKING. The last test checks that `import strop` loads no heavy package.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "src" / "strop"
FILES = sorted(ROOT.rglob("*.py"))

FACE = "the public face, strop/__init__.py"
LINES = (
    ("records", "errors", "seeds", "text", "order_statistics", "quiet"),
    ("json_files",),
    ("tasks", "engines", "weigh", "measure", "theory", "progress"),
    ("prompts",),
    ("generate", "verify", "distill", "report"),
    ("ladder",),
    ("run",),
    ("cluster",),
    ("cross_verification", "scaling", "sharpening", "improvement"),
    ("studies",),
    (FACE,),
    ("cli",),
    ("__main__",),
)
LINE_OF = {room: line for line, rooms in enumerate(LINES) for room in rooms}

ONLY_BASES = {"prompts": ("engines",)} | dict.fromkeys(
    ("generate", "verify", "distill", "report"), ("engines", "tasks")
)
"""Rooms that must not know a concrete engine or task: they may import only ``base`` of those."""
NUMPY_ONLY = ("weigh", "measure", "theory")

LONGEST_FILE = 500
LONGEST_FUNCTION = 80


def label(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


every_file = pytest.mark.parametrize("path", FILES, ids=label)


def room_of(path: Path) -> str:
    """Return the room, or the single file, that a path belongs to."""
    room = path.relative_to(ROOT).parts[0].removesuffix(".py")
    return FACE if room == "__init__" else room


def imports(path: Path) -> Iterator[str]:
    """Yield the dotted names that a file imports; ``from a import b`` gives ``a.b``."""
    package = ("strop", *path.relative_to(ROOT).parent.parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else ()
            origin = ".".join([*start, *filter(None, [node.module])])
            yield from (f"{origin}.{name.name}" for name in node.names)


def own_imports(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (room, full name) of each import from strop; names that are no room are the face's."""
    for name in imports(path):
        first, _, rest = name.partition(".")
        if first == "strop":
            room = rest.split(".")[0]
            is_file = (ROOT / room).is_dir() or (ROOT / f"{room}.py").exists()
            yield (room if room and (is_file or room in LINE_OF) else FACE), name


@every_file
def test_every_file_has_its_line(path: Path) -> None:
    assert room_of(path) in LINE_OF, (
        f"{label(path)} belongs to no line of LINES: give it its place there"
    )


@every_file
def test_imports_point_upwards(path: Path) -> None:
    """Each line imports only from lines above it; rooms on one line never import each other."""
    here = room_of(path)
    for room, name in own_imports(path):
        assert room == here or LINE_OF[room] < LINE_OF[here], (
            f"{label(path)} imports {name}: {here} is on line {LINE_OF[here] + 1} "
            "and may import only from the lines above it"
            f" and from itself; {room} is on line {LINE_OF[room] + 1}"
        )


def module_name(path: Path) -> str:
    parts = ("strop", *path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts).removesuffix(".__init__")


def import_graph() -> dict[str, set[str]]:
    """Return the files that each file of strop imports, by their module names."""
    modules = {module_name(path): path for path in FILES}
    graph: dict[str, set[str]] = {}
    for module, path in modules.items():
        graph[module] = set()
        for name in imports(path):
            # A name is a module, or something in the module that the name begins with.
            imported = name if name in modules else name.rpartition(".")[0]
            if imported in modules and imported != module:
                graph[module].add(imported)
    return graph


def reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    """Return all files that a file imports, directly or through others."""
    seen: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen.add(module)
            waiting.extend(graph[module])
    return seen


def test_no_imports_form_a_circle() -> None:
    graph = import_graph()
    in_circle = sorted(module for module in graph if module in reachable(graph, module))
    assert not in_circle, (
        f"these files import one another in a circle: {', '.join(in_circle)}; "
        "move what both sides need into a file of its own"
    )


@every_file
def test_rooms_that_know_no_concrete_engine_or_task(path: Path) -> None:
    for room, name in own_imports(path):
        if room in ONLY_BASES.get(room_of(path), ()):
            base = f"strop.{room}.base"
            assert name == base or name.startswith(f"{base}."), (
                f"{label(path)} imports {name}: expected nothing of {room} but {base}"
            )


@every_file
def test_weigh_and_measure_take_arrays_and_give_arrays(path: Path) -> None:
    if room_of(path) in NUMPY_ONLY:
        foreign = (
            {name.split(".")[0] for name in imports(path)}
            - sys.stdlib_module_names
            - {"numpy", "strop"}
        )
        assert not foreign, (
            f"{label(path)} imports {', '.join(sorted(foreign))}: "
            "expected NumPy and the standard library only"
        )


@every_file
def test_nothing_grows_too_long(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    lines = len(text.splitlines())
    assert lines <= LONGEST_FILE, (
        f"{label(path)} has {lines} lines: divide it, {LONGEST_FILE} is the limit"
    )
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            length = node.end_lineno - node.lineno + 1
            assert length <= LONGEST_FUNCTION, (
                f"{label(path)}: {node.name} has {length} lines: divide it, "
                f"{LONGEST_FUNCTION} is the limit"
            )


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("strop", {"torch", "transformers", "altair", "vl_convert", "polars"}),
        ("strop.engines", {"torch", "transformers", "polars"}),
        ("strop.cli.main", {"torch", "transformers", "altair", "vl_convert"}),
    ],
)
def test_import_stays_light(module: str, unwanted: set[str]) -> None:
    program = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert loaded.returncode == 0, loaded.stderr
    heavy = unwanted & set(loaded.stdout.split())
    assert not heavy, (
        f"`import {module}` also imports {', '.join(sorted(heavy))}: "
        "import inside the function that needs it"
    )
