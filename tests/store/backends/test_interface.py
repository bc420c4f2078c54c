"""What every place for bytes must do; each brand's class runs all of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.object_stores import ObjectServer

from lineal.errors import Integrity
from lineal.store.backends import open_backend
from lineal.store.backends.address import parse_address
from lineal.store.backends.folder import FolderBackend
from lineal.store.backends.interface import Backend
from lineal.store.backends.pages import PageCache


class BackendContract:
    """Subclass with a fixture ``backend`` that gives an empty place."""

    def test_what_is_created_is_read_back_in_parts(self, backend: Backend) -> None:
        assert backend.create("packs/aa/x.pack", [b"hello ", memoryview(b"world")]) == 11
        assert backend.read("packs/aa/x.pack", 6, 100) == b"world"
        assert backend.read("packs/aa/x.pack", 11, 5) == b""
        assert bytes(backend.view("packs/aa/x.pack")) == b"hello world"

    def test_a_file_that_exists_is_left_as_it_is(self, backend: Backend) -> None:
        backend.create("a", [b"first"])
        assert backend.create("a", [b"another"]) == 5
        assert bytes(backend.view("a")) == b"first"

    def test_an_empty_file_can_be_looked_at(self, backend: Backend) -> None:
        backend.create("a", [])
        assert bytes(backend.view("a")) == b""

    def test_what_is_not_there_is_named(self, backend: Backend) -> None:
        for read in (lambda: backend.read("none", 0, 1), lambda: backend.view("none")):
            with pytest.raises(Integrity, match="none") as caught:
                read()
            assert caught.value.kind == "missing-file"
        assert backend.fetch("none") is None
        assert not backend.exists("none")
        backend.delete("none")

    def test_a_failing_writer_leaves_nothing(self, backend: Backend) -> None:
        def pieces() -> Iterator[bytes]:
            yield b"some"
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            backend.create("packs/bb/x.pack", pieces())
        assert list(backend.list("")) == []

    def test_keys_are_listed_by_prefix_in_order(self, backend: Backend) -> None:
        for key in ("refs/b/2", "refs/a/1", "refs/b/1", "packs/x"):
            backend.create(key, [b"."])
        assert list(backend.list("refs/b/")) == ["refs/b/1", "refs/b/2"]
        assert list(backend.list("refs/")) == ["refs/a/1", "refs/b/1", "refs/b/2"]
        assert list(backend.list("nothing/")) == []

    def test_a_deleted_file_is_gone(self, backend: Backend) -> None:
        backend.create("a", [b"x"])
        view = backend.view("a")
        backend.delete("a")
        assert not backend.exists("a")
        assert bytes(view) == b"x"

    def test_a_value_moves_only_from_what_is_expected(self, backend: Backend) -> None:
        assert backend.swap("refs/x", b"1", expected=None)
        assert not backend.swap("refs/x", b"2", expected=None)
        assert not backend.swap("refs/x", b"2", expected=b"0")
        assert backend.swap("refs/x", b"2", expected=b"1")
        assert backend.fetch("refs/x") == b"2"
        assert backend.swap("refs/x", None, expected=b"2")
        assert backend.fetch("refs/x") is None

    def test_of_many_swaps_at_once_none_is_lost(self, backend: Backend) -> None:
        def count() -> None:
            for _ in range(25):
                while True:
                    now = backend.fetch("counter")
                    if backend.swap("counter", str(int(now or 0) + 1).encode(), expected=now):
                        break

        threads = [threading.Thread(target=count) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert backend.fetch("counter") == b"100"


class TestFolder(BackendContract):
    @pytest.fixture
    def backend(self, tmp_path: Path) -> Backend:
        return FolderBackend(tmp_path)


class TestSeaweed(BackendContract):
    @pytest.fixture
    def backend(self, seaweed: ObjectServer, tmp_path: Path) -> Backend:
        return open_backend(parse_address(seaweed.url(), base=tmp_path), pages=PageCache(tmp_path / "pages", 1 << 20))


class TestMoto(BackendContract):
    @pytest.fixture
    def backend(self, moto: ObjectServer, tmp_path: Path) -> Backend:
        return open_backend(parse_address(moto.url(), base=tmp_path))
