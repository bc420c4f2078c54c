"""A server's projects and people, asked of it over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from lineal.records.hosting import HostedProject, Invitation, Secret, Token, User
from lineal.workspace.remote.client import Client
from lineal.workspace.wire import restore, restore_each


class RemoteServer:
    """What an admin does to a server from elsewhere; what a person does to their own tokens."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @property
    def address(self) -> str:
        """Where it is."""
        return self._client.address

    def me(self) -> dict[str, Any]:
        """Who the server takes the caller for."""
        return dict(self._client.get("/server/me"))

    def projects(self) -> Sequence[HostedProject]:
        """The projects that the caller may see."""
        return restore_each(HostedProject, self._client.get("/server/projects")["projects"])

    def create(self, name: str) -> HostedProject:
        """Makes a project."""
        return restore(HostedProject, self._client.post("/server/projects", {"name": name}))

    def archive(self, name: str) -> HostedProject:
        """Hides a project."""
        return restore(HostedProject, self._client.post(f"/server/projects/{_part(name)}/archive"))

    def unarchive(self, name: str) -> HostedProject:
        """Brings a project back."""
        return restore(HostedProject, self._client.post(f"/server/projects/{_part(name)}/unarchive"))

    def users(self) -> Sequence[User]:
        """Every user."""
        return restore_each(User, self._client.get("/server/users")["users"])

    def add_user(self, name: str, *, admin: bool = False) -> Invitation:
        """Adds a user."""
        return restore(Invitation, self._client.post("/server/users", {"name": name, "admin": admin}))

    def invite(self, name: str) -> Invitation:
        """A new code for a user."""
        return restore(Invitation, self._client.post(f"/server/users/{_part(name)}/invite"))

    def remove_user(self, name: str) -> User:
        """Lets a user in no more."""
        return restore(User, self._client.post(f"/server/users/{_part(name)}", method="DELETE"))

    def set_role(self, project: str, name: str, role: str) -> User:
        """Gives a user a role in a project; an empty one takes it."""
        return restore(User, self._client.post(f"/server/users/{_part(name)}/roles/{_part(project)}", {"role": role}, method="PUT"))

    def tokens(self, *, everybodys: bool = False) -> Sequence[Token]:
        """The caller's tokens, or everybody's."""
        return restore_each(Token, self._client.get("/server/tokens", all="1" if everybodys else "")["tokens"])

    def create_token(self, *, service: str = "", note: str = "", project: str = "", role: str = "", days: int = 0) -> Secret:
        """A new token."""
        wanted = {"service": service, "note": note, "project": project, "role": role, "days": days}
        return restore(Secret, self._client.post("/server/tokens", {key: value for key, value in wanted.items() if value}))

    def revoke(self, identifier: str) -> Token:
        """Ends a token."""
        return restore(Token, self._client.post(f"/server/tokens/{_part(identifier)}", method="DELETE"))

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()


class RemoteMembers:
    """Who may do what in one project, for whoever is its admin."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def list(self) -> dict[str, str]:
        """Roles by name."""
        return dict(self._client.get("/members")["members"])

    def give(self, name: str, role: str) -> dict[str, str]:
        """Gives somebody a role; an empty one takes it."""
        return dict(self._client.post(f"/members/{_part(name)}", {"role": role}, method="PUT"))

    def close(self) -> None:
        """Gives the connection back."""
        self._client.close()


def _part(text: str) -> str:
    return quote(text, safe="")
