"""Options that belong together, as one parameter of a command.

A group is a frozen dataclass whose fields are typer options::

    @dataclass(frozen=True)
    class WorkerOptions:
        workers: Annotated[int | None, typer.Option("--workers", help="...")] = None
        ray: Annotated[str | None, typer.Option("--ray", help="...")] = None

    @app.command()
    @with_option_groups
    def gap(*, model: Models = None, workers: WorkerOptions) -> None: ...

typer sees ``--model --workers --ray``, in this order; ``gap`` receives one ``WorkerOptions``.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints

Command = Callable[..., None]


def with_option_groups(command: Command) -> Command:
    """Replace every parameter that is a group by the group's fields.

    An instance as the parameter's default gives the options' defaults in this command;
    without one, the defaults of the class apply.
    """
    # Annotations are strings under ``from __future__ import annotations``: resolve them here.
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, type[Any]] = {}
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        if is_dataclass(hints[name]):
            groups[name] = hints[name]
            parameters += _parameters_of(groups[name], parameter.default)
        else:
            parameters.append(parameter.replace(annotation=hints[name]))

    @functools.wraps(command)
    def with_groups(**values: Any) -> None:
        arguments = {name: values[name] for name in hints if name in values}
        for name, group in groups.items():
            options = {field.name: values[field.name] for field in fields(group)}
            arguments[name] = group(**options)
        command(**arguments)

    # typer reads the options from the signature, and the types from the annotations.
    with_groups.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    with_groups.__annotations__ = {item.name: item.annotation for item in parameters}
    return with_groups


def _parameters_of(group: type[Any], defaults: Any) -> Iterator[inspect.Parameter]:
    """Yield a keyword parameter for each field of the group."""
    hints = get_type_hints(group, include_extras=True)
    for field in fields(group):
        default = field.default
        if isinstance(defaults, group):
            default = getattr(defaults, field.name)
        yield inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=default,
            annotation=hints[field.name],
        )
