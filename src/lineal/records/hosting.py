"""What a server keeps: projects, the people and services that work in them, and what they prove themselves with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from lineal.records.access import Role

PERSONAL = "personal"
SERVICE = "service"
DEFAULT_PROJECT = "default"
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}\Z")
"""What a project, a user or a service may be called: it stands in addresses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedProject:
    """A project of a server.

    Attributes:
        id: 32 hex digits.
        runs: how many it has, deleted ones left out.
        last_run_at: when the newest began, microseconds UTC, or None.
        archived_at: since when it is hidden and cannot be changed, or None.
    """

    id: str
    name: str
    created_at: int
    archived_at: int | None = None
    runs: int = 0
    last_run_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person who may sign in.

    Attributes:
        admin: whether they may administer the whole server.
        roles: their role by project name.
        removed_at: since when they may not sign in any more, or None.
    """

    name: str
    admin: bool = False
    created_at: int = 0
    removed_at: int | None = None
    roles: Mapping[str, Role] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What a program proves itself with; the secret is shown once and kept nowhere.

    Attributes:
        id: 12 hex digits; the secret begins with them, so that one that was found somewhere can be revoked.
        kind: ``personal`` (acts as the user) or ``service`` (acts as itself).
        owner: the user's name, or the service's.
        project: the only project it is good for, or empty for every one that its owner may see.
        role: the most that it may do, whatever its owner may.
        expires_at, used_at, revoked_at: microseconds UTC, or None. ``used_at`` is right to a minute.
    """

    id: str
    kind: str
    owner: str
    note: str = ""
    project: str = ""
    role: Role = Role.ADMIN
    created_at: int = 0
    expires_at: int | None = None
    used_at: int | None = None
    revoked_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A new token with its secret, which nobody can be told again."""

    secret: str
    token: Token


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """A code that signs its user in once.

    Attributes:
        expires_at: microseconds UTC.
    """

    code: str
    user: str
    expires_at: int
