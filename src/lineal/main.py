"""The program `lineal`: the table of its commands."""

from __future__ import annotations

import atexit
import gc
import sys

import click

from lineal.interfaces.cli.program import Entry, Program

DAILY = "Every day"
SHIP = "Ship"
PROVE = "Prove"

_CLI = "lineal.interfaces.cli"

COMMANDS: dict[str, Entry] = {
    "init": Entry(section=DAILY, source=f"{_CLI}.project:init", help="Make a folder a Lineal project."),
    "run": Entry(section=DAILY, source=f"{_CLI}.execution:run", help="Run a command and record everything about it."),
    "runs": Entry(section=DAILY, source=f"{_CLI}.runs:runs", help="List runs, newest first."),
    "views": Entry(
        section=DAILY, source=f"{_CLI}.saved_views:views", help="Keep what the page of runs shows under names: list, save, rename, delete."
    ),
    "show": Entry(section=DAILY, source=f"{_CLI}.show:show_reference", help="Show a run, dataset version, model, deployment, prediction or file."),
    "logs": Entry(section=DAILY, source=f"{_CLI}.runs:logs", help="Print a run's output."),
    "stop": Entry(section=DAILY, source=f"{_CLI}.runs:stop", help="Stop a running run."),
    "compare": Entry(section=DAILY, source=f"{_CLI}.compare:compare", help="Compare runs; what differs comes first."),
    "data": Entry(section=DAILY, source=f"{_CLI}.data:data", help="Version data: add, status, log, diff, checkout, verify."),
    "remote": Entry(section=DAILY, source=f"{_CLI}.remotes:remote", help="Name stores elsewhere: add, list, remove."),
    "push": Entry(section=DAILY, source=f"{_CLI}.remotes:push", help="Send datasets to a remote; only what it lacks travels."),
    "pull": Entry(section=DAILY, source=f"{_CLI}.remotes:pull", help="Fetch datasets from a remote; only what is missing here travels."),
    "sync": Entry(section=DAILY, source=f"{_CLI}.sending:sync", help="Send what was recorded here to the server, and say what is left."),
    "clone": Entry(section=DAILY, source=f"{_CLI}.remotes:clone", help="Make a copy of a project whose datasets are in a store elsewhere."),
    "server": Entry(section=DAILY, source="lineal.server:server", help="Serve projects to a team: pages, API, people."),
    "backup": Entry(section=DAILY, source=f"{_CLI}.backups:backup", help="Write everything that a server holds into one file."),
    "restore": Entry(section=DAILY, source=f"{_CLI}.backups:restore", help="Put a server's backup into an empty folder."),
    "login": Entry(section=DAILY, source=f"{_CLI}.people:login", help="Keep a token for a server."),
    "logout": Entry(section=DAILY, source=f"{_CLI}.people:logout", help="Forget the token for a server."),
    "whoami": Entry(section=DAILY, source=f"{_CLI}.people:whoami", help="Say who a server takes you for."),
    "project": Entry(section=DAILY, source=f"{_CLI}.projects:project", help="Make projects of a server, and say who is in them."),
    "user": Entry(section=DAILY, source=f"{_CLI}.people:user", help="Let people in to a server, and say what they may do."),
    "token": Entry(section=DAILY, source=f"{_CLI}.people:token", help="Make and revoke tokens for a server."),
    "ui": Entry(section=DAILY, source="lineal.pages:ui", help="Serve the web pages on this machine."),
    "config": Entry(section=DAILY, source=f"{_CLI}.project:config", help="Show each setting, and where its value comes from."),
    "doctor": Entry(section=DAILY, source=f"{_CLI}.project:doctor", help="Say what works here, what does not, and why."),
    "completion": Entry(section=DAILY, source=f"{_CLI}.project:completion", help="Print the shell's completion script."),
    "demo": Entry(section=DAILY, source="lineal.demo.story:main", help="Play the whole story on real flights, in a folder of its own."),
    "model": Entry(section=SHIP, source=f"{_CLI}.models:model", help="Keep models: register, list, show, alias."),
    "deploy": Entry(section=SHIP, source=f"{_CLI}.deployments:deploy", help="Serve a model over HTTP."),
    "deployments": Entry(section=SHIP, source=f"{_CLI}.deployments:deployments", help="List what is deployed, and whether it answers."),
    "undeploy": Entry(section=SHIP, source=f"{_CLI}.deployments:undeploy", help="Stop serving a deployment."),
    "monitor": Entry(section=SHIP, source=f"{_CLI}.monitor:monitor", help="Show quality and drift of a deployment over time."),
    "truth": Entry(section=SHIP, source=f"{_CLI}.deployments:truth", help="Add true outcomes from a CSV file."),
    "lineage": Entry(section=PROVE, source=f"{_CLI}.lineage:lineage", help="Draw what a thing stands on, or what came of it."),
    "reproduce": Entry(section=PROVE, source=f"{_CLI}.proof:reproduce", help="Run a run again, and say whether the same comes out."),
    "mark": Entry(section=PROVE, source=f"{_CLI}.runs:mark", help="Mark a run as a mistake."),
    "rm": Entry(section=PROVE, source=f"{_CLI}.deletion:rm", help="Delete a thing and everything that came of it."),
    "undelete": Entry(section=PROVE, source=f"{_CLI}.deletion:undelete", help="Bring back what a deletion took."),
    "fsck": Entry(section=PROVE, source=f"{_CLI}.proof:fsck", help="Check everything that is stored."),
}
"""Every command, by name; a test holds docs/reference/commands.md against it."""


def program() -> Program:
    """The program as a click group."""
    return Program(
        name="lineal",
        table=COMMANDS,
        help="DevOps for machine learning: record every run, version data, ship models, watch them, guard what they stand on.",
        params=[click.Option(["--version"], is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version and exit.")],
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 140},
    )


def _version(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 - click's signature
    if wanted and not context.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"lineal {version('lineal')}")
        context.exit()


def main() -> None:
    """The entry point."""
    # What a command loads stays until it ends: looking for garbage among it takes a quarter of the CPU of a short one.
    gc.set_threshold(50_000, 20, 20)
    atexit.register(gc.freeze)
    if sys.platform == "win32":
        sys.exit("error: Lineal runs on Linux and macOS\n  On Windows use WSL: https://learn.microsoft.com/windows/wsl")
    program().main(prog_name="lineal")


if __name__ == "__main__":
    main()
