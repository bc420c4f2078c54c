"""The one table of what the API can do: the routes and the OpenAPI document are both made of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lineal.interfaces.http.calls import Call
from lineal.records.access import Role

PREFIX = "/api/v1"
Schema = Mapping[str, Any]
TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "integer", "minimum": 0}
WHOLE: Schema = {"type": "integer"}
SWITCH: Schema = {"type": "boolean"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A word of the query."""

    name: str
    about: str
    schema: Schema = field(default_factory=lambda: TEXT)
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One thing the API can do.

    Attributes:
        path: below ``/api/v1``, with ``{names}``.
        role: the least that somebody must be in the project to do it.
        handler: takes the call, gives a record, a JSON value, an iterator of bytes or a readable file.
        answers: media type of the answer.
        body: fields of the JSON body by name; those whose schema has ``x-required`` must be there.
        media: a further body type that is taken as raw bytes, such as ``text/csv``.
        shown: whether a file of it may be shown in place, with ``inline=1``; see `lineal.interfaces.shown`.
        download: the name under which a browser keeps the answer; empty where it is no download.
        slow: whether it may take long; where lines of JSON are accepted, it tells how far it is (`lineal.interfaces.http.telling`).
    """

    method: str
    path: str
    summary: str
    handler: Callable[[Call], Any]
    group: str
    role: Role
    query: tuple[Parameter, ...] = ()
    body: Mapping[str, Schema] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    answers: str = "application/json"
    media: str = ""
    slow: bool = False
    shown: bool = False
    download: str = ""

    @property
    def changes(self) -> bool:
        """Whether it changes state, and so needs a JSON body and the same origin."""
        return self.method not in {"GET", "HEAD"}

    @property
    def operation(self) -> str:
        """The operation's id in OpenAPI."""
        return self.handler.__name__


def parameter(name: str, about: str, schema: Schema = TEXT) -> Parameter:
    """A word of the query that may be left out."""
    return Parameter(name=name, about=about, schema=schema)


def required(name: str, about: str) -> Parameter:
    """A word of the query that must be there."""
    return Parameter(name=name, about=about, required=True)
