from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineal.errors import Integrity, InvalidInput, InvalidState
from lineal.monitoring.profile import Profile, build_profile

columns = st.one_of(
    st.lists(st.one_of(st.none(), st.floats()), min_size=4, max_size=4),
    st.lists(st.one_of(st.none(), st.text(max_size=3)), min_size=4, max_size=4),
    st.lists(st.booleans(), min_size=4, max_size=4),
)


@given(st.dictionaries(st.text(max_size=4), columns), st.one_of(st.none(), columns))
def test_a_profile_comes_back_from_its_bytes(features: dict[str, list[Any]], predictions: list[Any] | None) -> None:
    profile = build_profile(features, predictions, task="classification")
    again = Profile.decode(profile.encode())
    assert again == profile
    assert again.encode() == profile.encode()
    assert list(again.features) == list(features)


def test_what_is_observed_is_counted_in_the_bins_of_the_profile() -> None:
    profile = build_profile({"hour": np.arange(24).repeat(10), "carrier": ["UA", "AA"] * 120}, task="regression")
    found = profile.observe({"hour": [0, 23, None], "carrier": ["UA", "XX", None], "unknown": [1, 2, 3]})
    assert set(found) == {"hour", "carrier"}
    assert found["carrier"].counts == (0, 1, 1, 1)
    assert found["hour"].edges == profile.features["hour"].edges


def test_the_profile_keeps_rows_task_and_predictions() -> None:
    profile = build_profile({"x": [1.0, 2.0]}, np.array([0.2, 0.9]), task="classification")
    assert (profile.rows, profile.task) == (2, "classification")
    assert profile.predictions is not None
    assert profile.predictions.total == 2


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(InvalidInput, match="x: 1, prediction: 2") as caught:
        build_profile({"x": [1.0]}, [1.0, 2.0], task="regression")
    assert caught.value.kind == "bad-columns"


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b"[]", b'{"format":"other","version":1}', b'{"format":"lineal-profile","version":1}'])
def test_damaged_bytes_are_named_as_such(data: bytes) -> None:
    with pytest.raises(Integrity) as caught:
        Profile.decode(data)
    assert caught.value.kind == "damaged-profile"


def test_counts_that_do_not_fit_the_labels_are_damage() -> None:
    body = msgspec.json.decode(build_profile({"x": [1, 2]}, task="other").encode())
    body["features"][0]["counts"].append(1)
    with pytest.raises(Integrity):
        Profile.decode(msgspec.json.encode(body))


def test_a_newer_format_is_refused_by_name() -> None:
    with pytest.raises(InvalidState) as caught:
        Profile.decode(b'{"format":"lineal-profile","version":2,"anything":"else"}')
    assert caught.value.kind == "newer-format"


def test_the_bytes_of_a_profile_stay_as_they_are() -> None:
    profile = build_profile({"late": [True, False, None], "delay": [0.5, 1.5, 2.5]}, [1, 1, 0], task="classification")
    assert profile.encode() == (
        b'{"features":[{"counts":[1,1,0,1],"edges":[],"feature":"late","kind":"categorical","labels":["false","true","other","missing"]},'
        b'{"counts":[1,1,1,0],"edges":[0.5,1.5],"feature":"delay","kind":"numeric","labels":["\xe2\x89\xa4 0.5","0.5 to 1.5","> 1.5","missing"]}],'
        b'"format":"lineal-profile","predictions":{"counts":[1,2,0,0],"edges":[],"feature":"prediction","kind":"categorical",'
        b'"labels":["0","1","other","missing"]},"rows":3,"task":"classification","version":1}'
    )
