"""The store of a project behind a server: unguarded it is a place like any other, guarded it takes what is a store's and nothing else."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest
from blake3 import blake3
from starlette.applications import Starlette
from starlette.middleware import Middleware

from lineal.errors import Integrity, PermissionDenied, Unavailable
from lineal.interfaces.http.routes import routes
from lineal.interfaces.scope import OneProject
from lineal.store.backends.address import parse_address
from lineal.store.backends.door import Door
from lineal.store.backends.folder import FolderBackend
from lineal.store.backends.interface import Backend
from lineal.store.backends.pages import PageCache
from lineal.store.backends.served import ServedBackend
from lineal.store.repository import Repository
from lineal.workspace.shelf import OpenShelf, Shelf
from lineal.workspace.site import Layout, Site


def _contract() -> ModuleType:
    spec = importlib.util.spec_from_file_location("backend_contract", Path(__file__).parent / "test_interface.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


if TYPE_CHECKING:
    BackendContract = object
else:
    BackendContract = _contract().BackendContract

PROJECT = "a" * 32


class InProcess(httpx.BaseTransport):
    """Asks an application without a network between."""

    def __init__(self, app: Starlette) -> None:
        self._inner = httpx.ASGITransport(app)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        async def go() -> httpx.Response:
            asked = httpx.Request(request.method, request.url, headers=request.headers, content=request.read())
            answer = await self._inner.handle_async_request(asked)
            return httpx.Response(answer.status_code, headers=answer.headers, content=await answer.aread())

        return anyio.run(go)


class Shown:
    """A workspace with a store and nothing else."""

    project = "shown"
    project_id = PROJECT
    intake = None

    def __init__(self, shelf: Any) -> None:
        self.shelf = shelf


def served(shelf: Any, *, pages: PageCache | None = None) -> Iterator[ServedBackend]:
    shown: Any = Shown(shelf)
    app = Starlette(routes=routes(), middleware=[Middleware(OneProject, workspace=shown)])
    with httpx.Client(transport=InProcess(app), base_url="http://localhost/") as client:
        yield ServedBackend(parse_address("http://localhost/projects/shown", base=Path.cwd()), pages=pages, client=client)


class TestServed(BackendContract):
    @pytest.fixture
    def backend(self, tmp_path: Path) -> Iterator[Backend]:
        yield from served(OpenShelf(FolderBackend(tmp_path / "there")))


class TestServedWithPages(BackendContract):
    @pytest.fixture
    def backend(self, tmp_path: Path) -> Iterator[Backend]:
        yield from served(OpenShelf(FolderBackend(tmp_path / "there")), pages=PageCache(tmp_path / "pages", 1 << 20))


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[ServedBackend]:
    site = Site(
        layout=Layout(root=tmp_path), project_id=PROJECT, project="p", ledger_url=f"sqlite:///{tmp_path / 'ledger.db'}", actor="ann", settings={}
    )
    yield from served(Shelf(site))
    site.close()


OUTSIDE = [
    "../ledger.db",
    "packs/../../ledger.db",
    "packs/%2e%2e/x",
    "/etc/passwd",
    "ledger.db",
    "packs/aa/x.pack",
    f"packs/bb/{'a' * 64}.pack",
    f"packs/aa/{'a' * 64}.pack\x00.txt",
    f"packs/aa/{'a' * 64}.pack/..",
    f"refs/{'b' * 32}/datasets/theirs",
    f"refs/{PROJECT}/../x",
    "tombstones/x",
    "\\..\\x",
    "a" * 5000,
]


@pytest.mark.parametrize("key", OUTSIDE)
def test_a_key_that_is_no_stores_is_refused_everywhere(key: str, guarded: ServedBackend) -> None:
    for touch in (
        lambda: guarded.create(key, [b"x"]),
        lambda: guarded.read(key, 0, 1),
        lambda: guarded.view(key),
        lambda: guarded.fetch(key),
        lambda: guarded.swap(key, b"x", expected=None),
        lambda: guarded.delete(key),
        lambda: guarded.exists(key),
    ):
        with pytest.raises(PermissionDenied) as caught:
            touch()
        assert caught.value.kind == "store-denied"


def test_bytes_that_do_not_match_their_name_are_refused(guarded: ServedBackend) -> None:
    name = blake3(b"others").hexdigest()
    for key in (f"index/{name[:2]}/{name}.idx", f"packs/{name[:2]}/{name}.pack"):
        with pytest.raises(Integrity) as caught:
            guarded.create(key, [b"not these"])
        assert caught.value.kind == "refused-file"
        assert not guarded.exists(key)
    assert guarded.create(f"index/{name[:2]}/{name}.idx", [b"others"]) == 6


def test_only_merged_shards_are_deleted_and_only_refs_taken_away(guarded: ServedBackend) -> None:
    name = blake3(b"shard").hexdigest()
    guarded.create(f"index/{name[:2]}/{name}.idx", [b"shard"])
    guarded.delete(f"index/{name[:2]}/{name}.idx")
    assert not guarded.exists(f"index/{name[:2]}/{name}.idx")
    with pytest.raises(PermissionDenied):
        guarded.swap("index/head", None, expected=None)
    with pytest.raises(PermissionDenied):
        guarded.move(f"index/{name[:2]}/{name}.idx", "x")
    assert guarded.swap(f"refs/{PROJECT}/remotes/x", b"1", expected=None)
    assert guarded.swap(f"refs/{PROJECT}/remotes/x", None, expected=b"1")


def test_what_is_there_is_listed_as_far_as_one_may_see_it(guarded: ServedBackend) -> None:
    guarded.swap(f"refs/{PROJECT}/remotes/x", b"1", expected=None)
    assert list(guarded.list("refs/")) == [f"refs/{PROJECT}/remotes/x"]
    assert list(guarded.list("")) == [f"refs/{PROJECT}/remotes/x"]


def test_what_answers_wrongly_is_told(tmp_path: Path) -> None:
    answers = {"/api/v1/store/value": httpx.Response(200, json={"value": None})}

    def answer(request: httpx.Request) -> httpx.Response:
        return answers.get(request.url.path, httpx.Response(502, text="<html>bad gateway</html>"))

    with httpx.Client(transport=httpx.MockTransport(answer), base_url="http://there") as client:
        backend = ServedBackend(parse_address("http://there/projects/x", base=tmp_path), client=client)
        assert backend.fetch("format") is None
        with pytest.raises(Unavailable, match="502") as caught:
            backend.size("packs/x")
    assert caught.value.kind == "store-unavailable"


def test_a_swap_whose_answer_was_lost_is_looked_for(tmp_path: Path) -> None:
    there: dict[str, Any] = {"value": None, "asked": 0}

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json={"value": there["value"]})
        there["asked"] += 1
        if there["asked"] == 1:
            there["value"] = "MQ=="
            raise httpx.ReadError("the line is cut", request=request)
        return httpx.Response(200, json={"swapped": False})

    with httpx.Client(transport=httpx.MockTransport(answer), base_url="http://there") as client:
        backend = ServedBackend(parse_address("http://there/projects/x", base=tmp_path), client=client)
        assert backend.swap("refs/x", b"1", expected=None)


def test_without_a_way_to_servers_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Door, "connect", None)
    with pytest.raises(Unavailable) as caught:
        ServedBackend(parse_address("http://there/projects/x", base=tmp_path)).size("x")
    assert caught.value.kind == "store-unavailable"


def test_packs_are_made_known_by_the_server_and_only_those_that_are_there(guarded: ServedBackend) -> None:
    for packs in ({"a" * 64: False}, {"../../etc/passwd": False}, {"A" * 64: True}):
        with pytest.raises(Integrity) as caught:
            guarded.publish(packs)
        assert caught.value.kind == "refused-file"
    assert guarded.fetch("index/head") is None


def test_many_who_write_at_once_lose_nothing_and_do_not_race_for_the_index(guarded: ServedBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_race(*_words: Any, **_more: Any) -> bool:
        raise AssertionError("the head of the index is the server's")

    monkeypatch.setattr(guarded, "swap", no_race)
    stores = [Repository(guarded, PROJECT) for _number in range(8)]
    with ThreadPoolExecutor(len(stores)) as threads:
        found = list(threads.map(lambda number: [stores[number].put_bytes(b"%d of %d" % (each, number)) for each in range(5)], range(len(stores))))
    late = Repository(guarded, PROJECT)
    assert [late.read(digest) for digests in found for digest in digests] == [
        b"%d of %d" % (each, number) for number in range(8) for each in range(5)
    ]
    assert stores[0].read(found[0][0]) == b"0 of 0"
