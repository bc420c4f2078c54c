from __future__ import annotations

from lineal.ledger.database import Ledger
from lineal.ledger.leases import acquire_lease, release_lease


def test_a_lease_is_held_by_one_until_it_is_given_back_or_runs_out(ledger: Ledger) -> None:
    with ledger.write() as connection:
        assert acquire_lease(connection, "ingest", owner="a", now=0, until=10)
        assert acquire_lease(connection, "ingest", owner="a", now=5, until=20)
        assert not acquire_lease(connection, "ingest", owner="b", now=19, until=30)
        assert acquire_lease(connection, "other", owner="b", now=19, until=30)
        assert acquire_lease(connection, "ingest", owner="b", now=20, until=30)
        release_lease(connection, "ingest", owner="a")
        assert not acquire_lease(connection, "ingest", owner="a", now=21, until=30)
        release_lease(connection, "ingest", owner="b")
        assert acquire_lease(connection, "ingest", owner="a", now=21, until=30)


def test_a_dead_holder_gives_its_lease_up_at_once(ledger: Ledger) -> None:
    with ledger.write() as connection:
        assert acquire_lease(connection, "ingest", owner="dead", now=0, until=1000)
        assert not acquire_lease(connection, "ingest", owner="b", now=1, until=1000, is_dead=lambda _owner: False)
        assert acquire_lease(connection, "ingest", owner="b", now=1, until=1000, is_dead=lambda owner: owner == "dead")
