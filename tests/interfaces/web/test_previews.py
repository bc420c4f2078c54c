from __future__ import annotations

import io
import json

import pytest

from lineal.interfaces.web.gallery import images, tree
from lineal.interfaces.web.previews import LARGEST_TEXT, ROWS, VALUES, Preview, preview
from lineal.records.digest import Digest
from lineal.records.run import FileUse


def of(name: str, data: bytes) -> Preview:
    return preview(name, io.BytesIO(data), size=len(data))


def use(path: str, *, restorable: bool = True) -> FileUse:
    return FileUse(path=path, digest=Digest("blake3:00"), size=1, restorable=restorable)


def test_a_table_shows_its_first_rows_and_says_so() -> None:
    found = of("a.csv", b"x,y\n" + b"".join(b'%d,"a,b"\n' % number for number in range(ROWS + 1)))
    assert (found.kind, found.columns, len(found.rows), found.rows[0]) == ("table", ["x", "y"], ROWS, ["0", "a,b"])
    assert found.note == f"The first {ROWS} rows."
    assert of("a.tsv", b"x\ty\n1\t2\n").rows == [["1", "2"]]


def test_parquet_shows_its_first_rows() -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    target = io.BytesIO()
    parquet.write_table(pyarrow.table({"a": list(range(500)), "b": [None, "x"] * 250}), target)
    found = of("a.parquet", target.getvalue())
    assert (found.columns, found.rows[1], len(found.rows)) == (["a", "b"], ("1", "x"), ROWS)
    assert found.note == f"500 rows of 2 columns; the first {ROWS} rows."
    assert of("a.parquet", b"PAR1 not").kind == "none"


def test_json_is_a_tree_of_values_and_a_large_or_deep_one_is_cut() -> None:
    assert of("a.json", b'{"a": [1, null]}').value == {"a": [1, None]}
    many = of("a.json", json.dumps(list(range(VALUES * 2))).encode())
    assert len(many.value) == VALUES - 1
    assert many.note
    assert of("a.json", b"[" * 60 + b"]" * 60).kind == "json"
    assert (of("a.json", b"{nothing").kind, of("a.json", b"[" * 500_000).kind) == ("text", "text")


def test_text_is_shown_and_what_is_none_is_not() -> None:
    assert of("a.py", "räder = 1\n".encode()).text == "räder = 1\n"
    assert of("a.bin", b"\x80\x81\x82abc").kind == "none"
    assert of("a", b"a\0b").kind == "none"
    long = of("log.txt", ("ä" * LARGEST_TEXT).encode())
    assert (long.kind, set(long.text)) == ("text", {"ä"})
    assert long.note.startswith("The first")
    assert (of("a.txt", b"").kind, of("a.csv", b"").note) == ("text", "The file is empty.")


def test_images_that_differ_in_their_step_are_one_with_a_slider() -> None:
    names = ["p/roc_2.png", "p/roc_10.png", "p/roc_1.png", "cat.png", "m%step%3%timestamp%99.png", "m%step%1%timestamp%88.png", "a.csv"]
    found = images([*map(use, names), use("gone.png", restorable=False)])
    assert {each.name: [step for step, _use in each.steps] for each in found} == {
        "p/roc_#.png": [1, 2, 10],
        "cat.png": [None],
        "m%step%#.png": [1, 3],
    }


def test_files_are_a_tree_of_their_folders() -> None:
    top = tree("Outputs", map(use, ["a/b/c.txt", "a/d.txt", "https://x.y/z.csv", "/abs/e"]))
    assert sorted(top.folders) == ["a", "abs"]
    assert [each.path for each in top.files] == ["https://x.y/z.csv"]
    assert top.folders["a"].holds("a/b/c.txt")
    assert not top.folders["abs"].holds("a/b/c.txt")
