"""Groups of options become options of the command, in order, with their defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer
from typer.testing import CliRunner

from strop.cli.option_groups import with_option_groups


@dataclass(frozen=True)
class Cut:
    angle: Annotated[int, typer.Option("--angle", help="Degrees.")] = 20
    strokes: Annotated[list[str] | None, typer.Option("--stroke")] = None


STEEP = Cut(angle=35)
app = typer.Typer()


@app.command()
@with_option_groups
def hone(
    *,
    blade: Annotated[str, typer.Argument()],
    cut: Cut,
    wet: Annotated[bool, typer.Option("--wet")] = False,
) -> None:
    """Hone a blade."""
    typer.echo(f"{blade} {cut} {wet}")


@app.command()
@with_option_groups
def grind(*, cut: Cut = STEEP) -> None:
    """Grind a blade."""
    typer.echo(f"{cut}")


def output_of(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result.output.strip()


def test_a_command_receives_its_groups() -> None:
    assert output_of("hone", "razor") == f"razor {Cut()} False"
    given = output_of("hone", "razor", "--angle", "15", "--stroke", "a", "--stroke", "b", "--wet")
    assert given == f"razor {Cut(15, ['a', 'b'])} True"


def test_an_instance_as_default_gives_the_defaults_of_this_command() -> None:
    assert output_of("grind") == f"{STEEP}"
    assert output_of("grind", "--angle", "5") == f"{Cut(5)}"


def test_help_lists_the_options_in_the_order_of_the_signature() -> None:
    text = output_of("hone", "--help")
    places = [text.index(option) for option in ("--angle", "--stroke", "--wet")]
    assert places == sorted(places) and "Degrees." in text and "[default: 20]" in text
