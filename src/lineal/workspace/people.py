"""Users, roles, tokens and sessions of a server. A secret is 256 random bits, shown once; what is kept is its SHA-256."""

from __future__ import annotations

import hashlib
import hmac
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import Connection

from lineal.errors import Conflict, InvalidInput, LinealError, NotFound
from lineal.ledger import people as rows
from lineal.ledger.database import Ledger
from lineal.ledger.events import record_event
from lineal.records.access import Principal, Role
from lineal.records.hosting import NAME, PERSONAL, SERVICE, HostedProject, Invitation, Secret, Token, User
from lineal.workspace.acting import acting

SECOND = 1_000_000
INVITATION_SECONDS = 24 * 3600
SESSION_SECONDS = 30 * 24 * 3600
IDLE_SECONDS = 7 * 24 * 3600
_KNOWN_SECONDS = 5
"""How long what a secret proves is remembered, so that not every request asks the ledger: a revoked one is good for so long at most."""
_SEEN_SECONDS = 60
_MOST_KNOWN = 4096
NOBODY = "(nobody)"
"""Who acts where nobody proved who they are; no user's name."""
_PREFIX = "ln_"
_SECRET = re.compile(r"ln_([0-9a-f]{12})_[0-9a-f]{64}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """What a secret proves, in whatever project.

    Attributes:
        roles: the role by project id; ``everywhere`` where a server's admin has every one.
        cap: the most that the token may do.
        only: id of the only project it is good for, or empty.
    """

    name: str
    token: str
    admin: bool
    cap: Role
    only: str
    roles: dict[str, Role]
    until: int

    def principal(self, project_id: str) -> Principal | None:
        """Who that is in a project; None for one that may not even see it."""
        if self.only and self.only != project_id:
            return None
        role = Role.ADMIN if self.admin else self.roles.get(project_id)
        if role is None:
            return None
        capped = role if self.cap.covers(role) else self.cap
        return Principal(name=self.name, role=capped, token=self.token, admin=self.server_admin)

    @property
    def whole(self) -> bool:
        """Whether it may do all that its owner may."""
        return not self.only and self.cap is Role.ADMIN

    @property
    def server_admin(self) -> bool:
        """Whether it may administer the server: a token of one project or of a lower role may not."""
        return self.admin and self.whole


class LocalPeople:
    """The people of one ledger. Thread safe."""

    def __init__(self, ledger: Ledger, *, server: str, user: str, clock: Callable[[], int], entropy: Callable[[int], bytes]) -> None:
        self._ledger = ledger
        self._server = server
        self._user = user
        self._clock = clock
        self._entropy = entropy
        self._known: dict[str, Proven] = {}
        self._lock = threading.Lock()

    def users(self) -> tuple[User, ...]:
        """Every user by name, removed ones too."""
        with self._ledger.read() as connection:
            return tuple(rows.list_users(connection))

    def user(self, name: str) -> User:
        """A user. Raises NotFound kind ``unknown-user``."""
        found = next((user for user in self.users() if user.name == name), None)
        if found is None:
            raise NotFound(f"there is no user {name!r}", kind="unknown-user", hint="See who there is with: lineal user list")
        return found

    def add_user(self, name: str, *, admin: bool = False) -> Invitation:
        """Adds a user, or makes one an admin or none; gives a code to sign in with.

        Raises:
            InvalidInput: kind ``bad-name``. Conflict: kind ``name-taken``, for the name of a service.
        """
        _check_name(name, "user")
        if any(token.kind == SERVICE for token in self.tokens(owner=name)):
            raise Conflict(f"{name} is a service on this server", kind="name-taken", hint="Choose another name.")
        with self._ledger.write() as connection:
            rows.put_user(connection, name=name, admin=admin, now=self._clock())
            self._tell(connection, "user.added", f"user:{name}", admin=admin)
            invitation = self._invite(connection, name)
        self._forget()
        return invitation

    def invite(self, name: str) -> Invitation:
        """A new code for a user to sign in with; an unused one is good no more."""
        self._living(name)
        with self._ledger.write() as connection:
            self._tell(connection, "user.invited", f"user:{name}")
            return self._invite(connection, name)

    def remove_user(self, name: str) -> User:
        """Lets a user in no more; what they did stays theirs. Raises InvalidInput kind ``last-admin``."""
        user = self._living(name)
        admins = [some for some in self.users() if some.admin and some.removed_at is None]
        if user.admin and len(admins) == 1:
            raise InvalidInput(
                f"{name} is the only admin of this server", kind="last-admin", hint="Make another one first: lineal user add NAME --admin"
            )
        with self._ledger.write() as connection:
            rows.remove_user(connection, name, self._clock())
            self._tell(connection, "user.removed", f"user:{name}")
        self._forget()
        return self.user(name)

    def set_role(self, project: HostedProject, name: str, role: Role | None) -> User:
        """Gives a user a role in a project; None takes it."""
        self._living(name)
        with self._ledger.write() as connection:
            rows.set_role(connection, project.id, name, role)
            self._tell(connection, "user.role", f"user:{name}", project=project.name, role=role.value if role else "")
        self._forget()
        return self.user(name)

    def create_token(
        self,
        owner: str,
        *,
        kind: str = PERSONAL,
        note: str = "",
        project: HostedProject | None = None,
        role: Role = Role.ADMIN,
        seconds: float | None,
    ) -> Secret:
        """A new token; its secret is in the answer and nowhere else.

        Args:
            owner: the user, or for a service the name that it acts under.
            project: the only one it is good for; a service needs one.
            seconds: how long it is good; for ever where None.

        Raises:
            InvalidInput: kind ``bad-name`` or ``which-project``. NotFound: kind ``unknown-user``.
            Conflict: kind ``name-taken``, for a service with the name of a person: what it does would be theirs.
        """
        if kind == SERVICE:
            _check_name(owner, "service")
            if any(user.name == owner for user in self.users()):
                raise Conflict(f"{owner} is a person on this server", kind="name-taken", hint="Give the service another name.")
            if project is None:
                raise InvalidInput("a service's token is good for one project", kind="which-project", hint="Say which with --project NAME.")
        else:
            self._living(owner)
        now = self._clock()
        identifier = self._entropy(6).hex()
        secret = f"{_PREFIX}{identifier}_{self._entropy(32).hex()}"
        expires = None if seconds is None else now + int(seconds * SECOND)
        token = Token(
            id=identifier, kind=kind, owner=owner, note=note, project=project.name if project else "", role=role, created_at=now, expires_at=expires
        )
        with self._ledger.write() as connection:
            rows.add_token(connection, token, digest=_digest(secret), project_id=project.id if project else "")
            self._tell(connection, "token.created", f"token:{identifier}", owner=owner, kind=kind, role=role.value)
        return Secret(secret=secret, token=token)

    def tokens(self, *, owner: str = "") -> tuple[Token, ...]:
        """Tokens, newest first; only an owner's where one is given."""
        with self._ledger.read() as connection:
            return tuple(rows.list_tokens(connection, owner=owner))

    def revoke(self, identifier: str) -> Token:
        """Ends a token for good. Raises NotFound kind ``unknown-token``."""
        token = next((token for token in self.tokens() if token.id == identifier), None)
        if token is None:
            raise NotFound(f"there is no token {identifier!r}", kind="unknown-token", hint="See which there are with: lineal token list")
        with self._ledger.write() as connection:
            rows.revoke_token(connection, identifier, self._clock())
            self._tell(connection, "token.revoked", f"token:{identifier}", owner=token.owner)
        self._forget()
        return next(found for found in self.tokens() if found.id == identifier)

    def prove(self, secret: str) -> Proven | None:
        """What a token's secret proves now; None for one that is unknown, expired or revoked."""
        return self._remembered(_digest(secret), lambda: self._token(secret))

    def sign_in(self, code: str) -> str | None:
        """A new session's secret for a code that is good once; None where it is not good."""
        now = self._clock()
        with self._ledger.write() as connection:
            user = rows.take_sign_in(connection, _digest(code), now)
            if user is None:
                return None
            self._tell(connection, "user.signed-in", f"user:{user}", actor=user)
            return self._session(connection, user)

    def begin_session(self, name: str) -> str:
        """A new session's secret for a user who proved themselves with a personal token."""
        self._living(name)
        with self._ledger.write() as connection:
            self._tell(connection, "user.signed-in", f"user:{name}", actor=name)
            return self._session(connection, name)

    def session(self, secret: str) -> Proven | None:
        """Whose session it is; None where it is over."""
        digest = _digest(secret)
        return self._remembered("s" + digest, lambda: self._found_session(digest))

    def sign_out(self, secret: str) -> None:
        """Ends a session."""
        with self._ledger.write() as connection:
            rows.end_sessions(connection, digest=_digest(secret))
        self._forget()

    def tell_refused(self, action: str, client: str, secret: str) -> None:
        """Makes an event of a secret that proved nothing: from where, and whose it once was where its public part says so. The secret is kept nowhere.

        A ledger that does not answer keeps nobody from being refused.
        """
        match = _SECRET.match(secret)
        identifier = match[1] if match else ""
        with suppress(LinealError), self._ledger.write() as connection:
            owner = next((token.owner for token in rows.list_tokens(connection) if token.id == identifier), "") if identifier else ""
            subject = f"token:{identifier}" if owner else "server:entrance"
            self._tell(connection, action, subject, actor=NOBODY, client=client, owner=owner)

    def sign_out_everywhere(self, name: str) -> None:
        """Ends all of a user's sessions."""
        with self._ledger.write() as connection:
            rows.end_sessions(connection, user=name)
            self._tell(connection, "user.signed-out", f"user:{name}")
        self._forget()

    def _living(self, name: str) -> User:
        user = self.user(name)
        if user.removed_at is not None:
            raise NotFound(f"the user {name} was removed", kind="unknown-user", hint=f"Let them come back with: lineal user add {name}")
        return user

    def _invite(self, connection: Connection, name: str) -> Invitation:
        code = self._entropy(24).hex()
        expires = self._clock() + INVITATION_SECONDS * SECOND
        rows.add_sign_in(connection, digest=_digest(code), user=name, expires_at=expires)
        return Invitation(code=code, user=name, expires_at=expires)

    def _session(self, connection: Connection, user: str) -> str:
        secret, now = self._entropy(32).hex(), self._clock()
        rows.add_session(connection, digest=_digest(secret), user=user, now=now, expires_at=now + SESSION_SECONDS * SECOND)
        return secret

    def _token(self, secret: str) -> Proven | None:
        found = _SECRET.match(secret)
        if found is None:
            return None
        identifier, now = found[1], self._clock()
        with self._ledger.read() as connection:
            known = rows.find_token(connection, identifier)
            if known is None or not hmac.compare_digest(known[1], _digest(secret)):
                return None
            token, _kept, project = known
            over = token.revoked_at is not None or (token.expires_at is not None and token.expires_at <= now)
            proven = None if over else self._owner(connection, token, project)
        if proven is not None and (token.used_at is None or now - token.used_at > _SEEN_SECONDS * SECOND):
            with self._ledger.write() as connection:
                rows.note_use(connection, identifier, now)
        return proven

    def _owner(self, connection: Connection, token: Token, project: str) -> Proven | None:
        until = min(self._clock() + _KNOWN_SECONDS * SECOND, token.expires_at or 1 << 62)
        if token.kind == SERVICE:
            return Proven(name=token.owner, token=token.id, admin=False, cap=token.role, only=project, roles={project: token.role}, until=until)
        user = rows.find_user(connection, token.owner)
        if user is None or user.removed_at is not None:
            return None
        roles = rows.roles_of(connection, token.owner)
        return Proven(name=user.name, token=token.id, admin=user.admin, cap=token.role, only=project, roles=roles, until=until)

    def _found_session(self, digest: str) -> Proven | None:
        now = self._clock()
        with self._ledger.read() as connection:
            row = rows.find_session(connection, digest)
            if row is None or row["expires_at"] <= now or now - row["seen_at"] > IDLE_SECONDS * SECOND:
                return None
            user = rows.find_user(connection, row["user"])
            if user is None or user.removed_at is not None:
                return None
            roles = rows.roles_of(connection, user.name)
        if now - row["seen_at"] > _SEEN_SECONDS * SECOND:
            with self._ledger.write() as connection:
                rows.see_session(connection, digest, now)
        until = now + _KNOWN_SECONDS * SECOND
        return Proven(name=user.name, token="", admin=user.admin, cap=Role.ADMIN, only="", roles=roles, until=until)

    def _remembered(self, key: str, ask: Callable[[], Proven | None]) -> Proven | None:
        known = self._known.get(key)
        if known is not None and known.until > self._clock():
            return known
        found = ask()
        with self._lock:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            if found is None:
                self._known.pop(key, None)
            else:
                self._known[key] = found
        return found

    def _forget(self) -> None:
        """What was proven before counts no more."""
        with self._lock:
            self._known.clear()

    def _tell(self, connection: Connection, action: str, subject: str, *, actor: str = "", **payload: object) -> None:
        who = actor or acting() or self._user
        record_event(connection, project_id=self._server, at=self._clock(), actor=who, action=action, subject=subject, payload=payload)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def _check_name(name: str, what: str) -> None:
    if not NAME.match(name):
        raise InvalidInput(
            f"{name!r} cannot be a {what}'s name",
            kind="bad-name",
            hint="Use up to 64 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit.",
        )
