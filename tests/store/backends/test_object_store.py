"""What is particular to object stores: conditions, ranges, credentials, and servers that fail."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.object_stores import ObjectServer, free_port

from lineal.errors import InvalidState, NotFound, PermissionDenied, Unavailable
from lineal.store.backends.address import parse_address
from lineal.store.backends.object_store import ObjectStoreBackend, Patience
from lineal.store.backends.pages import PAGE, PageCache

HASTY = Patience(connect=1.0, answer=1.0, upload=5.0, retries=1, total=3.0)


def opened(server: ObjectServer, *, prefix: str = "", pages: PageCache | None = None) -> ObjectStoreBackend:
    return ObjectStoreBackend(parse_address(server.url(prefix), base=Path("/")), pages=pages, patience=HASTY)


def test_a_store_that_ignores_preconditions_is_refused_before_anything_is_written(careless: ObjectServer) -> None:
    backend = opened(careless)
    writes: list[Callable[[], object]] = [lambda: backend.create("packs/x", [b"x"]), lambda: backend.swap("refs/x", b"1", expected=None)]
    for write in writes:
        with pytest.raises(InvalidState) as caught:
            write()
        assert caught.value.kind == "no-preconditions"
        assert "s3://lineal/" in caught.value.message
    assert list(backend.list("")) == []


def test_the_probe_is_paid_once_for_a_place_and_never_for_reading(seaweed: ObjectServer, tmp_path: Path) -> None:
    pages = PageCache(tmp_path, 1 << 20)
    first = opened(seaweed, prefix="probed-once", pages=pages)
    first.fetch("refs/x")
    assert dict(first.requests) == {"get": 1}
    first.swap("refs/x", b"1", expected=None)
    assert first.request_count() == 7
    second = opened(seaweed, prefix="probed-once", pages=PageCache(tmp_path, 1 << 20))
    assert second.swap("refs/x", b"2", expected=b"1")
    assert dict(second.requests) == {"get": 1, "put": 1}
    assert second.swap("refs/x", b"3", expected=b"2")
    assert dict(second.requests) == {"get": 1, "put": 2}


def test_parts_of_a_large_file_are_read_by_pages_and_then_not_asked_for_again(seaweed: ObjectServer, tmp_path: Path) -> None:
    data = random.Random(1).randbytes(5 * PAGE + 17)
    writer = opened(seaweed, prefix="paged")
    writer.create("packs/aa/x.pack", [data])
    backend = opened(seaweed, prefix="paged", pages=PageCache(tmp_path, 1 << 30))
    assert backend.read("packs/aa/x.pack", PAGE - 5, 10) == data[PAGE - 5 : PAGE + 5]
    assert backend.request_count() == 1
    for start, length in ((0, 10), (PAGE, PAGE), (2 * PAGE - 1, 1)):
        assert backend.read("packs/aa/x.pack", start, length) == data[start : start + length]
    assert backend.request_count() == 1
    assert backend.read("packs/aa/x.pack", 2 * PAGE, 4 * PAGE - 1) == data[2 * PAGE :]
    assert backend.read("packs/aa/x.pack", len(data), 5) == b""
    asked = backend.request_count()
    assert backend.read("packs/aa/x.pack", 0, len(data) + 5) == data
    again = opened(seaweed, prefix="paged", pages=PageCache(tmp_path, 1 << 30))
    assert again.read("packs/aa/x.pack", 3 * PAGE, 7) == data[3 * PAGE : 3 * PAGE + 7]
    assert (asked, again.request_count()) == (2, 0)


def test_reading_on_asks_for_ever_more_at_once(seaweed: ObjectServer, tmp_path: Path) -> None:
    data = random.Random(2).randbytes(40 * PAGE)
    opened(seaweed, prefix="ahead").create("packs/aa/x.pack", [data])
    backend = opened(seaweed, prefix="ahead", pages=PageCache(tmp_path, 1 << 30))
    assert b"".join(backend.read("packs/aa/x.pack", start, 100_000) for start in range(0, len(data), 100_000)) == data
    assert backend.request_count() <= 7


def test_values_are_never_kept(seaweed: ObjectServer, tmp_path: Path) -> None:
    one = opened(seaweed, prefix="fresh", pages=PageCache(tmp_path, 1 << 20))
    other = opened(seaweed, prefix="fresh", pages=PageCache(tmp_path, 1 << 20))
    one.swap("index/head", b"1", expected=None)
    assert other.fetch("index/head") == b"1"
    one.swap("index/head", b"2", expected=b"1")
    assert other.fetch("index/head") == b"2"


def test_a_value_that_was_taken_away_is_neither_listed_nor_there(seaweed: ObjectServer) -> None:
    backend = opened(seaweed)
    assert backend.swap("refs/a", b"1", expected=None)
    assert backend.swap("refs/a", None, expected=b"1")
    assert (list(backend.list("refs/")), backend.exists("refs/a")) == ([], False)
    assert backend.swap("refs/a", b"2", expected=None)
    assert list(backend.list("refs/")) == ["refs/a"]


@pytest.mark.parametrize("variable", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_wrong_credentials_are_said_and_not_shown(seaweed: ObjectServer, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "wrongwrongwrong")
    with pytest.raises(PermissionDenied) as caught:
        opened(seaweed).fetch("refs/x")
    assert caught.value.kind == "store-denied"
    assert "wrongwrong" not in str(caught.value)
    assert seaweed.secret not in str(caught.value)


def test_a_key_that_was_never_set_is_asked_for(seaweed: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in seaweed.variables:
        monkeypatch.delenv(variable)
    with pytest.raises(PermissionDenied) as caught:
        opened(seaweed).fetch("refs/x")
    assert caught.value.kind == "store-denied"
    assert "there is no key" in caught.value.message


def test_a_bucket_that_is_not_there_is_named(seaweed: ObjectServer) -> None:
    address = parse_address(f"s3://no-such-bucket/p?endpoint={seaweed.endpoint}", base=Path("/"))
    with pytest.raises(NotFound, match="no-such-bucket") as caught:
        ObjectStoreBackend(address, patience=HASTY).fetch("refs/x")
    assert caught.value.kind == "unknown-bucket"


def test_a_server_that_is_not_there_is_named_after_a_few_tries(seaweed: ObjectServer) -> None:
    backend = opened(seaweed.through(f"http://127.0.0.1:{free_port()}"))
    for ask in (lambda: backend.fetch("refs/x"), lambda: backend.create("packs/x", [b"x"]), lambda: next(backend.list("packs/"), None)):
        with pytest.raises(Unavailable, match="s3://lineal/") as caught:
            ask()
        assert caught.value.kind == "store-unavailable"


def test_a_file_is_moved_measured_and_dated_by_the_servers_clock(seaweed: ObjectServer) -> None:
    backend = opened(seaweed)
    backend.create("packs/x", [b"hello"])
    backend.move("packs/x", "trash/x")
    assert (backend.size("packs/x"), backend.size("trash/x")) == (None, 5)
    assert backend.age("packs/x") is None
    age = backend.age("trash/x")
    assert age is not None
    assert 0 <= age < 60
    assert list(backend.list("")) == ["trash/x"]
