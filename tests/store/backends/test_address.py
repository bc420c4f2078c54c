"""Addresses of stores, as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lineal.errors import InvalidInput
from lineal.store.backends.address import parse_address

BASE = Path("/home/ada/flights")


@pytest.mark.parametrize(
    ("text", "url", "place"),
    [
        ("/mnt/store", "file:///mnt/store", "/mnt/store"),
        ("../store of all", "file:///home/ada/store%20of%20all", "/home/ada/store of all"),
        ("file:///mnt/a%20b", "file:///mnt/a%20b", "/mnt/a b"),
        ("s3://bucket", "s3://bucket", "s3://bucket"),
        ("s3a://bucket/deep/prefix/", "s3://bucket/deep/prefix", "s3://bucket/deep/prefix"),
        ("gs://bucket/p", "gs://bucket/p", "gs://bucket/p"),
        ("az://container/p", "az://container/p", "az://container/p"),
        ("s3://b/p?endpoint=http://127.0.0.1:9000&region=eu-west-1", "s3://b/p?endpoint=http://127.0.0.1:9000&region=eu-west-1", "s3://b/p"),
    ],
)
def test_an_address_is_read_and_written(text: str, url: str, place: str) -> None:
    address = parse_address(text, base=BASE)
    assert (address.url, address.place) == (url, place)
    assert parse_address(address.url, base=Path("/elsewhere")) == address


@pytest.mark.parametrize(
    "text",
    [
        "s3://AKIAABCDEFGHIJKLMNOP:verysecretverysecret@bucket/p",
        "s3://user@bucket/p",
        "s3://bucket/p?endpoint=https://key:secretsecret@minio:9000",
        "s3://bucket/p?X-Amz-Signature=0123456789abcdef",
        "az://container/p?sig=0123456789abcdef",
    ],
)
def test_an_address_with_a_secret_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_address(text, base=BASE)
    assert caught.value.kind == "secret-in-address"
    assert "secretsecret" not in str(caught.value)
    assert "verysecret" not in str(caught.value)
    assert "0123456789abcdef" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "s3:/bucket/p",
        "ftp://host/x",
        "https://host/x",
        "s3:///prefix",
        "file://host/x",
        "s3://b/p?color=red",
        "s3://b/p#x",
        "s3://b?endpoint=minio",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_address(text, base=BASE)
    assert caught.value.kind == "bad-address"
