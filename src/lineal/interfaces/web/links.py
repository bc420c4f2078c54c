"""Addresses of pages. One place knows them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from urllib.parse import quote, urlencode

from lineal.records.graph import Node

_PAGES = {"run": "runs", "dataset": "data", "model": "models", "prediction": "predictions", "data": "data", "deployment": "deployments"}


_base: ContextVar[str] = ContextVar("lineal_base", default="")


@contextmanager
def below(base: str) -> Iterator[None]:
    """Every address made inside begins with ``base``, where the project's pages are."""
    token = _base.set(base)
    try:
        yield
    finally:
        _base.reset(token)


def place(path: str) -> str:
    """The address of a path of the project, such as ``/runs`` or ``/api/v1/models``."""
    return _base.get() + path


def page(*segments: str) -> str:
    """The address of a page; a last segment that ends like a ``.json`` twin gets a slash so that it is not taken for one.

    >>> page("data", "flights 2013@1"), page("data", "x.json")
    ('/data/flights%202013@1', '/data/x.json/')
    """
    path = _base.get() + "/" + "/".join(quote(segment, safe="@~") for segment in segments)
    return path + "/" if path.endswith(".json") else path


def with_query(path: str, words: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> str:
    """``path`` with the words that say something."""
    pairs = words.items() if isinstance(words, Mapping) else words
    kept = [(key, str(value)) for key, value in pairs if value not in ("", None, False)]
    return f"{path}?{urlencode(kept, quote_via=quote, safe='@:,/~')}" if kept else path


def twin(path: str) -> str:
    """The ``.json`` twin of a page's path."""
    return path.rstrip("/") + ".json"


def reference_of(node: Node) -> str:
    """How a node is named so that it always resolves."""
    return node.reference or f"id:{node.id}"


def graph_page(reference: str) -> str:
    """The graph, opened on something."""
    return with_query(place("/graph"), {"focus": reference})


def node_page(node: Node) -> str:
    """The page of a node; the graph, opened on it, for kinds without a page."""
    if node.kind == "run":
        return page("runs", node.id)
    if node.kind == "deployment" and node.detail.get("name"):
        return page("deployments", str(node.detail["name"]))
    if node.kind in _PAGES and node.reference.count(":") == 1:
        return page(_PAGES[node.kind], node.reference.partition(":")[2])
    return graph_page(reference_of(node))


def reference_page(reference: str) -> str:
    """The page of something named by a prefixed reference, such as ``model:delay@1``; the search for other texts."""
    kind, colon, name = reference.partition(":")
    if colon and kind in _PAGES and name:
        return page(_PAGES[kind], name)
    return with_query(place("/search"), {"q": reference})
