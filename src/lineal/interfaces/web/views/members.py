"""Who may do what in a project of a server."""

from __future__ import annotations

from lineal.errors import NotFound
from lineal.interfaces.web.pages import Page, Visit
from lineal.records.access import Role


def members_page(visit: Visit) -> Page:
    """Every member with a role to change, and a form for one more.

    Raises NotFound kind ``no-server`` where one works alone.
    """
    if visit.server is None:
        raise NotFound("nobody has a role here", kind="no-server", hint="Roles are given in the projects of a server: lineal server")
    project = visit.workspace.project
    users = [user for user in visit.server.people.users() if user.removed_at is None]
    members = {user.name: user.roles[project] for user in users if not user.admin and project in user.roles}
    admins = [user.name for user in users if user.admin]
    others = [user.name for user in users if not user.admin and user.name not in members] if visit.principal.admin else []
    value = {"members": members, "admins_of_the_server": admins}
    return Page(template="members.html", title="Members", value=value, context={**value, "others": others, "roles": tuple(Role)})
