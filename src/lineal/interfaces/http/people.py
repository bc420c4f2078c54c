"""A server's projects and people over HTTP: below ``/api/v1/server``. A role here is one in the server: reader is anybody signed in."""

from __future__ import annotations

from typing import Any

from lineal.errors import InvalidInput, PermissionDenied
from lineal.interfaces.http.calls import Call
from lineal.interfaces.http.table import SWITCH, TEXT, Endpoint, parameter
from lineal.interfaces.scope import no_project, visible_roles
from lineal.records.access import Role
from lineal.records.hosting import PERSONAL, SERVICE, HostedProject

DAY = 86_400.0
MOST_DAYS = 3650
NUMBER_OF_DAYS = {"type": "integer", "minimum": 1, "maximum": MOST_DAYS}


def list_projects(call: Call) -> Any:
    """The projects that one may see."""
    roles = visible_roles(call.principal, call.server)
    return {"projects": [project for project in call.server.projects() if call.principal.admin or project.name in roles]}


def create_project(call: Call) -> Any:
    """Makes a project."""
    return call.server.create(call.field("name"))


def archive_project(call: Call) -> Any:
    """Hides a project."""
    return call.server.archive(call.path["project"])


def unarchive_project(call: Call) -> Any:
    """Brings a project back."""
    return call.server.unarchive(call.path["project"])


def list_users(call: Call) -> Any:
    """Every user, with their roles."""
    return {"users": call.server.people.users()}


def add_user(call: Call) -> Any:
    """Adds a user; the answer holds the code that signs them in once."""
    return call.server.people.add_user(call.field("name"), admin=call.optional_switch("admin"))


def invite_user(call: Call) -> Any:
    """A new code for a user to sign in with."""
    return call.server.people.invite(call.path["user"])


def remove_user(call: Call) -> Any:
    """Lets a user in no more."""
    return call.server.people.remove_user(call.path["user"])


def set_role(call: Call) -> Any:
    """Gives a user a role in a project; an empty one takes it."""
    text = call.optional_field("role") or ""
    return call.server.people.set_role(call.server.project(call.path["project"]), call.path["user"], read_role(text) if text else None)


def list_members(call: Call) -> Any:
    """Who has a role in the project."""
    project = call.workspace.project
    users = (user for user in call.server.people.users() if user.removed_at is None)
    return {"members": {user.name: Role.ADMIN if user.admin else user.roles[project] for user in users if user.admin or project in user.roles}}


def set_member(call: Call) -> Any:
    """Gives somebody a role in the project; an empty one takes it."""
    text, project = call.optional_field("role") or "", call.workspace.project
    user = call.server.people.set_role(call.server.project(project), call.path["user"], read_role(text) if text else None)
    return {"user": user.name, "role": user.roles.get(project, "")}


def who_am_i(call: Call) -> Any:
    """Who the caller is, as this server sees it."""
    principal = call.principal
    return {"name": principal.name, "admin": principal.admin, "token": principal.token, "whole": principal.whole}


def list_tokens(call: Call) -> Any:
    """The caller's tokens; of everybody where an admin asks for all."""
    if call.switched("all") and not call.principal.admin:
        raise PermissionDenied("only an admin may see everybody's tokens", kind="forbidden", hint="Leave all out to see your own.")
    return {"tokens": call.server.people.tokens(owner="" if call.switched("all") else call.principal.name)}


def create_token(call: Call) -> Any:
    """A new token; the answer is the only place where its secret is."""
    principal = call.principal
    if not principal.whole:
        raise PermissionDenied(
            "a token of one project or of a lower role makes no others", kind="forbidden", hint="Sign in, or use a token without such bounds."
        )
    service = call.optional_field("service") or ""
    if service and not principal.admin:
        raise PermissionDenied("only an admin makes tokens for services", kind="forbidden", hint="Ask one, or make a personal token.")
    days = call.optional_count("days")
    if days > MOST_DAYS:
        raise InvalidInput(
            f"a token is good for at most {MOST_DAYS} days, got {days}", kind="bad-body", hint="Leave days out for one that does not end."
        )
    return call.server.people.create_token(
        service or principal.name,
        kind=SERVICE if service else PERSONAL,
        note=call.optional_field("note") or "",
        project=_project(call),
        role=read_role(call.optional_field("role") or (Role.CONTRIBUTOR if service else Role.ADMIN)),
        seconds=days * DAY if days else None,
    )


def revoke_token(call: Call) -> Any:
    """Ends a token for good."""
    people, identifier = call.server.people, call.path["token"]
    mine = {token.id for token in people.tokens(owner=call.principal.name)}
    if identifier not in mine and not call.principal.admin:
        raise PermissionDenied("only its owner or an admin revokes a token", kind="forbidden")
    return people.revoke(identifier)


def sign_out_everywhere(call: Call) -> Any:
    """Ends all of the caller's sessions."""
    call.server.people.sign_out_everywhere(call.principal.name)
    return {}


def read_role(text: str) -> Role:
    """The role of a name. Raises InvalidInput kind ``bad-role``."""
    try:
        return Role(text)
    except ValueError:
        raise InvalidInput(f"{text!r} is no role", kind="bad-role", hint=f"There are {', '.join(Role)}.") from None


def _project(call: Call) -> HostedProject | None:
    """The project that is named. Raises NotFound kind ``unknown-project`` for one that the caller may not see, just as for one that is not there."""
    name = call.optional_field("project")
    if not name:
        return None
    found = call.server.project(name)
    if not call.principal.admin and name not in visible_roles(call.principal, call.server):
        raise no_project(name)
    return found


ROLE = {"type": "string", "enum": ["", *Role]}

ENDPOINTS = (
    Endpoint(method="GET", path="/members", summary="Who has a role in the project", handler=list_members, group="people", role=Role.ADMIN),
    Endpoint(
        method="PUT",
        path="/members/{user}",
        summary="Give a role in the project, or take it",
        handler=set_member,
        group="people",
        role=Role.ADMIN,
        body={"role": ROLE},
    ),
)

SERVER_ENDPOINTS = (
    Endpoint(method="GET", path="/server/me", summary="Who am I", handler=who_am_i, group="server", role=Role.READER),
    Endpoint(method="GET", path="/server/projects", summary="Projects", handler=list_projects, group="server", role=Role.READER),
    Endpoint(
        method="POST",
        path="/server/projects",
        summary="Make a project",
        handler=create_project,
        group="server",
        role=Role.ADMIN,
        body={"name": TEXT},
        required=("name",),
    ),
    Endpoint(
        method="POST", path="/server/projects/{project}/archive", summary="Hide a project", handler=archive_project, group="server", role=Role.ADMIN
    ),
    Endpoint(
        method="POST",
        path="/server/projects/{project}/unarchive",
        summary="Bring a project back",
        handler=unarchive_project,
        group="server",
        role=Role.ADMIN,
    ),
    Endpoint(method="GET", path="/server/users", summary="Users", handler=list_users, group="server", role=Role.ADMIN),
    Endpoint(
        method="POST",
        path="/server/users",
        summary="Add a user",
        handler=add_user,
        group="server",
        role=Role.ADMIN,
        body={"name": TEXT, "admin": SWITCH},
        required=("name",),
    ),
    Endpoint(
        method="POST", path="/server/users/{user}/invite", summary="A new code to sign in with", handler=invite_user, group="server", role=Role.ADMIN
    ),
    Endpoint(method="DELETE", path="/server/users/{user}", summary="Let a user in no more", handler=remove_user, group="server", role=Role.ADMIN),
    Endpoint(
        method="PUT",
        path="/server/users/{user}/roles/{project}",
        summary="Give a role, or take it",
        handler=set_role,
        group="server",
        role=Role.ADMIN,
        body={"role": ROLE},
    ),
    Endpoint(
        method="GET",
        path="/server/tokens",
        summary="Tokens",
        handler=list_tokens,
        group="server",
        role=Role.READER,
        query=(parameter("all", "everybody's, for an admin", SWITCH),),
    ),
    Endpoint(
        method="POST",
        path="/server/tokens",
        summary="Make a token",
        handler=create_token,
        group="server",
        role=Role.READER,
        body={"note": TEXT, "project": TEXT, "role": ROLE, "days": NUMBER_OF_DAYS, "service": TEXT},
    ),
    Endpoint(method="DELETE", path="/server/tokens/{token}", summary="Revoke a token", handler=revoke_token, group="server", role=Role.READER),
    Endpoint(method="POST", path="/server/sign-out", summary="End all my sessions", handler=sign_out_everywhere, group="server", role=Role.READER),
)
