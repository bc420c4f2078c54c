"""Where bytes can lie: a folder, or a place in a bucket, as one text that holds no secret."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from lineal.errors import InvalidInput

FOLDER = "file"
BUCKETS = {"s3": "s3", "s3a": "s3", "gs": "gs", "az": "az"}
"""Schemes of object stores, and how each is written."""
SERVERS = ("http", "https")
"""Schemes of servers: such an address is a project's, like https://host/projects/flights."""
OPTIONS = ("endpoint", "region")
"""What may stand behind the ``?`` of an address."""

_HINT = "Addresses look like s3://bucket/prefix, gs://bucket/prefix, az://container/prefix, https://host/projects/NAME or /a/folder."


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a store lies.

    Attributes:
        scheme: ``file``, ``s3``, ``gs``, ``az``, ``http`` or ``https``; bucket: the bucket, container or host, empty for a folder.
        path: the absolute folder, or the prefix in the bucket, without slashes around it.
        options: any of `OPTIONS`.
        prompt: whether others wait for what is asked of it, as on a server: a store that is silent is then soon given up on.
    """

    scheme: str
    bucket: str = ""
    path: str = ""
    options: dict[str, str] = field(default_factory=dict)
    prompt: bool = field(default=False, compare=False)

    @property
    def url(self) -> str:
        """The address as a text that `parse_address` reads again."""
        if self.scheme == FOLDER:
            return f"file://{quote(self.path)}"
        tail = f"?{urlencode(self.options, safe=':/')}" if self.options else ""
        return self.place + tail

    @property
    def place(self) -> str:
        """The address for people and libraries, without options."""
        if self.scheme == FOLDER:
            return self.path
        return f"{self.scheme}://{self.bucket}" + (f"/{quote(self.path)}" if self.path else "")


def parse_address(text: str, *, base: Path) -> Address:
    """Reads an address; a path is relative to ``base``.

    Raises:
        InvalidInput: kind ``bad-address``; kind ``secret-in-address``, if it holds a password, key or signature.
    """
    if "://" not in text:
        if not text.strip() or "\0" in text or text.partition(":/")[0] in {FOLDER, *BUCKETS}:
            raise InvalidInput(f"{text!r} is no address of a store", kind="bad-address", hint=_HINT)
        return Address(scheme=FOLDER, path=os.path.abspath(base / Path(text).expanduser()))
    try:
        parts = urlsplit(text)
        scheme, bucket, path = parts.scheme.lower(), parts.hostname or "", unquote(parts.path)
    except ValueError as error:
        raise InvalidInput(f"an address of a store cannot be read: {error}", kind="bad-address", hint=_HINT) from error
    _refuse_secrets(parts)
    if scheme == FOLDER and not bucket and path.startswith("/"):
        return Address(scheme=FOLDER, path=path)
    if scheme in SERVERS and bucket and path.strip("/").startswith("projects/") and not parts.query and not parts.fragment:
        return Address(scheme=scheme, bucket=parts.netloc, path=path.strip("/"))
    if scheme not in BUCKETS or not bucket:
        raise InvalidInput(f"{text!r} is no address of a store", kind="bad-address", hint=_HINT)
    return Address(scheme=BUCKETS[scheme], bucket=parts.netloc, path=path.strip("/"), options=_options(parts))


def _refuse_secrets(parts: SplitResult) -> None:
    if "@" in parts.netloc or "@" in urlsplit(dict(parse_qsl(parts.query)).get("endpoint", "")).netloc:
        raise InvalidInput(
            "an address must not hold a user or a key: it is stored and shown",
            kind="secret-in-address",
            hint="Take it out, and give the key by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or Google's, or Azure's variables).",
        )


def _options(parts: SplitResult) -> dict[str, str]:
    found = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = [name for name in found if name not in OPTIONS]
    if unknown or parts.fragment:
        raise InvalidInput(
            f"an address has no option {(unknown or [parts.fragment])[0]!r}; these are: {', '.join(OPTIONS)}",
            kind="bad-address" if not _signed(unknown) else "secret-in-address",
            hint="Keys and signatures belong into environment variables such as AWS_SECRET_ACCESS_KEY.",
        )
    endpoint = found.get("endpoint", "")
    if endpoint and not (endpoint.startswith(("http://", "https://")) and urlsplit(endpoint).hostname):
        raise InvalidInput(f"{endpoint!r} is no endpoint", kind="bad-address", hint="An endpoint looks like https://minio.example.org:9000")
    return {name: value for name, value in found.items() if value}


def _signed(names: list[str]) -> bool:
    return any(word in name.lower() for name in names for word in ("sig", "secret", "key", "token", "credential", "password"))
