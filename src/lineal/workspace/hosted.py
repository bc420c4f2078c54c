"""What a server's doors know of it: its projects, and the people who work in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from lineal.records.access import Role

if TYPE_CHECKING:
    from lineal.records.access import Principal
    from lineal.records.hosting import HostedProject, Invitation, Secret, Token, User
    from lineal.workspace.interface import Workspace


class Proof(Protocol):
    """What a secret proves, in whatever project."""

    @property
    def name(self) -> str:
        """The user's or service's name."""

    @property
    def token(self) -> str:
        """The token's id; empty for a session of the pages."""

    @property
    def server_admin(self) -> bool:
        """Whether it may administer the server."""

    @property
    def whole(self) -> bool:
        """Whether it may do all that its owner may."""

    def principal(self, project_id: str) -> Principal | None:
        """Who that is in a project; None for one that may not even see it."""


class People(Protocol):
    """Users, roles, tokens and sessions."""

    def users(self) -> Sequence[User]: ...
    def user(self, name: str) -> User: ...
    def add_user(self, name: str, *, admin: bool = False) -> Invitation: ...
    def invite(self, name: str) -> Invitation: ...
    def remove_user(self, name: str) -> User: ...
    def set_role(self, project: HostedProject, name: str, role: Role | None) -> User: ...
    def create_token(
        self, owner: str, *, kind: str = ..., note: str = "", project: HostedProject | None = None, role: Role = Role.ADMIN, seconds: float | None
    ) -> Secret: ...
    def tokens(self, *, owner: str = "") -> Sequence[Token]: ...
    def revoke(self, identifier: str) -> Token: ...
    def prove(self, secret: str) -> Proof | None: ...
    def session(self, secret: str) -> Proof | None: ...
    def sign_in(self, code: str) -> str | None: ...
    def begin_session(self, name: str) -> str: ...
    def sign_out(self, secret: str) -> None: ...
    def sign_out_everywhere(self, name: str) -> None: ...
    def tell_refused(self, action: str, client: str, secret: str) -> None: ...


class Projects(Protocol):
    """The projects of a server."""

    @property
    def people(self) -> People: ...
    def projects(self) -> Sequence[HostedProject]: ...
    def project(self, name: str) -> HostedProject: ...
    def create(self, name: str) -> HostedProject: ...
    def archive(self, name: str) -> HostedProject: ...
    def unarchive(self, name: str) -> HostedProject: ...
    def workspace(self, name: str) -> Workspace: ...
    def is_at_hand(self, name: str) -> bool:
        """Whether `project` and `workspace` answer at once, without asking anybody."""

    def problems(self) -> dict[str, str]:
        """What does not answer: a sentence for each part, by its name; empty where all is well."""
