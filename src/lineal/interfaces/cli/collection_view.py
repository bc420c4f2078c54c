"""How a collection of garbage is shown, and how its grace is given."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from lineal.interfaces.cli.output import facts, heading, say, show, styled, what_next
from lineal.interfaces.cli.wording import count, size, visible

if TYPE_CHECKING:
    from lineal.records.garbage import Collection, Waiting


def span(_context: click.Context, _parameter: click.Parameter, value: str | None) -> float | None:
    """An option's span of time, in seconds."""
    from lineal.records.durations import parse_duration

    if value is None:
        return None
    try:
        return parse_duration(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is no span of time; give one such as 14d, 12h or 30m") from None


def show_collection(found: Collection) -> None:
    """Prints what a collection freed, or would free, and why the rest stays."""
    freed = "Would free now" if found.dry_run else "Freed"
    show(styled(f"{freed}  ", "bold").append(size(found.freed_bytes), style="green" if found.freed_bytes else "dim"), facts(_facts(found)))
    if found.given_up:
        show(heading("Cannot be brought back from now on" if not found.dry_run else "Could not be brought back then"))
        for name in found.given_up:
            say(f"  {visible(name)}")
    if found.waiting:
        show(heading("Waits before it is deleted"))
        for item in found.waiting:
            for line in _waiting(item):
                say(f"  {visible(line)}")
    show(heading("Stays"))
    for line in found.held_by:
        say(f"  {visible(line)}")
    if found.dry_run and (found.condemned_packs or found.freed_packs):
        what_next("lineal data gc")


def _facts(found: Collection) -> Iterator[tuple[str, str]]:
    yield "store", f"{size(found.bytes)} in {count(found.objects, 'object')}, of which {found.needed_objects:,} are needed"
    yield "garbage", size(found.garbage_bytes)
    rewritten = f", {count(found.rewritten_packs, 'pack')} of them rewritten without it" if found.rewritten_packs else ""
    if found.condemned_packs:
        yield "would be condemned" if found.dry_run else "condemned", f"{size(found.condemned_bytes)}{rewritten}"
    if found.restored_packs:
        yield "needed again", count(found.restored_packs, "pack")
    left = found.garbage_bytes - found.condemned_bytes
    if left > 0 and not found.rewritten_packs:
        yield "left in packs that are mostly needed", size(left)


def _waiting(item: Waiting) -> Iterator[str]:
    since = f", condemned {_ago(item.age_seconds)} ago" if item.age_seconds >= 1 else ""
    yield f"{size(item.bytes)}{since}"
    for reason in item.reasons:
        yield f"  {reason}"


def _ago(seconds: float) -> str:
    for length, unit in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= length:
            return count(int(seconds // length), unit)
    return count(int(seconds), "second")
