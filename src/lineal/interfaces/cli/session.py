"""What every command shares: the workspace it works on, and the options that mean the same everywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from lineal.workspace.interface import Workspace

Command = TypeVar("Command", bound=Callable[..., Any])


def workspace() -> Workspace:
    """The workspace of the project that the current folder lies in, closed when the command ends."""
    context = click.get_current_context()
    root = context.find_root()
    if root.obj is None:
        from lineal.bootstrap.compose import open_workspace

        root.obj = open_workspace()
        root.call_on_close(root.obj.close)
    found: Workspace = root.obj
    return found


def up_to_date() -> Workspace:
    """The workspace, with everything that runs have written so far brought into it."""
    found = workspace()
    found.runs.ingest()
    return found


def json_option(command: Command) -> Command:
    """Adds ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document (docs/reference/json.md).")(command)


def pairs(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Reads repeated ``KEY=VALUE``."""
    found: dict[str, str] = {}
    for text in values:
        key, equals, given = text.partition("=")
        if not (key and equals):
            raise click.BadParameter(f"{text!r} is not KEY=VALUE")
        found[key] = given
    return found
