"""`lineal run`: run a command and record everything about it."""

from __future__ import annotations

from typing import Any

import click

from lineal.interfaces.cli.session import pairs, workspace

OWN_FAILURE = 125


def typed_pairs(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
    """Reads repeated ``KEY=VALUE`` where a value has the type that it looks like."""
    from lineal.records.values import parse_text_value

    return {key: parse_text_value(text) for key, text in pairs(context, parameter, values).items()}


@click.command(context_settings={"allow_interspersed_args": False})
@click.option("--name", default="", help="The run's name; made from the command unless given.")
@click.option("-p", "--param", "params", metavar="K=V", multiple=True, callback=typed_pairs, help="Override a parameter.")
@click.option("--tag", "tags", metavar="K=V", multiple=True, callback=pairs, help="Tag the run.")
@click.option("-i", "--input", "inputs", metavar="PATH", multiple=True, help="Declare an input.")
@click.option("-o", "--output", "outputs", metavar="PATH", multiple=True, help="Declare an output; others are then pointed out.")
@click.option("--resume", metavar="RUN", default="", help="Go on with a run as its next attempt.")
@click.argument("command", metavar="-- CMD...", nargs=-1, required=True, type=click.UNPROCESSED)
def run(
    *,
    name: str,
    params: dict[str, Any],
    tags: dict[str, str],
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
    resume: str,
    command: tuple[str, ...],
) -> int:
    """Run a command and record everything about it.

    Records code, data, environment, parameters, metrics, log and exit status of CMD, which needs to know nothing of Lineal. The output is
    streamed through.

    Exits with the command's own status; 125 if Lineal itself fails, 126 if CMD cannot be executed, 127 if it is not found, and 128+n if
    signal n ended it.
    """
    from pathlib import Path

    from lineal.errors import LinealError
    from lineal.workspace.interface import RunRequest

    request = RunRequest(name=name, command=command, folder=Path.cwd(), params=params, tags=tags, inputs=inputs, outputs=outputs, resume=resume)
    try:
        done = workspace().runs.execute(request)
    except LinealError as error:
        from lineal.interfaces.cli.failure import tell

        tell(error)
        return OWN_FAILURE
    except Exception:  # noqa: BLE001 - a mistake of ours must not look like a status of the command
        import traceback

        traceback.print_exc()
        return OWN_FAILURE
    click.echo(f"lineal: {done.status} · lineal show {done.id[:8]}", err=True)
    return OWN_FAILURE if done.exit_code is None else done.exit_code
