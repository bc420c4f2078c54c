"""What a page is: a template, and the value that its ``.json`` twin prints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import QueryParams
from starlette.responses import Response

from lineal.errors import InvalidInput
from lineal.records.access import Principal
from lineal.workspace.hosted import Projects
from lineal.workspace.interface import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One request for a page.

    Attributes:
        address: path without ``.json``, percent-encoded, with ``base``.
        base: what stands before every address of the project; see `lineal.interfaces.scope.Asked`.
        now: microseconds UTC.
        server: the projects, in a program that serves many.
        as_json: whether the ``.json`` twin was asked for.
        streams: whether the visitor takes server-sent events.
        theme: ``light`` or ``dark`` where the visitor chose, else empty.
    """

    workspace: Workspace
    address: str
    now: int
    base: str = ""
    principal: Principal = field(default_factory=Principal)
    server: Projects | None = None
    path: Mapping[str, str] = field(default_factory=dict)
    query: QueryParams = field(default_factory=QueryParams)
    as_json: bool = False
    streams: bool = False
    theme: str = ""

    def word(self, name: str, default: str = "") -> str:
        """A word of the query."""
        return str(self.query.get(name, default)).strip()

    def words(self, name: str) -> list[str]:
        """Every word of that name, those with commas taken apart, in order, each once."""
        return list(dict.fromkeys(part for text in self.query.getlist(name) for part in text.split(",") if part))

    def number(self, name: str, default: int, *, most: int = 1_000_000_000) -> int:
        """A whole number of the query, from 0 to ``most``.

        Raises:
            InvalidInput: kind ``bad-parameter``.
        """
        text = self.word(name)
        if not text:
            return default
        if not text.isdecimal():
            raise InvalidInput(f"{name} in the address must be a whole number, got {text!r}", kind="bad-parameter")
        return min(int(text), most)

    def changed(self, **words: str) -> list[tuple[str, str]]:
        """The query with some words changed; an empty one is left out."""
        return [pair for pair in self.query.multi_items() if pair[0] not in words] + [pair for pair in words.items() if pair[1]]

    def switched(self, name: str) -> bool:
        """Whether a switch is on."""
        return self.word(name) in {"1", "true", "on"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What answers a visit.

    Attributes:
        value: a record or JSON value, for the ``.json`` twin.
        rail: the entry of the left rail that is lit.
        context: further names for the template.
        headers: of the answer; they stand before those that every answer has.
    """

    template: str
    title: str
    value: Any
    rail: str = ""
    context: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


View = Callable[[Visit], Page | Response]
