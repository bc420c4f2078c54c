"""`lineal project`: a server's projects and who may do what in each, from anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lineal.interfaces.cli.output import add_row, now_us, print_document, say, show, table, what_next
from lineal.interfaces.cli.people import ROLES, server_option
from lineal.interfaces.cli.session import json_option
from lineal.interfaces.cli.wording import ago, visible

if TYPE_CHECKING:
    from lineal.workspace.remote.people import RemoteMembers, RemoteServer


def _connected(url: str) -> RemoteServer:
    from lineal.bootstrap.team import connect

    found = connect(url)
    click.get_current_context().call_on_close(found.close)
    return found


def _members(url: str, project: str) -> RemoteMembers:
    from lineal.bootstrap.team import connect_members

    found = connect_members(url, project)
    click.get_current_context().call_on_close(found.close)
    return found


@click.group()
def project() -> None:
    """Make, list and archive the projects of a server, and say who may do what in them."""


@project.command("list")
@server_option
@json_option
def list_projects(*, url: str, as_json: bool) -> None:
    """List the projects that you may see."""
    found = _connected(url).projects()
    if as_json:
        print_document(found)
        return
    made = table("Project", "Runs", "Last run", "", right=["Runs"])
    for item in found:
        last = ago(item.last_run_at, now_us()) if item.last_run_at else ""
        add_row(made, [visible(item.name), f"{item.runs:,}", last, "archived" if item.archived_at else ""], style="dim" if item.archived_at else "")
    show(made)


@project.command("create")
@click.argument("name")
@server_option
@json_option
def create_project(*, name: str, url: str, as_json: bool) -> None:
    """Make a project on a server."""
    server = _connected(url)
    made = server.create(name)
    if as_json:
        print_document(made)
        return
    say(f"the project {visible(made.name)} is at {visible(server.address)}/projects/{visible(made.name)}")
    what_next(
        f"lineal init --server {visible(server.address)} --project {visible(made.name)}", f"lineal user role NAME contributor --project {made.name}"
    )


@project.command("archive")
@click.argument("name")
@server_option
@json_option
def archive_project(*, name: str, url: str, as_json: bool) -> None:
    """Hide a project, so that nothing in it changes any more; nothing is lost."""
    found = _connected(url).archive(name)
    if as_json:
        print_document(found)
        return
    say(f"the project {visible(found.name)} is archived")


@project.command("unarchive")
@click.argument("name")
@server_option
@json_option
def unarchive_project(*, name: str, url: str, as_json: bool) -> None:
    """Bring an archived project back."""
    found = _connected(url).unarchive(name)
    if as_json:
        print_document(found)
        return
    say(f"the project {visible(found.name)} is back")


@project.command("members")
@click.argument("project_name", metavar="PROJECT")
@server_option
@json_option
def list_members(*, project_name: str, url: str, as_json: bool) -> None:
    """List who has a role in a project; for its admins."""
    found = _members(url, project_name).list()
    if as_json:
        print_document({"project": project_name, "members": found})
        return
    made = table("Member", "Role")
    for name, role in sorted(found.items()):
        add_row(made, [visible(name), visible(role)])
    show(made)


@project.command("add")
@click.argument("project_name", metavar="PROJECT")
@click.argument("user")
@click.option("--role", type=ROLES, default="contributor", help="What they may do; contributor unless given.")
@server_option
@json_option
def add_member(*, project_name: str, user: str, role: str, url: str, as_json: bool) -> None:
    """Give a user a role in a project; for its admins."""
    _give(url, project_name, user, role, as_json=as_json)


@project.command("role")
@click.argument("project_name", metavar="PROJECT")
@click.argument("user")
@click.argument("role", type=ROLES)
@server_option
@json_option
def member_role(*, project_name: str, user: str, role: str, url: str, as_json: bool) -> None:
    """Give a member of a project another role; for its admins."""
    _give(url, project_name, user, role, as_json=as_json)


@project.command("remove")
@click.argument("project_name", metavar="PROJECT")
@click.argument("user")
@server_option
@json_option
def remove_member(*, project_name: str, user: str, url: str, as_json: bool) -> None:
    """Take a user's role in a project; what they did stays. For its admins."""
    _give(url, project_name, user, "", as_json=as_json)


def _give(url: str, project_name: str, user: str, role: str, *, as_json: bool) -> None:
    found = _members(url, project_name).give(user, role)
    if as_json:
        print_document({"project": project_name, **found})
        return
    has = f"is {role} in {visible(project_name)}" if role else f"has no role in {visible(project_name)} any more"
    say(f"{visible(user)} {has}")
