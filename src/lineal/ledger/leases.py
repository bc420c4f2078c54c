"""Leases: a named right to do something alone, for a while. A holder that is known to be dead gives it up at once."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, delete, select, update

from lineal.ledger.portable import insert_or_ignore
from lineal.ledger.schema import leases


def acquire_lease(connection: Connection, name: str, *, owner: str, now: int, until: int, is_dead: Callable[[str], bool] | None = None) -> bool:
    """Takes or renews a lease; False while somebody else holds it.

    Args:
        owner: names the holder; taking a lease that ``owner`` holds renews it.
        now, until: microseconds UTC.
        is_dead: whether another owner certainly does not live any more.
    """
    if insert_or_ignore(connection, leases, {"name": name, "owner": owner, "until": until}):
        return True
    holder = connection.execute(select(leases.c.owner, leases.c.until).where(leases.c.name == name)).one_or_none()
    if holder is None:
        return False
    free = holder.owner == owner or holder.until <= now or (is_dead is not None and is_dead(holder.owner))
    if not free:
        return False
    same = (leases.c.name == name, leases.c.owner == holder.owner, leases.c.until == holder.until)
    return connection.execute(update(leases).where(*same).values(owner=owner, until=until)).rowcount == 1


def release_lease(connection: Connection, name: str, *, owner: str) -> None:
    """Gives a lease back; nothing happens where somebody else has taken it over."""
    connection.execute(delete(leases).where(leases.c.name == name, leases.c.owner == owner))
