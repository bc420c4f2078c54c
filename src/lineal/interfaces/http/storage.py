"""A project's store and the journals of runs on other machines, over HTTP: what `lineal` on a laptop sends and fetches."""

from __future__ import annotations

import base64
import io
from typing import Any, BinaryIO, cast

from lineal.errors import Integrity, InvalidInput, NotFound
from lineal.interfaces.http.calls import Call
from lineal.interfaces.http.table import NUMBER, TEXT, Endpoint, parameter, required
from lineal.interfaces.scope import require_role
from lineal.records.access import Role
from lineal.workspace.interface import Intake, ServedWorkspace, Shelf

BYTES = "application/octet-stream"
_MOST_PACKS = 4096


def journal_sizes(call: Call) -> Any:
    """How much of each of a run's journals is here."""
    return {"journals": _intake(call).sizes(call.path["run"])}


def append_journal(call: Call) -> Any:
    """Takes a piece of a journal in; once, however often it is sent."""
    offset = call.optional_number("offset")
    if offset is None or offset < 0:
        raise InvalidInput("the query parameter offset must be a whole number of at least 0", kind="bad-parameter")
    return {"end": _intake(call).append(call.path["run"], call.path["journal"], offset=offset, data=call.raw)}


def read_store_file(call: Call) -> BinaryIO:
    """A file of the store, or a part of it."""
    offset, length = call.optional_number("offset"), call.optional_number("length")
    if (offset or 0) < 0 or (length or 0) < 0:
        raise InvalidInput("offset and length must be at least 0", kind="bad-parameter")
    try:
        return io.BytesIO(_shelf(call).read(call.need("path"), offset or 0, length))
    except Integrity as error:
        if error.kind != "missing-file":
            raise
        raise NotFound(error.message, kind=error.kind, hint=error.hint) from error  # who asks for what never was is told so; nothing is damaged


def store_facts(call: Call) -> Any:
    """Whether a file of the store is there, its size, and how old it is."""
    exists, size, age = _shelf(call).facts(call.need("path"))
    return {"exists": exists, "size": size, "age": age}


def list_store(call: Call) -> Any:
    """The keys of the store that begin with a prefix."""
    return {"keys": _shelf(call).list(call.query.get("prefix", ""))}


def store_value(call: Call) -> Any:
    """A small value of the store, in base64."""
    value = _shelf(call).fetch(call.need("path"))
    return {"value": None if value is None else base64.b64encode(value).decode()}


def create_store_file(call: Call) -> Any:
    """Takes a file into the store, once."""
    return {"size": _shelf(call).create(call.need("path"), call.raw)}


def swap_store_value(call: Call) -> Any:
    """Replaces a small value of the store if it is the expected one; to take a line of versions away is a maintainer's."""
    new = _value(call, "new")
    if new is None:
        require_role(call.principal, Role.MAINTAINER)
    done = _shelf(call).swap(call.field("path"), new, expected=_value(call, "expected"))
    return {"swapped": done}


def publish_packs(call: Call) -> Any:
    """Makes packs that were sent known to everybody: the server writes the index, so that many who send at once need not race."""
    packs = call.body.get("packs")
    if not isinstance(packs, dict) or not packs or len(packs) > _MOST_PACKS or not all(isinstance(meta, bool) for meta in packs.values()):
        raise InvalidInput(
            f"the body's field packs must say of 1 to {_MOST_PACKS} packs, by name, whether it has commits and tree nodes only", kind="bad-body"
        )
    return {"head": base64.b64encode(_shelf(call).publish(packs)).decode()}


def delete_store_files(call: Call) -> Any:
    """Takes shards of the index away that were merged into others."""
    _shelf(call).delete(call.optional_list("paths"))
    return {}


def _served(call: Call) -> ServedWorkspace:
    if not hasattr(call.workspace, "intake"):
        raise NotFound("this program keeps no store of its own", kind="no-server", hint="Ask the server that does.")
    return cast("ServedWorkspace", call.workspace)


def _intake(call: Call) -> Intake:
    return _served(call).intake


def _shelf(call: Call) -> Shelf:
    return _served(call).shelf


def _value(call: Call, name: str) -> bytes | None:
    text = call.optional_field(name)
    if text is None:
        return None
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:  # binascii.Error is one
        raise InvalidInput(f"the body's field {name} must be base64", kind="bad-body") from None


_PATH = required("path", "key of the file in the store")
_TEXT_OR_NONE = {"type": ["string", "null"]}

ENDPOINTS = (
    Endpoint(
        method="GET", path="/journals/{run}", summary="How much of a run's journals is here", handler=journal_sizes, group="storage", role=Role.READER
    ),
    Endpoint(
        method="POST",
        path="/journals/{run}/{journal}",
        summary="Append to a run's journal",
        handler=append_journal,
        group="storage",
        role=Role.CONTRIBUTOR,
        query=(parameter("offset", "where the piece begins", NUMBER),),
        media=BYTES,
    ),
    Endpoint(
        method="GET",
        path="/store/file",
        summary="A file of the store",
        handler=read_store_file,
        group="storage",
        role=Role.READER,
        query=(_PATH, parameter("offset", "from this byte on", NUMBER), parameter("length", "so many bytes", NUMBER)),
        answers=BYTES,
    ),
    Endpoint(
        method="GET", path="/store/facts", summary="What is known of a file", handler=store_facts, group="storage", role=Role.READER, query=(_PATH,)
    ),
    Endpoint(
        method="GET",
        path="/store/list",
        summary="Keys of the store",
        handler=list_store,
        group="storage",
        role=Role.READER,
        query=(parameter("prefix", "only those that begin with it", TEXT),),
    ),
    Endpoint(method="GET", path="/store/value", summary="A small value", handler=store_value, group="storage", role=Role.READER, query=(_PATH,)),
    Endpoint(
        method="POST",
        path="/store/file",
        summary="Add a file to the store",
        handler=create_store_file,
        group="storage",
        role=Role.CONTRIBUTOR,
        query=(_PATH,),
        media=BYTES,
    ),
    Endpoint(
        method="POST",
        path="/store/value",
        summary="Swap a small value",
        handler=swap_store_value,
        group="storage",
        role=Role.CONTRIBUTOR,
        body={"path": TEXT, "new": _TEXT_OR_NONE, "expected": _TEXT_OR_NONE},
        required=("path",),
    ),
    Endpoint(
        method="POST",
        path="/store/publish",
        summary="Make packs known that were sent",
        handler=publish_packs,
        group="storage",
        role=Role.CONTRIBUTOR,
        body={"packs": {"type": "object", "minProperties": 1, "additionalProperties": {"type": "boolean"}}},
        required=("packs",),
    ),
    Endpoint(
        method="POST",
        path="/store/delete",
        summary="Delete merged shards of the index",
        handler=delete_store_files,
        group="storage",
        role=Role.CONTRIBUTOR,
        body={"paths": {"type": "array", "items": TEXT}},
    ),
)
