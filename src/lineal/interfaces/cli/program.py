"""The program's frame: a table of commands that are imported when they are used, grouped in the help by what they are for."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import click

from lineal.interfaces.cli.failure import ReaderGone, guarded


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A command in the table.

    Attributes:
        section: the heading of ``--help`` that it stands under.
        source: ``module:attribute`` of its click command.
        help: its line in ``--help``.
    """

    section: str
    source: str
    help: str

    def load(self) -> click.Command:
        """Imports the command."""
        module, _, attribute = self.source.partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command


class Program(click.Group):
    """A group that knows its commands by name and imports one only to run it."""

    def __init__(self, *, table: Mapping[str, Entry], **options: Any) -> None:
        super().__init__(**options)
        self.table = table

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Every command, in the table's order."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """The command of that name, or None."""
        entry = self.table.get(cmd_name)
        return entry.load() if entry else None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Like click's, but an unknown command names the nearest one."""
        if args and args[0] not in self.table and not args[0].startswith("-"):
            import difflib

            close = difflib.get_close_matches(args[0], self.table, n=1)
            ctx.fail(f"there is no command {args[0]!r}." + (f" Did you mean {close[0]}?" if close else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """Writes the commands under their sections without importing any."""
        width = max(map(len, self.table))
        for section in dict.fromkeys(entry.section for entry in self.table.values()):
            rows = [(name.ljust(width), entry.help) for name, entry in self.table.items() if entry.section == section]
            with formatter.section(section):
                formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:
        """Like click's, but a closed pipe is no failure."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise ReaderGone from None

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, *rest: Any, **options: Any) -> Any:
        """Runs the program and exits with the code that docs/reference/commands.md gives for what happened."""
        given = list(sys.argv[1:] if args is None else args)
        options["standalone_mode"] = False
        _accept_any_text()
        before_command = given[: given.index("--")] if "--" in given else given
        code = guarded(lambda: super(Program, self).main(given, prog_name, *rest, **options), as_json="--json" in before_command)
        sys.exit(code)


def _accept_any_text() -> None:
    """A terminal that cannot show a character gets its escape: a listing must not fail for a name in it."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure:
            reconfigure(errors="backslashreplace")
