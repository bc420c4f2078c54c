"""What this user proves themselves with to servers: found where they keep it, kept where nobody else reads it."""

from __future__ import annotations

import contextlib
import json
import netrc
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from lineal.bootstrap.settings import environment
from lineal.errors import InvalidInput, Unavailable

TOKEN_VARIABLE = "LINEAL_TOKEN"  # noqa: S105 - the variable's name
_SERVICE = "lineal"


def origin(url: str) -> str:
    """The server of an address. Raises InvalidInput kind ``bad-address``.

    >>> origin("https://lineal.example/projects/flights/"), origin("http://127.0.0.1:8500")
    ('https://lineal.example', 'http://127.0.0.1:8500')
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        raise InvalidInput(f"{url!r} is no address of a server", kind="bad-address", hint="Give one such as https://lineal.example.com")
    return f"{parts.scheme}://{parts.netloc}"


def find_token(url: str) -> str:
    """The token for a server: of ``LINEAL_TOKEN``, the system's keyring, ``~/.netrc``, or what `lineal login` kept; empty where there is none."""
    place = origin(url)
    return environment().get(TOKEN_VARIABLE, "") or _of_keyring(place) or _of_netrc(place) or _kept().get(place, "")


def keep_token(url: str, token: str) -> str:
    """Keeps a token for a server; says where: ``keyring``, or the path of a file that only the user reads."""
    place = origin(url)
    with contextlib.suppress(Exception):  # a keyring without a back end raises what it likes
        import keyring

        keyring.set_password(_SERVICE, place, token)
        return "keyring"
    with _changed() as kept:
        kept[place] = token
    return str(_file())


def drop_token(url: str) -> bool:
    """Forgets the token for a server; whether there was one."""
    place = origin(url)
    found = bool(_of_keyring(place))
    if found:
        import keyring

        keyring.delete_password(_SERVICE, place)
    with _changed() as kept:
        return kept.pop(place, None) is not None or found


def known_servers() -> tuple[str, ...]:
    """The servers that `lineal login` kept a token for in its own file."""
    return tuple(sorted(_kept()))


def _file() -> Path:
    from platformdirs import user_config_path

    return user_config_path("lineal") / "credentials.json"


def _kept() -> dict[str, str]:
    try:
        found = json.loads(_file().read_bytes())
    except (OSError, ValueError):
        return {}
    return {str(place): str(token) for place, token in found.items()} if isinstance(found, dict) else {}


@contextlib.contextmanager
def _changed() -> Iterator[dict[str, str]]:
    """The tokens to change, written back at the end into a file that only the user reads."""
    kept = _kept()
    yield kept
    path = _file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            json.dump(kept, stream, indent=1)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        raise Unavailable(
            f"the token cannot be kept in {path}: {error.strerror}", kind="credentials", hint=f"Set {TOKEN_VARIABLE} in the environment instead."
        ) from error


def _of_keyring(place: str) -> str:
    with contextlib.suppress(Exception):  # not installed, or without a back end
        import keyring

        return keyring.get_password(_SERVICE, place) or ""
    return ""


def _of_netrc(place: str) -> str:
    try:
        found = netrc.netrc(_netrc_file(environment())).authenticators(urlsplit(place).hostname or "")
    except (OSError, netrc.NetrcParseError):
        return ""
    return found[2] if found else ""


def _netrc_file(variables: Mapping[str, str]) -> str:
    return variables.get("NETRC", "") or os.path.expanduser("~/.netrc")
