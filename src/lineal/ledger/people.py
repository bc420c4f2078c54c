"""Who may sign in, in which project with which role, and the digests of what they prove themselves with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from lineal.ledger.portable import upsert
from lineal.ledger.schema import memberships, projects, runs, sessions, sign_ins, tokens, users
from lineal.records.access import Role
from lineal.records.hosting import HostedProject, Token, User


def list_projects(connection: Connection) -> list[HostedProject]:
    """Every project by name, archived ones too, with how many runs each has."""
    counted = select(runs.c.project_id, func.count().label("runs"), func.max(runs.c.started_at).label("last"))
    counts = counted.where(runs.c.deleted_at.is_(None)).group_by(runs.c.project_id).subquery()
    query = select(projects, counts.c.runs, counts.c.last).select_from(projects.outerjoin(counts, counts.c.project_id == projects.c.id))
    return [
        HostedProject(id=row.id, name=row.name, created_at=row.created_at, archived_at=row.archived_at, runs=row.runs or 0, last_run_at=row.last)
        for row in connection.execute(query.order_by(projects.c.name))
    ]


def find_project(connection: Connection, name: str) -> HostedProject | None:
    """The project of that name, without its counts."""
    row = connection.execute(select(projects).where(projects.c.name == name)).one_or_none()
    return None if row is None else HostedProject(id=row.id, name=row.name, created_at=row.created_at, archived_at=row.archived_at)


def add_project(connection: Connection, *, identifier: str, name: str, now: int) -> None:
    """Adds a project's row."""
    connection.execute(insert(projects).values(id=identifier, name=name, created_at=now))


def archive_project(connection: Connection, identifier: str, at: int | None) -> None:
    """Archives a project, or takes that back with None."""
    connection.execute(update(projects).where(projects.c.id == identifier).values(archived_at=at))


def list_users(connection: Connection) -> list[User]:
    """Every user by name, removed ones too."""
    joined = memberships.join(projects, projects.c.id == memberships.c.project_id)
    roles: dict[str, dict[str, Role]] = {}
    for row in connection.execute(select(memberships.c.user, memberships.c.role, projects.c.name).select_from(joined).order_by(projects.c.name)):
        roles.setdefault(row.user, {})[row.name] = Role(row.role)
    return [
        User(name=row.name, admin=row.admin, created_at=row.created_at, removed_at=row.removed_at, roles=roles.get(row.name, {}))
        for row in connection.execute(select(users).order_by(users.c.name))
    ]


def find_user(connection: Connection, name: str) -> User | None:
    """A user without roles."""
    row = connection.execute(select(users).where(users.c.name == name)).one_or_none()
    return None if row is None else User(name=row.name, admin=row.admin, created_at=row.created_at, removed_at=row.removed_at)


def put_user(connection: Connection, *, name: str, admin: bool, now: int) -> None:
    """Adds a user, or lets one who was removed come back."""
    known = find_user(connection, name)
    if known is None:
        connection.execute(insert(users).values(name=name, admin=admin, created_at=now))
    else:
        connection.execute(update(users).where(users.c.name == name).values(admin=admin, removed_at=None))


def remove_user(connection: Connection, name: str, now: int) -> None:
    """Lets a user sign in no more: their sessions, codes and personal tokens end with that."""
    connection.execute(update(users).where(users.c.name == name).values(removed_at=now))
    connection.execute(delete(sessions).where(sessions.c.user == name))
    connection.execute(delete(sign_ins).where(sign_ins.c.user == name))
    mine = (tokens.c.owner == name, tokens.c.kind == "personal", tokens.c.revoked_at.is_(None))
    connection.execute(update(tokens).where(*mine).values(revoked_at=now))


def roles_of(connection: Connection, user: str) -> dict[str, Role]:
    """A user's roles by project id."""
    query = select(memberships.c.project_id, memberships.c.role).where(memberships.c.user == user)
    return {row.project_id: Role(row.role) for row in connection.execute(query)}


def set_role(connection: Connection, project_id: str, user: str, role: Role | None) -> None:
    """Gives a user a role in a project; None takes it."""
    if role is None:
        connection.execute(delete(memberships).where(memberships.c.project_id == project_id, memberships.c.user == user))
    else:
        row = {"project_id": project_id, "user": user, "role": role.value}
        upsert(connection, memberships, [row], keys=("project_id", "user"))


def add_token(connection: Connection, token: Token, *, digest: str, project_id: str) -> None:
    """Adds a token by the digest of its secret."""
    connection.execute(
        insert(tokens).values(
            id=token.id,
            digest=digest,
            kind=token.kind,
            owner=token.owner,
            note=token.note,
            project_id=project_id,
            role=token.role.value,
            created_at=token.created_at,
            expires_at=token.expires_at,
        )
    )


def list_tokens(connection: Connection, *, owner: str = "") -> list[Token]:
    """Tokens, newest first; only an owner's where one is given."""
    query = select(tokens, projects.c.name.label("project")).select_from(tokens.outerjoin(projects, projects.c.id == tokens.c.project_id))
    if owner:
        query = query.where(tokens.c.owner == owner)
    return [_token(dict(row)) for row in connection.execute(query.order_by(tokens.c.created_at.desc(), tokens.c.id)).mappings()]


def find_token(connection: Connection, identifier: str) -> tuple[Token, str, str] | None:
    """A token with the digest of its secret and the id of its project."""
    query = select(tokens, projects.c.name.label("project")).select_from(tokens.outerjoin(projects, projects.c.id == tokens.c.project_id))
    row = connection.execute(query.where(tokens.c.id == identifier)).mappings().one_or_none()
    return None if row is None else (_token(dict(row)), row["digest"], row["project_id"])


def revoke_token(connection: Connection, identifier: str, now: int) -> None:
    """Ends a token for good."""
    connection.execute(update(tokens).where(tokens.c.id == identifier, tokens.c.revoked_at.is_(None)).values(revoked_at=now))


def note_use(connection: Connection, identifier: str, now: int) -> None:
    """Notes when a token was last used."""
    connection.execute(update(tokens).where(tokens.c.id == identifier).values(used_at=now))


def add_sign_in(connection: Connection, *, digest: str, user: str, expires_at: int) -> None:
    """Adds a code that signs a user in once, in the place of one that was not used."""
    connection.execute(delete(sign_ins).where(sign_ins.c.user == user))
    connection.execute(insert(sign_ins).values(digest=digest, user=user, expires_at=expires_at))


def take_sign_in(connection: Connection, digest: str, now: int) -> str | None:
    """The user of a code that is still good, which it is not any more then."""
    row = connection.execute(select(sign_ins.c.user, sign_ins.c.expires_at).where(sign_ins.c.digest == digest)).one_or_none()
    if row is None or connection.execute(delete(sign_ins).where(sign_ins.c.digest == digest)).rowcount != 1:
        return None
    return str(row.user) if row.expires_at > now else None


def add_session(connection: Connection, *, digest: str, user: str, now: int, expires_at: int) -> None:
    """Adds a session of the pages, and forgets those that are over."""
    connection.execute(delete(sessions).where(sessions.c.expires_at <= now))
    connection.execute(insert(sessions).values(digest=digest, user=user, created_at=now, seen_at=now, expires_at=expires_at))


def find_session(connection: Connection, digest: str) -> Mapping[str, Any] | None:
    """A session by the digest of its cookie: user, when it was last seen, when it ends."""
    row = connection.execute(select(sessions).where(sessions.c.digest == digest)).mappings().one_or_none()
    return None if row is None else dict(row)


def see_session(connection: Connection, digest: str, now: int) -> None:
    """Notes that a session is used."""
    connection.execute(update(sessions).where(sessions.c.digest == digest).values(seen_at=now))


def end_sessions(connection: Connection, *, digest: str = "", user: str = "") -> None:
    """Ends one session, or all of a user."""
    connection.execute(delete(sessions).where(sessions.c.digest == digest if digest else sessions.c.user == user))


def _token(row: Mapping[str, Any]) -> Token:
    return Token(
        id=row["id"],
        kind=row["kind"],
        owner=row["owner"],
        note=row["note"],
        project=row["project"] or "",
        role=Role(row["role"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        used_at=row["used_at"],
        revoked_at=row["revoked_at"],
    )
