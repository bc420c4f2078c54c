"""Why a source does not answer, in words: what libraries raise is a class's name or a text that may hold a signed URL."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator

_TYPES: tuple[tuple[type[BaseException], str], ...] = (
    (socket.gaierror, "the name of its server is unknown"),
    (ConnectionRefusedError, "the connection is refused"),
    (TimeoutError, "nothing came in time"),
    (ssl.SSLError, "its certificate or encryption is not accepted"),
)
_TEXTS = (
    (re.compile(r"dns error|lookup address|name or service not known|nodename nor servname|name resolution", re.IGNORECASE), _TYPES[0][1]),
    (re.compile(r"connection refused", re.IGNORECASE), _TYPES[1][1]),
    (re.compile(r"timed? ?out", re.IGNORECASE), _TYPES[2][1]),
    (re.compile(r"certificate", re.IGNORECASE), _TYPES[3][1]),
)


def reason_of(error: BaseException) -> str:
    """The reason behind a library's error, by what caused it or else by its words.

    >>> reason_of(OSError("tcp connect error: Connection refused (os error 111)")), reason_of(RuntimeError("???"))
    ('the connection is refused', 'the connection broke')
    """
    chain = list(_causes(error))
    for kind, reason in _TYPES:
        if any(isinstance(cause, kind) for cause in chain):
            return reason
    said = " ".join(f"{type(cause).__name__}: {cause}" for cause in chain)
    return next((reason for words, reason in _TEXTS if words.search(said)), "the connection broke")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(10):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__
