from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineal.errors import Integrity
from lineal.records.dataset import TreeEntry
from lineal.records.digest import Digest
from lineal.records.tracked import SourceFacts, facts_of, recorded_facts

KNOWN = st.builds(
    SourceFacts,
    size=st.integers(0, 2**60),
    etag=st.text(st.characters(exclude_characters='"', codec="utf-8"), max_size=20).filter(lambda text: not text.startswith("W/")),
    version=st.text(st.characters(codec="utf-8"), max_size=20),
    md5=st.sampled_from(["", "0" * 32]),
    modified=st.one_of(st.none(), st.integers(0, 2**60)),
    path=st.binary(min_size=1, max_size=20).filter(lambda path: b"\0" not in path),
)


@given(KNOWN)
def test_what_is_known_comes_back_as_it_was_in_json_with_sorted_keys(facts: SourceFacts) -> None:
    data = facts.encode(facts.path)
    entry = TreeEntry(path=b"elsewhere", mode="tracked", size=facts.size or 0, digest=Digest("blake3:" + "0" * 64))
    assert recorded_facts(entry, data) == facts
    document = json.loads(data)
    assert list(document) == sorted(document)
    assert json.dumps(document, separators=(",", ":"), sort_keys=True).encode() == data


@given(KNOWN, KNOWN)
def test_agreement_is_mutual_and_everything_agrees_with_itself(one: SourceFacts, other: SourceFacts) -> None:
    assert one.agrees(one) is True
    assert one.agrees(other) == other.agrees(one)


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"\xff"])
def test_what_holds_no_facts_is_named(data: bytes) -> None:
    entry = TreeEntry(path=b"a.csv", mode="tracked", size=0, digest=Digest("blake3:" + "0" * 64))
    with pytest.raises(Integrity, match=r"what was recorded of a\.csv cannot be read"):
        recorded_facts(entry, data)


def test_foreign_types_in_a_journal_count_as_unknown() -> None:
    assert facts_of({"size": "7", "modified": None, "etag": '"a"', "version": None}) == SourceFacts(etag="a")
