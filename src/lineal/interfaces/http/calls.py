"""One request to the API, with its words checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lineal.errors import InvalidInput
from lineal.interfaces.scope import Asked
from lineal.records.access import Principal
from lineal.workspace.hosted import Projects
from lineal.workspace.interface import Progress, Workspace, silent

_BOUND = 1 << 63


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What was asked: the names in the path, the query, the body.

    Attributes:
        body: the JSON object that was sent; empty for reading calls.
        raw: the bytes of a body that is no JSON.
        progress: told of long work.
    """

    workspace: Workspace
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    raw: bytes = b""
    asked: Asked | None = None
    progress: Progress = silent

    @property
    def principal(self) -> Principal:
        """Who asks."""
        return self.asked.principal if self.asked is not None else Principal()

    @property
    def server(self) -> Projects:
        """The server's projects. Raises NotFound kind ``no-server`` in a program that serves one only."""
        return (self.asked or Asked(workspace=self.workspace)).projects

    def need(self, name: str) -> str:
        """A word of the query that must be there.

        Raises:
            InvalidInput: kind ``missing-parameter``.
        """
        value = self.query.get(name, "")
        if not value:
            raise InvalidInput(f"the query parameter {name} is missing", kind="missing-parameter", hint=f"Add ?{name}=… to the address.")
        return value

    def number(self, name: str, default: int, *, least: int = 0, most: int = 10_000) -> int:
        """A whole number of the query within bounds; numbers above ``most`` are cut to it."""
        found = self.optional_number(name)
        if found is None:
            return default
        if found < least:
            raise InvalidInput(f"{name} must be at least {least}, got {found}", kind="bad-parameter")
        return min(found, most)

    def optional_number(self, name: str) -> int | None:
        """A whole number of the query, or None where it is not given.

        Raises:
            InvalidInput: kind ``bad-parameter``, if it is no whole number of 64 bits.
        """
        text = self.query.get(name, "")
        if not text:
            return None
        try:
            found = int(text)
        except ValueError:
            raise InvalidInput(f"{name} must be a whole number, got {text!r:.100}", kind="bad-parameter") from None
        if not -_BOUND <= found < _BOUND:
            raise InvalidInput(f"{name} must fit into 64 bits, got {text:.100}", kind="bad-parameter")
        return found

    def optional_step(self, name: str) -> int | None:
        """A whole number that a column of 64 bits holds, or None. Raises InvalidInput kind ``bad-parameter``."""
        found = self.optional_number(name)
        return None if found is None else max(-(2**63), min(found, 2**63 - 1))

    def choice(self, name: str, options: tuple[str, ...]) -> str:
        """One of ``options``; the first where nothing is given."""
        text = self.query.get(name, "") or options[0]
        if text not in options:
            raise InvalidInput(f"{name} must be one of {', '.join(options)}, got {text!r}", kind="bad-parameter")
        return text

    def switched(self, name: str) -> bool:
        """Whether a switch of the query is on: ``1``, ``true`` or ``yes``."""
        return self.query.get(name, "").lower() in {"1", "true", "yes", "on"}

    def field(self, name: str) -> str:
        """A text of the body that must be there and not be empty."""
        value = self.body.get(name)
        if not isinstance(value, str) or not value:
            raise InvalidInput(f"the body's field {name} must be a text", kind="bad-body", hint=f'Send JSON such as {{"{name}": "…"}}.')
        return value

    def optional_field(self, name: str) -> str | None:
        """A text of the body, or None where it is not given."""
        value = self.body.get(name)
        if value is not None and not isinstance(value, str):
            raise InvalidInput(f"the body's field {name} must be a text", kind="bad-body")
        return value

    def optional_texts(self, name: str) -> Mapping[str, str] | None:
        """An object of texts in the body, or None where it is not given."""
        value = self.body.get(name)
        if value is None:
            return None
        if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
            raise InvalidInput(f"the body's field {name} must be an object of texts", kind="bad-body")
        return value

    def optional_list(self, name: str) -> tuple[str, ...]:
        """A list of texts in the body; empty where it is not given."""
        value = self.body.get(name)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise InvalidInput(f"the body's field {name} must be a list of texts", kind="bad-body", hint=f'Send JSON such as {{"{name}": ["…"]}}.')
        return tuple(value)

    def optional_switch(self, name: str) -> bool:
        """A switch in the body; off where it is not given."""
        value = self.body.get(name)
        if value is not None and not isinstance(value, bool):
            raise InvalidInput(f"the body's field {name} must be true or false", kind="bad-body")
        return bool(value)

    def optional_count(self, name: str) -> int:
        """A whole number of at least 0 in the body; 0 where it is not given."""
        value = self.body.get(name)
        if value is None:
            return 0
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise InvalidInput(f"the body's field {name} must be a whole number of at least 0", kind="bad-body")
        return value
