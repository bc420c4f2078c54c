"""Secrets are taken out before anything is written: arguments, URLs, diffs and logs pass through here.

What is taken out: tokens by their published shapes, private key blocks, credentials in URLs, values beside names that say they are secret, and
the literal values of secret environment variables. Names that only look alike in machine learning (``max_tokens``, ``pad_token``) stay.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

REDACTED = "[redacted]"
_MARK = REDACTED.encode()

_SECRET_WORDS = frozenset({"password", "passwd", "pwd", "passphrase", "secret", "secrets", "apikey", "credential", "credentials", "authorization"})
_KEY_WORDS = frozenset({"api", "access", "private", "secret", "auth", "encryption", "signing", "account", "ssh", "storage", "subscription"})
_TEXT_TOKENS = frozenset({"pad", "eos", "bos", "unk", "sep", "cls", "mask", "special", "next", "stop", "start", "end", "first", "last", "per"})
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

_SHAPES = re.compile(
    rb"\b(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}\b"
    rb"|\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_[A-Za-z0-9_]{22,}"
    rb"|\bgl(?:pat|dt|rt|cbt|ptt|oas|soat)-[\w-]{16,}"
    rb"|\bxox[a-z]-[\w-]{10,}|\bxapp-[\w-]{10,}|hooks\.slack\.com/services/[\w/]+"
    rb"|\bhf_[A-Za-z0-9]{30,}"
    rb"|\bsk-[A-Za-z0-9_-]{20,}|\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}"
    rb"|\bAIza[0-9A-Za-z_-]{35}|\bpypi-[\w-]{16,}|\bnpm_[A-Za-z0-9]{30,}"
    rb"|\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]+"
)
_KEY_BLOCK = re.compile(rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----|\Z)", re.DOTALL)
_KEY_BEGIN = re.compile(rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY")
_KEY_END = re.compile(rb"-----END [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----")
_USERINFO = re.compile(rb"(\b(?!lineal://)[A-Za-z][A-Za-z0-9+.-]*://)(?:[^\s/'\"<>@:]*:[^\s/'\"<>]*|[^\s/'\"<>@:]{16,})@")
_QUERY = re.compile(rb"([?&])([\w.%-]+)=([^&\s'\"#<>]+)")
_BEARER = re.compile(rb"(?i)\b(authorization['\"]?\s*[:=]\s*['\"]?(?:\w+ )?|bearer\s+)([A-Za-z0-9._~+/-]{8,}=*)")
_ASSIGNED = re.compile(
    rb"([\w.-]*[A-Za-z][\w.-]*)(['\"\]]*\s*(?:=>|:=|=|:)\s*|['\"]?,\s*(?=['\"]))(?:([rbuf]?)(['\"])((?:(?!\4)[^\\\n]|\\.)*)\4|((?:\[redacted\]|[^\s,;'\"&)}\]])+))"
)
_OPTION = re.compile(rb"(?<!\S)(--?[A-Za-z][\w-]*)(\s+)(?!-)([^\s'\"]+|'[^'\n]*'|\"[^\"\n]*\")")
_HINTS = re.compile(rb"(?i)pass|pwd|secret|token|key|cred|auth|://|sig|bearer")
_CODE = re.compile(rb"[A-Za-z_][\w.]*[(\[]|(?:None|True|False|str|bytes|self\.\w+)\b")

_SIGNED = frozenset({"expires", "se", "sp", "sv", "sr", "st", "spr", "skoid", "sktid", "skt", "ske", "sks", "skv"})
"""Query parameters of signed requests besides the signature: Amazon's and Google's old ones, and Azure's."""

_LONGEST_LINE = 64 * 1024
_HELD_BACK = 4 * 1024
_SHORTEST_LITERAL = 6


def is_secret_name(name: str) -> bool:
    """Whether a name says that its value is secret.

    >>> [is_secret_name(name) for name in ("DB_PASSWORD", "hf_token", "apiKey", "AWS_SECRET_ACCESS_KEY", "max_tokens", "pad_token", "keys")]
    [True, True, True, True, False, False, False]
    """
    words = [word.lower() for word in _WORDS.findall(name)]
    if not words:
        return False
    if any(word in _SECRET_WORDS for word in words) or words[-1] in {"sig", "signature"}:
        return True
    pairs = list(itertools.pairwise(words))
    if any(first in _KEY_WORDS and second in {"key", "keys"} for first, second in pairs):
        return True
    return words[-1] in {"token", "pat"} and (len(words) == 1 or words[-2] not in _TEXT_TOKENS)


class Redactor:
    """Takes secrets out of text and bytes. Immutable and thread safe.

    Args:
        literals: values that are secret wherever they stand, such as those of secret environment variables; short ones are left out,
            because they would take out ordinary words.
    """

    def __init__(self, literals: Iterable[str] = ()) -> None:
        values = {text for text in literals if len(text) >= _SHORTEST_LITERAL and not text.isdigit()}
        encoded = sorted((text.encode("utf-8", "surrogateescape") for text in values), key=len, reverse=True)
        self._literals = re.compile(b"|".join(re.escape(text) for text in encoded)) if encoded else None
        self.longest_literal = len(encoded[0]) if encoded else 0

    def data(self, data: bytes) -> bytes:
        """The bytes without secrets."""
        if self._literals is not None:
            data = self._literals.sub(_MARK, data)
        data = _SHAPES.sub(_MARK, _KEY_BLOCK.sub(_MARK, data))
        if not _HINTS.search(data):
            return data
        data = _USERINFO.sub(rb"\1" + _MARK + b"@", data)
        data = _BEARER.sub(rb"\1" + _MARK, data)
        data = _QUERY.sub(_query, data)
        return _OPTION.sub(_option, _ASSIGNED.sub(_assigned, data))

    def text(self, text: str) -> str:
        """The text without secrets."""
        return self.data(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")

    def value(self, name: str, value: Any) -> Any:
        """A recorded value without what is secret in it: all of it where its name says so, else the secrets in its texts.

        >>> Redactor().value("args", {"hf_token": "abc", "lr": 0.1, "urls": ["http://me:pw@host/x"], "use_token": True})
        {'hf_token': '[redacted]', 'lr': 0.1, 'urls': ['http://[redacted]@host/x'], 'use_token': True}
        """
        if value is None or isinstance(value, bool) or value == "":
            return value
        if is_secret_name(name):
            return REDACTED
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {key: self.value(str(key), item) for key, item in value.items()}
        return [self.value("", item) for item in value] if isinstance(value, list | tuple) else value

    def arguments(self, command: Sequence[str]) -> tuple[str, ...]:
        """A command's words without secrets: also the word after an option with a secret-looking name."""
        kept: list[str] = []
        after_secret = False
        for word in command:
            if after_secret and not word.startswith("-"):
                kept.append(REDACTED)
                after_secret = False
                continue
            kept.append(self.text(word))
            after_secret = word.startswith("-") and "=" not in word and is_secret_name(word)
        return tuple(kept)

    def stream(self) -> RedactedStream:
        """A redactor for bytes that come in pieces."""
        return RedactedStream(self)


class RedactedStream:
    """Takes secrets out of bytes that come in pieces: whole lines are let through, so that a secret cut by a border is still seen."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._held = b""
        self._in_key = False

    def feed(self, data: bytes) -> bytes:
        """The redacted bytes that are safe to write by now."""
        self._held += data
        cut = max(self._held.rfind(b"\n"), self._held.rfind(b"\r")) + 1
        if not cut and len(self._held) > _LONGEST_LINE:
            cut = self._cut_inside_line()
        ready, self._held = self._held[:cut], self._held[cut:]
        return self._through(ready)

    def close(self) -> bytes:
        """What was still held back."""
        ready, self._held = self._held, b""
        return self._through(ready)

    def _cut_inside_line(self) -> int:
        limit = len(self._held) - max(_HELD_BACK, self._redactor.longest_literal)
        space = self._held.rfind(b" ", 0, limit)
        return space + 1 if space > 0 else limit

    def _through(self, data: bytes) -> bytes:
        """A private key's lines come in several pieces: from its first line to its last nothing is let through."""
        if self._in_key:
            end = _KEY_END.search(data)
            if end is None:
                return b""
            self._in_key = False
            data = data[end.end() :]
        begins = list(_KEY_BEGIN.finditer(data))
        self._in_key = bool(begins) and _KEY_END.search(data, begins[-1].start()) is None
        return self._redactor.data(data) if data else b""


def public_url(url: str) -> str:
    """A URL without user names, passwords, fragment and what a signature in its query says: what names the thing, and opens nothing.

    >>> public_url("https://me:pw@host/a.csv?part=2&X-Amz-Signature=0f&X-Amz-Expires=60#x")
    'https://host/a.csv?part=2'
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme == "lineal":  # what stands before an @ in our own addresses is a dataset's name
        return url
    rest, _mark, query = rest.partition("#")[0].partition("?")
    host, slash, path = rest.partition("/")
    kept = "&".join(part for part in query.split("&") if part and not _signs(part.partition("=")[0]))
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}" + (f"?{kept}" if kept else "")


def secret_values(variables: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """The values of the environment variables whose names say that they are secret; the shell's working folder is none."""
    return tuple(value for name, value in variables if is_secret_name(name) and name not in {"PWD", "OLDPWD"})


def holds_secret(data: bytes, redactor: Redactor) -> bool:
    """Whether a file's content surely holds a secret: a token, a private key, or one of the redactor's literals."""
    return bool(_SHAPES.search(data) or _KEY_BEGIN.search(data) or (redactor._literals is not None and redactor._literals.search(data)))  # noqa: SLF001 - its own module


def _signs(name: str) -> bool:
    """Whether a query parameter is secret, or part of a signed request."""
    lower = name.lower()
    return is_secret_name(name) or lower in {"key", "auth", "code"} or lower.startswith(("x-amz-", "x-goog-")) or lower in _SIGNED


def _query(match: re.Match[bytes]) -> bytes:
    name = match[2].decode("latin-1")
    return match[1] + match[2] + b"=" + _MARK if is_secret_name(name) or name.lower() in {"key", "auth", "code"} else match[0]


def _assigned(match: re.Match[bytes]) -> bytes:
    name, between, prefix, quote, quoted, bare = match.groups()
    value = quoted if quote else bare
    if not value or value == _MARK or not is_secret_name(name.decode("latin-1")):
        return match[0]
    if quote:
        return name + between + prefix + quote + _MARK + quote
    if _CODE.match(value) or value.startswith((b"$", b"//", b"<", b"=")):
        return match[0]
    return name + between + _MARK


def _option(match: re.Match[bytes]) -> bytes:
    if not is_secret_name(match[1].decode("latin-1")) or match[3] == _MARK:
        return match[0]
    return match[1] + match[2] + _MARK
