"""Where the bytes lie: one file per brand behind `interface.py`, and a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lineal.store.backends.address import Address
from lineal.store.backends.folder import FolderBackend
from lineal.store.backends.interface import Backend

if TYPE_CHECKING:
    from lineal.store.backends.pages import PageCache


def _folder(address: Address, _pages: PageCache | None) -> Backend:
    return FolderBackend(Path(address.path))


def _object_store(address: Address, pages: PageCache | None) -> Backend:
    from lineal.store.backends.object_store import ObjectStoreBackend  # its library costs start-up time

    return ObjectStoreBackend(address, pages=pages)


def _served(address: Address, pages: PageCache | None) -> Backend:
    from lineal.store.backends.served import ServedBackend

    return ServedBackend(address, pages=pages)


BRANDS: Mapping[str, Callable[[Address, PageCache | None], Backend]] = {
    "file": _folder,
    "s3": _object_store,
    "gs": _object_store,
    "az": _object_store,
    "http": _served,
    "https": _served,
}
"""By the scheme of an address."""


def open_backend(address: Address, *, pages: PageCache | None = None) -> Backend:
    """The place for bytes at an address; ``pages`` keeps what is read from afar."""
    return BRANDS[address.scheme](address, pages)
