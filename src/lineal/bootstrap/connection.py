"""A connection to a server: with the user's token, through their proxy, trusting what they trust."""

from __future__ import annotations

import atexit
import importlib.metadata
import os
import ssl
from typing import TYPE_CHECKING, Any

from lineal.bootstrap.credentials import find_token, origin
from lineal.bootstrap.settings import load_settings
from lineal.errors import InvalidInput

if TYPE_CHECKING:
    import httpx

CONNECT_SECONDS, ANSWER_SECONDS = 5.0, 60.0


_shared: dict[tuple[int, str, str], httpx.Client] = {}


def shared_client(url: str) -> httpx.Client:
    """The client of this process for the server at ``url``: whoever asks it shares its connections, which live as long as the process.

    Raises as `http_client`.
    """
    token = find_token(url)
    key = os.getpid(), url.rstrip("/"), token  # a forked process makes its own, and somebody else asks by their own
    found = _shared.get(key)
    if found is None or found.is_closed:
        if not _shared:
            atexit.register(_close_shared)
        found = _shared[key] = http_client(url, token=token)
    return found


def _close_shared() -> None:
    for key in [key for key in _shared if key[0] == os.getpid()]:
        _shared.pop(key).close()


def http_client(url: str, *, token: str | None = None) -> httpx.Client:
    """A client of the server at ``url``, whose paths are below it.

    ``HTTPS_PROXY``, ``NO_PROXY``, ``SSL_CERT_FILE`` and ``~/.netrc`` hold as everywhere; the setting ``workspace.ca`` names a file of further certificates.

    Args:
        token: instead of the one that the user keeps for this server; empty for none.

    Raises:
        InvalidInput: kind ``bad-address`` or ``bad-certificates``.
    """
    import httpx

    proof = find_token(url) if token is None else token
    headers = {"user-agent": f"lineal/{importlib.metadata.version('lineal')}", "accept": "application/json"}
    if proof:
        headers["authorization"] = f"Bearer {proof}"
    origin(url)
    return httpx.Client(
        base_url=url.rstrip("/"),
        headers=headers,
        verify=_trust(),
        timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
        limits=httpx.Limits(max_connections=8, max_keepalive_connections=8),
        transport=None,
    )


def _trust() -> Any:
    path = load_settings(None)["workspace.ca"]
    if not path:
        return True
    try:
        context = ssl.create_default_context()
        context.load_verify_locations(path)
    except (OSError, ssl.SSLError) as error:
        raise InvalidInput(
            f"the certificates in {path} cannot be read: {error}", kind="bad-certificates", hint="Correct the setting workspace.ca."
        ) from error
    return context
