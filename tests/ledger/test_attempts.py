"""Which attempt of a run a journal belongs to."""

from __future__ import annotations

from typing import Any

from lineal.ledger.attempts import attempt_of, claim, is_current, next_claim


def owner(pid: int, started: int, attempt: int = 1) -> dict[str, Any]:
    return {"role": "owner", "pid": pid, "started": started, "attempt": attempt, "host": "a", "boot": "b"}


def rank(attempt: int = 0) -> dict[str, Any]:
    return {"role": "worker", "pid": 9, "started": 1, "attempt": attempt}


def test_who_claims_the_first_attempt_later_begins_the_next_and_who_comes_late_begins_none() -> None:
    first = claim(owner(1, 100))
    assert next_claim(owner(1, 100), *first) is None
    second = next_claim(owner(2, 200), *first)
    assert second is not None
    assert second[0] == 2
    assert next_claim(owner(1, 100), *second) is None
    third = next_claim(owner(3, 300), *second)
    assert third is not None
    assert third[0] == 3
    assert is_current(owner(3, 300), third[1])
    assert not is_current(owner(2, 200), third[1])


def test_where_the_launcher_counts_the_clocks_do_not_matter() -> None:
    first = claim(owner(1, 100))
    second = next_claim(owner(2, 50, attempt=2), *first)
    assert second is not None
    assert second[0] == 2
    assert next_claim(owner(1, 40), *second) is None


def test_a_count_that_begins_anew_goes_on_from_what_stands_and_ranks_follow_it() -> None:
    stands = next_claim(owner(2, 200, attempt=2), *claim(owner(1, 100)))
    assert stands is not None
    again = next_claim(owner(3, 300), *stands)
    assert again is not None
    assert again[0] == 3
    assert [attempt_of(rank(claimed), *again) for claimed in (0, 1, 2)] == [3, 3, 3]
    restarted = next_claim(owner(4, 400, attempt=2), *again)
    assert restarted is not None
    assert restarted[0] == 4
    assert [attempt_of(rank(claimed), *restarted) for claimed in (0, 1, 2)] == [4, 3, 4]


def test_points_of_an_earlier_owner_stay_with_its_attempt() -> None:
    stands = next_claim(owner(2, 200, attempt=2), *claim(owner(1, 100)))
    assert stands is not None
    assert attempt_of(owner(1, 100), *stands) == 1
    assert attempt_of(owner(2, 200, attempt=2), *stands) == 2


def test_a_run_that_requests_record_is_gone_on_with_and_one_without_an_owner_takes_the_first_that_comes() -> None:
    requested = {"role": "owner", "requested": True, "started": 5, "pid": 1}
    assert next_claim({**requested, "started": 9, "pid": 2}, *claim(requested)) is None
    taken = next_claim(owner(1, 100), 1, "{}")
    assert taken is not None
    assert taken[0] == 1
