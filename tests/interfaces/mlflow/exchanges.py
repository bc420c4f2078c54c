"""Requests that are sent to MLflow's server and to ours, and what of their answers is compared.

A section is a list of requests that follow one another and need no other section. ``$name`` in a path, a query or a body is what an earlier answer
of the section had.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import httpx

API = "/api/2.0/mlflow"
LONGEST = 400
OLDEST_TIME = 1_750_000_000_000
"""Milliseconds; what is later is the time of the measurement, and the requests' own times are earlier."""
_NAME_MADE_UP = re.compile(r"[a-z]+-[a-z]+-\d+|(?:run|model)-[0-9a-f]{8}")
_HEX = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")

Ask = Callable[..., httpx.Response]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request.

    Attributes:
        path: below `API`, unless it begins with ``/api`` or ``/ajax-api``.
        options: of httpx: ``json params content headers``.
        keep: where in the answer lies what later requests name: a path with dots by name.
        brief: whether of what is listed only the names are compared.
    """

    name: str
    method: str
    path: str
    options: Mapping[str, Any] = field(default_factory=dict)
    keep: Mapping[str, str] = field(default_factory=dict)
    brief: bool = False


def post(name: str, path: str, /, *, keep: Mapping[str, str] | None = None, method: str = "POST", **body: Any) -> Exchange:
    """A request with a JSON body."""
    return Exchange(name=name, method=method, path=path, options={"json": body}, keep=keep or {})


def get(name: str, path: str, /, *, keep: Mapping[str, str] | None = None, **query: Any) -> Exchange:
    """A request with a query."""
    return Exchange(name=name, method="GET", path=path, options={"params": query}, keep=keep or {})


def raw(name: str, method: str, path: str, /, content: bytes, kind: str = "application/json") -> Exchange:
    """A request with any body."""
    return Exchange(name=name, method=method, path=path, options={"content": content, "headers": {"content-type": kind}})


def briefly(exchanges: Iterable[Exchange]) -> Iterator[Exchange]:
    """The same requests, of whose lists only the names are compared."""
    return (replace(exchange, brief=True) for exchange in exchanges)


def answers(section: Iterable[Exchange], ask: Ask) -> dict[str, Any]:
    """What a server says to the requests of a section, by their names, with masks for what is its own."""
    known: dict[str, str] = {}
    found: dict[str, Any] = {}
    for exchange in section:
        path = exchange.path if exchange.path.startswith(("/api/", "/ajax-api/")) else API + exchange.path
        answer = ask(exchange.method, _filled(path, known), **{key: _filled(value, known) for key, value in exchange.options.items()})
        body = _read(answer)
        for name, place in exchange.keep.items():
            known[name] = _at(body, place)
        if exchange.name in found:
            raise AssertionError(f"two requests are called {exchange.name!r}")
        found[exchange.name] = {"status": answer.status_code, "body": _masked(_names(body) if exchange.brief else body, known)}
    return found


def told(answer: Mapping[str, Any]) -> str:
    """A status and, where there is one, an error's name: ``400 INVALID_PARAMETER_VALUE``."""
    code = answer["body"].get("error_code") if isinstance(answer["body"], dict) else None
    return f"{answer['status']} {code}" if code else str(answer["status"])


def differences(theirs: Any, ours: Any, place: str = "") -> list[str]:
    """Where two answers differ: paths like ``run.data.metrics[].timestamp``."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        keys = sorted({*theirs, *ours})
        return [found for key in keys for found in differences(theirs.get(key), ours.get(key), f"{place}.{key}".lstrip("."))]
    if isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        return [found for one, other in zip(theirs, ours, strict=True) for found in differences(one, other, f"{place}[]")]
    return [] if theirs == ours and type(theirs) is type(ours) else [place]


def _filled(value: Any, known: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return re.sub(r"\$(\w+)", lambda match: known[match[1]] if match[1] in known else match[0], value)
    if isinstance(value, dict):
        return {key: _filled(item, known) for key, item in value.items()}
    return [_filled(item, known) for item in value] if isinstance(value, list) else value


def _read(answer: httpx.Response) -> Any:
    """JSON; of an error without its words, which are everybody's own."""
    try:
        body = answer.json()
    except ValueError:
        return f"{len(answer.content)} bytes" if answer.is_success else "no JSON"
    if isinstance(body, dict) and "error_code" in body:
        return {"error_code": body["error_code"]}
    return body


def _names(body: Any) -> Any:
    """Of what is listed the names, with what tells versions of a name apart."""
    if not isinstance(body, dict):
        return body
    return {key: [_name(item) for item in value] if isinstance(value, list) else value for key, value in body.items()}


def _name(item: Mapping[str, Any]) -> str:
    info = item.get("info", item)
    return " ".join(str(info[key]) for key in ("run_name", "name", "version") if key in info)


def _at(body: Any, place: str) -> str:
    for part in place.split("."):
        body = body[int(part)] if isinstance(body, list) else body[part]
    return str(body)


def _masked(value: Any, known: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        found: dict[str, Any] = {key: "<token>" if key == "next_page_token" else _masked(item, known) for key, item in sorted(value.items())}
        if "latest_versions" in found:
            found["latest_versions"].sort(key=json.dumps)
        return found
    if isinstance(value, list):
        items = [_masked(item, known) for item in value]
        keys = {item.get("key") for item in items if isinstance(item, dict)}  # a history has one key many times, and an order
        distinct = len(keys) == len(items) and None not in keys
        return sorted(items, key=json.dumps) if distinct or any("dataset" in item for item in items if isinstance(item, dict)) else items
    if isinstance(value, int) and value >= OLDEST_TIME:
        return "<time>"
    return _text(value, known) if isinstance(value, str) else value


def _text(value: str, known: Mapping[str, str]) -> str:
    if _NAME_MADE_UP.fullmatch(value):
        return "<made up>"
    if value.startswith("[{"):  # JSON in a text: its order says nothing
        value = json.dumps(json.loads(value), sort_keys=True)
    for name, text in known.items():
        if len(text) > 20:
            value = value.replace(text, f"<{name}>")
    return _HEX.sub("<id>", value) if len(value) < LONGEST else f"<{len(value)} letters>"
