"""The file that says which format a store has, so that an older Lineal refuses a newer one by name."""

from __future__ import annotations

import msgspec

from lineal.errors import Integrity
from lineal.store.backends.interface import Backend
from lineal.store.index import begin_index
from lineal.store.packs import newer_format

FORMAT = 1
FORMAT_KEY = "format"
FORMAT_NOTE = f"format {FORMAT}"
"""What is noted of a store far away once its format was seen: the head of its index and its files say theirs, too."""


def check_format(backend: Backend) -> None:
    """Reads the store's format, or writes it where the store is new.

    Raises:
        InvalidState: kind ``newer-format``.
        Integrity: kind ``damaged-format``.
    """
    raw = backend.fetch(FORMAT_KEY)
    if raw is None:
        if next(backend.list("packs/"), None) is None:
            begin_index(backend)
            backend.swap(FORMAT_KEY, msgspec.json.encode({"kind": "lineal-store", "format": FORMAT}) + b"\n", expected=None)
            return
        raise Integrity("the store's format file is missing", kind="damaged-format", hint="Put it back from a backup.")
    try:
        version = msgspec.json.decode(raw)["format"]
        if version > FORMAT:
            raise newer_format("this store", version)
    except (msgspec.MsgspecError, KeyError, TypeError) as error:
        raise Integrity(f"the store's format file is damaged: {error}", kind="damaged-format", hint="Put it back from a backup.") from error
