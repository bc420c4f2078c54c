"""A filter is completed by what the project has, on both databases."""

from __future__ import annotations

import pytest
from tests.ledger.test_paging import PROJECT, add

from lineal.ledger.completing import complete_filter
from lineal.ledger.database import Ledger
from lineal.ledger.search import Search


@pytest.fixture
def filled(ledger: Ledger) -> Ledger:
    with ledger.write() as connection:
        for number in range(1, 13):
            add(connection, number)
    return ledger


def texts(ledger: Ledger, text: str) -> list[str]:
    with ledger.read() as connection:
        return [found.text for found in complete_filter(connection, PROJECT, text)]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("metrics.a", "metrics.auc"),
        ("dep", "params.depth"),
        ("metrics.auc > 0.5 and te", "tags.team"),
        ("metrics.auc ", "="),
        ("metrics.auc > 0.5 ", "and"),
        ("params.depth = ", "2"),
        ("params.opt = 'sg", "'sgd'"),
        ("params.opt in ('adam', s", "'sgd'"),
        ("tags.team=", "'blue'"),
        ("status = fa", "failed"),
        ("not (started", "started_at"),
        ("env.py", "env.python"),
        ("code.", "code.commit"),
        ("inputs.d", "inputs.dataset"),
    ],
)
def test_what_is_typed_is_completed(filled: Ledger, text: str, first: str) -> None:
    assert texts(filled, text)[0] == first


def test_a_completed_filter_can_be_read(filled: Ledger) -> None:
    with filled.read() as connection:
        for text in ("params.", "tags.", "metrics."):
            (name, *_others) = complete_filter(connection, PROJECT, text)
            said = f"{text[: name.start]}{name.text} = "
            value = next(iter(complete_filter(connection, PROJECT, said)), None)
            Search(connection, PROJECT, said + (value.text if value else "1")).count()


def test_nothing_fits_what_is_unknown(filled: Ledger) -> None:
    assert texts(filled, "zzzz") == []
    assert texts(filled, "params.zzzz = ") == []
