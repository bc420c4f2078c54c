"""Who may do what: roles in a project, from looking to ruling, and who acts in a request."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What somebody may do in a project; each role may do what those before it may.

    >>> Role.MAINTAINER.covers(Role.READER), Role.READER.covers(Role.CONTRIBUTOR)
    (True, False)
    """

    READER = "reader"
    CONTRIBUTOR = "contributor"
    MAINTAINER = "maintainer"
    ADMIN = "admin"

    def covers(self, needed: Role) -> bool:
        """Whether somebody of this role may do what asks for ``needed``."""
        return _ORDER.index(self) >= _ORDER.index(needed)


_ORDER = tuple(Role)


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who a request acts as.

    Attributes:
        name: the user's or the service token's name, for events and authorship.
        role: what it may do in the project that the request is about.
        token: id of the token that proved it, or empty: a session of the pages, or no server that asks.
        admin: whether it may administer the whole server.
        whole: whether it may do all that its owner may; a token of one project or of a lower role may not.
    """

    name: str = ""
    role: Role = Role.ADMIN
    token: str = ""
    admin: bool = False
    whole: bool = True
