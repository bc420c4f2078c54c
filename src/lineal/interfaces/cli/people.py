"""`lineal login`, `logout`, `whoami`, `user` and `token`: a server's people, from anywhere."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lineal.interfaces.cli.output import add_row, now_us, print_document, say, show, styled, table, what_next
from lineal.interfaces.cli.session import json_option
from lineal.interfaces.cli.wording import ago, visible

if TYPE_CHECKING:
    from collections.abc import Callable

    from lineal.records.hosting import Invitation
    from lineal.workspace.remote.people import RemoteServer

ROLES = click.Choice(["reader", "contributor", "maintainer", "admin"])


def server_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option that names a server."""
    text = "Address of the server; LINEAL_WORKSPACE, or the one that was logged in to, unless given."
    return click.option("--server", "url", metavar="URL", default="", help=text)(command)


def _data_option(command: Callable[..., Any]) -> Callable[..., Any]:
    text = "The server's own data folder, on its machine: works without signing in."
    return click.option("--data", "folder", type=click.Path(path_type=Path), default=None, help=text)(command)


def _connected(url: str, *, token: str | None = None) -> RemoteServer:
    from lineal.bootstrap.team import connect

    found = connect(url, token=token)
    click.get_current_context().call_on_close(found.close)
    return found


@click.command()
@click.argument("url")
@click.option("--token", default="", help="The token; - reads it from standard input. Asked for unless given.")
@json_option
def login(*, url: str, token: str, as_json: bool) -> None:
    """Keep a token for the server at URL, after it was tried there.

    Make one on the server's page Account. It is kept in the system's keyring where there is one, else in a file that only you can read.
    LINEAL_TOKEN in the environment and ~/.netrc are used, too.
    """
    from lineal.bootstrap.credentials import keep_token

    secret = sys.stdin.readline().strip() if token == "-" else token or click.prompt(f"Token for {url} (its page Account makes one)", hide_input=True)  # noqa: S105 - standard input
    me = _connected(url, token=secret).me()
    place = keep_token(url, secret)
    if as_json:
        print_document({"server": url, "name": me["name"], "kept": place})
        return
    say(f"signed in at {visible(url)} as {visible(me['name'])}; the token is kept in {visible(place)}")
    what_next(f"lineal init --server {visible(url)}")


@click.command()
@click.argument("url", required=False, default="")
@json_option
def logout(*, url: str, as_json: bool) -> None:
    """Forget the token for a server; it stays good until it is revoked."""
    from lineal.bootstrap.credentials import drop_token
    from lineal.bootstrap.team import server_address

    place = server_address(url)
    dropped = drop_token(place)
    if as_json:
        print_document({"server": place, "dropped": dropped})
        return
    say(f"the token for {visible(place)} is forgotten" if dropped else f"there was no token for {visible(place)}")


@click.command()
@server_option
@json_option
def whoami(*, url: str, as_json: bool) -> None:
    """Say who the server takes you for."""
    found = _connected(url)
    me = found.me()
    if as_json:
        print_document({"server": found.address, **me})
        return
    say(f"{visible(me['name'])} at {visible(found.address)}{', admin' if me['admin'] else ''}")


@click.group()
def user() -> None:
    """Let people in to a server, and say what they may do."""


@user.command("list")
@server_option
@json_option
def list_users(*, url: str, as_json: bool) -> None:
    """List the users of a server."""
    found = _connected(url).users()
    if as_json:
        print_document(found)
        return
    made = table("User", "", "Roles", "Since")
    for item in found:
        roles = ", ".join(f"{project}: {role.value}" for project, role in item.roles.items())
        state = "removed" if item.removed_at else "admin" if item.admin else ""
        add_row(made, [visible(item.name), state, visible(roles), ago(item.created_at, now_us())], style="dim" if item.removed_at else "")
    show(made)


@user.command("add")
@click.argument("name")
@click.option("--admin", is_flag=True, help="May administer the whole server.")
@server_option
@_data_option
@json_option
def add_user(*, name: str, admin: bool, url: str, folder: Path | None, as_json: bool) -> None:
    """Add a user, and print the link that signs them in, once."""
    if folder is not None:
        from lineal.bootstrap.hosting import people_of

        with people_of(folder) as people:
            _invite(people.add_user(name, admin=admin), "", as_json=as_json)
        return
    server = _connected(url)
    _invite(server.add_user(name, admin=admin), server.address, as_json=as_json)


@user.command("invite")
@click.argument("name")
@server_option
@_data_option
@json_option
def invite_user(*, name: str, url: str, folder: Path | None, as_json: bool) -> None:
    """Print a new link that signs a user in, once; an unused one is good no more."""
    if folder is not None:
        from lineal.bootstrap.hosting import people_of

        with people_of(folder) as people:
            _invite(people.invite(name), "", as_json=as_json)
        return
    server = _connected(url)
    _invite(server.invite(name), server.address, as_json=as_json)


def _invite(invitation: Invitation, address: str, *, as_json: bool) -> None:
    link = f"{address}/sign-in?code={invitation.code}"
    if as_json:
        print_document({**_fields(invitation), "link": link})
        return
    say(f"{visible(invitation.user)} signs in with this link, once, within a day:")
    say(f"  {link}")


def _fields(record: Any) -> dict[str, Any]:
    from lineal.records.documents import document

    found: dict[str, Any] = document(record)
    return found


@user.command("remove")
@click.argument("name")
@server_option
@json_option
def remove_user(*, name: str, url: str, as_json: bool) -> None:
    """Let a user in no more; their tokens and sessions end, what they did stays theirs."""
    gone = _connected(url).remove_user(name)
    if as_json:
        print_document(gone)
        return
    say(f"{visible(gone.name)} may not come in any more")


@user.command("role")
@click.argument("name")
@click.argument("role", type=click.Choice(["none", "reader", "contributor", "maintainer", "admin"]))
@click.option("--project", required=True, metavar="NAME", help="In which project.")
@server_option
@json_option
def user_role(*, name: str, role: str, project: str, url: str, as_json: bool) -> None:
    """Give a user a role in a project, or take it with none."""
    found = _connected(url).set_role(project, name, "" if role == "none" else role)
    if as_json:
        print_document(found)
        return
    say(f"{visible(name)} is {role} in {visible(project)}" if role != "none" else f"{visible(name)} has no role in {visible(project)} any more")


@click.group()
def token() -> None:
    """Make and revoke what programs prove themselves with."""


@token.command("create")
@click.option("--note", default="", help="What it is for.")
@click.option("--service", metavar="NAME", default="", help="For a service that acts under this name, not as you; needs --project.")
@click.option("--project", metavar="NAME", default="", help="Good for this project only.")
@click.option("--role", type=ROLES, default=None, help="The most that it may do.")
@click.option("--expires", metavar="DAYS", type=click.IntRange(1, 3650), default=None, help="Good for so many days; for ever unless given.")
@server_option
@json_option
def create_token(*, note: str, service: str, project: str, role: str | None, expires: int | None, url: str, as_json: bool) -> None:
    """Make a token, and print its secret, once."""
    made = _connected(url).create_token(service=service, note=note, project=project, role=role or "", days=expires or 0)
    if as_json:
        print_document(made)
        return
    say(made.secret)
    click.echo("This is shown once. Use it as LINEAL_TOKEN, with lineal login, or as MLFLOW_TRACKING_TOKEN.", err=True)


@token.command("list")
@click.option("--all", "everybodys", is_flag=True, help="Everybody's, for an admin.")
@server_option
@json_option
def list_tokens(*, everybodys: bool, url: str, as_json: bool) -> None:
    """List your tokens."""
    found = _connected(url).tokens(everybodys=everybodys)
    if as_json:
        print_document(found)
        return
    made = table("Token", "Acts as", "For", "Only in", "At most", "Used", "State")
    for item in found:
        state = "revoked" if item.revoked_at else "expired" if item.expires_at and item.expires_at < now_us() else ""
        used = ago(item.used_at, now_us()) if item.used_at else "never"
        cells = [item.id, visible(item.owner), visible(item.note), visible(item.project), item.role.value, used, styled(state, "red")]
        add_row(made, cells, style="dim" if state else "")
    show(made)


@token.command("revoke")
@click.argument("identifier")
@server_option
@json_option
def revoke_token(*, identifier: str, url: str, as_json: bool) -> None:
    """End a token for good; the identifier is what stands behind ln_ in it."""
    gone = _connected(url).revoke(identifier.removeprefix("ln_").partition("_")[0])
    if as_json:
        print_document(gone)
        return
    say(f"the token {gone.id} of {visible(gone.owner)} is good no more")
