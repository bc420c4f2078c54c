"""`lineal views`: what the page of runs shows, kept under names."""

from __future__ import annotations

from urllib.parse import quote, urlencode

import click

from lineal.interfaces.cli.output import add_row, print_document, say, show, table, what_next
from lineal.interfaces.cli.session import json_option, workspace
from lineal.interfaces.cli.wording import visible


@click.group()
def views() -> None:
    """Keep what the page of runs shows under names."""


@views.command("list")
@json_option
def list_views(*, as_json: bool) -> None:
    """List the saved views."""
    found = workspace().views.list()
    if as_json:
        print_document(found)
        return
    if not found:
        say("There is no saved view yet.")
        what_next("lineal views save NAME --where 'metrics.auc > 0.9'")
        return
    made = table("View", "By", "Page")
    for view in found:
        add_row(made, [visible(view.name), visible(view.author), f"/views/{quote(view.name, safe='')}"])
    show(made)


@views.command()
@click.argument("name")
@click.option("--where", default="", help="Only runs for which this holds.")
@click.option("--order", default="", help="Key to order by, such as -metrics.auc.")
@click.option("--columns", default="", help="Columns with commas between, such as metrics.auc,params.depth.")
@click.option("--group", default="", help="Show the runs in groups, such as by params.depth.")
@json_option
def save(*, name: str, where: str, order: str, columns: str, group: str, as_json: bool) -> None:
    """Save a view, or change what is kept under a name of yours."""
    words = {"where": where, "order": order, "columns": columns, "group": group}
    made = workspace().views.save(name, urlencode({key: value for key, value in words.items() if value}), others=True)
    print_document(made) if as_json else say(f"{visible(made.name)} is at /views/{quote(made.name, safe='')}")


@views.command()
@click.argument("name")
@click.argument("new")
@json_option
def rename(*, name: str, new: str, as_json: bool) -> None:
    """Give a view another name."""
    made = workspace().views.rename(name, new, others=True)
    print_document(made) if as_json else say(f"{visible(name)} is {visible(made.name)} now")


@views.command()
@click.argument("name")
@json_option
def delete(*, name: str, as_json: bool) -> None:
    """Forget a view; the runs stay."""
    gone = workspace().views.delete(name, others=True)
    print_document(gone) if as_json else say(f"{visible(gone.name)} is forgotten; the runs are as they were")
