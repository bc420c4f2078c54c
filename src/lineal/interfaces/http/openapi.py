"""The API's description for programs: OpenAPI 3.1, made of the route table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from lineal.interfaces.http.files import OCTETS
from lineal.interfaces.http.table import PREFIX, Endpoint

_NAME = re.compile(r"\{(\w+)\}")


def openapi(endpoints: Sequence[Endpoint], *, version: str, base: str = "", outer: Sequence[Endpoint] = ()) -> dict[str, Any]:
    """The document for these endpoints.

    Args:
        base: what stands before the addresses of the project.
        outer: the server's own endpoints, which lie at its root whichever the project.
    """
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(PREFIX + endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    for endpoint in outer:
        paths.setdefault(PREFIX + endpoint.path, {"servers": [{"url": "/"}]})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Lineal",
            "version": version,
            "description": "Runs, data, models, deployments and the graph that ties them. Answers are the documents of docs/reference/json.md.",
        },
        "servers": [{"url": base or "/"}],
        "paths": paths,
        "components": {"schemas": {"Problem": _PROBLEM}, "responses": {"Problem": _REFUSAL}},
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    names = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in _NAME.findall(endpoint.path)]
    words = [
        {"name": word.name, "in": "query", "description": word.about, "required": word.required, "schema": dict(word.schema)}
        for word in endpoint.query
    ]
    operation: dict[str, Any] = {
        "operationId": endpoint.operation,
        "summary": endpoint.summary,
        "tags": [endpoint.group],
        "parameters": names + words,
        "responses": _responses(endpoint),
        "x-role": endpoint.role.value,
    }
    if endpoint.changes:
        operation["requestBody"] = {"required": bool(endpoint.required), "content": _body(endpoint)}
    return operation


def _responses(endpoint: Endpoint) -> dict[str, Any]:
    content: dict[str, Any] = {endpoint.answers: {"schema": _answer(endpoint)}}
    if endpoint.slow:
        content["application/x-ndjson"] = {"schema": {"type": "string"}}
    done = {"description": "Done", "content": content}
    found: dict[str, Any] = {
        "200": done,
        **{status: {"$ref": "#/components/responses/Problem"} for status in (*_REFUSED, *(_CHANGE if endpoint.changes else ()))},
    }
    if endpoint.answers == OCTETS:
        found |= {"206": {**done, "description": "The range that was asked for"}, "416": {"description": "The file has no such range"}}
    return found


def _answer(endpoint: Endpoint) -> dict[str, Any]:
    return {"type": "object"} if endpoint.answers == "application/json" else {"type": "string"}


def _body(endpoint: Endpoint) -> dict[str, Any]:
    properties = {name: dict(schema) for name, schema in endpoint.body.items()}
    content: dict[str, Any] = {"application/json": {"schema": {"type": "object", "properties": properties, "required": list(endpoint.required)}}}
    if endpoint.media:
        content[endpoint.media] = {"schema": {"type": "string"}}
    return content


_REFUSED = ("401", "403", "404", "409", "422", "429", "500", "503")
_CHANGE = ("413", "415")
_REFUSAL = {
    "description": "What went wrong, and what to do next",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
_PROBLEM = {
    "type": "object",
    "description": "RFC 9457 problem details",
    "required": ["type", "title", "status", "detail", "kind"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "kind": {"type": "string", "description": "stable name of the case, listed in docs/reference/errors.md"},
        "hint": {"type": "string", "description": "the next step"},
        "instance": {"type": "string"},
    },
}
