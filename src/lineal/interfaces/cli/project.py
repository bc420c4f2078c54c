"""`lineal init`, `config`, `doctor` and `completion`: the project and the machine it is on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lineal.interfaces.cli.output import add_row, facts, heading, print_document, say, show, styled, table, what_next
from lineal.interfaces.cli.session import json_option
from lineal.interfaces.cli.wording import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lineal.workspace.health import Finding
    from lineal.workspace.interface import Outbox

STATE_STYLES = {"works": "green", "limited": "yellow", "missing": "red"}


@click.command()
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(path_type=Path, readable=False))
@click.option("--name", default="", help="The project's name; the folder's name unless given.")
@click.option("--server", "url", metavar="URL", default="", help="Work in a project of the server at URL, as LINEAL_WORKSPACE=URL does.")
@click.option("--project", default="", help="Which of the server's projects; the one in URL, or else default, unless given.")
def init(folder: Path, name: str, url: str, project: str) -> None:
    """Make a folder a Lineal project.

    Makes DIR (this folder unless given) a project: its records go to DIR/.lineal, which git is told to ignore, and its settings to
    DIR/lineal.toml. In a folder that is a project already nothing changes.

    With --server it is a server's project that is worked in here: what is recorded goes there, whenever there is a network, and what
    others recorded is found.
    """
    from lineal.bootstrap.compose import create_workspace, join_workspace
    from lineal.bootstrap.team import named_server

    known = (folder / ".lineal" / "format.json").exists()
    address = url or named_server()
    if address:
        joined = join_workspace(address, folder.absolute(), project=project)
        say(f"{visible(str(joined.root))} works in {visible(joined.project)}: {visible(joined.address)}")
        what_next("lineal runs", "lineal data log", "lineal run -- python train.py")
        return
    if project:
        raise click.UsageError("--project names one of a server's; say which server with --server URL")
    made = create_workspace(folder, name=name)
    say(f"{visible(str(made.root))} {'is a project already' if known else 'is now a project'}: {visible(made.project)}")
    what_next("lineal data add DATA", "lineal run -- python train.py")


@click.command()
@json_option
def config(*, as_json: bool) -> None:
    """Show each setting, and where its value comes from.

    A value comes from the first of: the environment, lineal.toml in the project, the user's own lineal.toml, the default.
    """
    from lineal.bootstrap.compose import locate_project
    from lineal.bootstrap.settings import explain_settings, user_configuration
    from lineal.errors import NotFound

    try:
        root = locate_project().layout.root
    except NotFound:
        root = None
    found = explain_settings(root)
    if as_json:
        print_document([{"name": item.setting.name, "value": item.value, "origin": item.origin, "meaning": item.setting.meaning} for item in found])
        return
    shown = table("Setting", "Value", "From", "Environment variable")
    for item in found:
        value = ", ".join(item.value) if isinstance(item.value, tuple) else str(item.value)
        add_row(shown, [item.setting.name, visible(value) or '""', visible(item.origin), item.setting.variable])
    show(shown, styled(f"\nYour own settings for every project: {user_configuration()}", "dim"))


@click.command()
@json_option
def doctor(*, as_json: bool) -> None:
    """Say what works here, what does not, and why."""
    from lineal.bootstrap.compose import open_workspace
    from lineal.errors import LinealError
    from lineal.workspace.health import examine

    site, trouble = None, ""
    server: Sequence[Finding] = ()
    try:
        workspace = open_workspace()
        site = workspace.site
        outbox: Outbox | None = getattr(workspace, "outbox", None)
        if outbox is not None:
            server = outbox.examine()
    except LinealError as error:
        trouble = str(error)
    findings = examine(site, trouble=trouble, server=server)
    if as_json:
        print_document(findings)
        return
    for group in dict.fromkeys(finding.group for finding in findings):
        rows = [
            (finding.name, styled(f"{finding.state:8}", STATE_STYLES[finding.state]).append(f" {visible(finding.detail)}", style="default"))
            for finding in findings
            if finding.group == group
        ]
        show(heading(group), facts(rows))


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the shell's completion script.

    Put this into ~/.bashrc, ~/.zshrc or ~/.config/fish/config.fish:

    \b
      eval "$(lineal completion bash)"
      eval "$(lineal completion zsh)"
      lineal completion fish | source
    """  # noqa: D301 - backspace is click's mark for lines kept as they are
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:  # click.Choice lets only known shells through
        raise click.UsageError(f"no completion for {shell}")
    root = click.get_current_context().find_root().command
    say(kind(root, {}, "lineal", "_LINEAL_COMPLETE").source())
