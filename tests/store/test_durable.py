from __future__ import annotations

from pathlib import Path

import pytest

from lineal.store.durable import replacing


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "counts.json"
    with replacing(path) as stream:
        stream.write(b"old")
    with pytest.raises(ZeroDivisionError), replacing(path) as stream:
        stream.write(b"%d" % (1 // len(path.read_bytes()[3:])))
    assert path.read_bytes() == b"old"
    with replacing(path) as stream:
        stream.write(b"new")
    assert path.read_bytes() == b"new"
    assert [found.name for found in tmp_path.iterdir()] == ["counts.json"]


def test_what_a_killed_writer_left_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / ".counts.json").write_bytes(b"torn, and longer than what follows")
    with replacing(tmp_path / "counts.json") as stream:
        stream.write(b"new")
    assert [found.read_bytes() for found in tmp_path.iterdir()] == [b"new"]
