"""`lineal model`: the model library."""

from __future__ import annotations

import click

from lineal.interfaces.cli.model_view import numbers, show_model
from lineal.interfaces.cli.output import add_row, now_us, print_document, say, show, table, what_next
from lineal.interfaces.cli.references import reference_argument
from lineal.interfaces.cli.session import json_option, up_to_date
from lineal.interfaces.cli.wording import ago, short_id, size, visible


@click.group()
def model() -> None:
    """Keep models: register a run's model, name versions, look at them."""


@model.command()
@reference_argument("run")
@click.option("--name", required=True, help="The model's name.")
@click.option("--path", default="", help="The model file or folder among the run's outputs, where it has several.")
@click.option("--note", default="", help="What is worth knowing about this version.")
@json_option
def register(*, run: str, name: str, path: str, note: str, as_json: bool) -> None:
    """Register the model that RUN made as the next version of NAME."""
    space = up_to_date()
    version = space.models.register(run, name=name, path=path, note=note)
    if as_json:
        print_document(version)
        return
    show_model(space, version)


@model.command(name="list")
@json_option
def list_models(*, as_json: bool) -> None:
    """List every model and its versions."""
    found = up_to_date().models.list()
    if as_json:
        print_document(found)
        return
    made = table("Model", "Aliases", "Run", "Format", "Size", "Registered", "Metrics", right=["Size"])
    for item in found:
        for version in reversed(item.versions):
            names = ", ".join(map(visible, version.aliases))
            kept = [short_id(version.run), version.format, size(version.size), ago(version.created_at, now_us()), numbers(version.metrics)]
            add_row(made, [visible(version.reference), names, *kept], style="dim strike" if version.deleted_at else "")
    show(made)
    if not found:
        what_next("lineal model register RUN --name NAME")


@model.command(name="show")
@reference_argument("model")
@json_option
def show_version(*, model: str, as_json: bool) -> None:
    """Show one version: name, name@number or name@alias."""
    space = up_to_date()
    version = space.models.get(model)
    if as_json:
        print_document(version)
        return
    show_model(space, version)


@model.command()
@reference_argument("model")
@click.argument("alias")
@click.option("--remove", is_flag=True, help="Take the alias off.")
@json_option
def alias(*, model: str, alias: str, remove: bool, as_json: bool) -> None:
    """Point ALIAS at a version, wherever it pointed before."""
    models = up_to_date().models
    if remove:
        name = model.removeprefix("model:").partition("@")[0]
        models.remove_alias(name, alias)
        version = models.get(f"model:{name}")
    else:
        version = models.set_alias(model, alias)
    if as_json:
        print_document(version)
        return
    say(
        f"{visible(alias)} is taken off {visible(version.name)}"
        if remove
        else f"{visible(version.name)}@{visible(alias)} is now {visible(version.reference)}"
    )
