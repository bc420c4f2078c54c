"""How a share to be read back is given, and how sure reading it makes one."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from lineal.records.dataset import VerifyReport


def share(_context: click.Context, _parameter: click.Parameter, value: str | None) -> float | None:
    """An option's share, from 0 to 1."""
    if value is None:
        return None
    try:
        found = float(value.removesuffix("%")) / (100 if value.endswith("%") else 1)
    except ValueError:
        found = -1.0
    if not 0 < found <= 1:
        raise click.BadParameter(f"{value!r} is no share; give one such as 5% or 0.05")
    return found


def fresh_seed() -> int:
    """A number that was not there before, short enough to be typed."""
    return secrets.randbelow(10**9)


def confidence_in(report: VerifyReport) -> str:
    """What was read, and what that says of the rest."""
    read = f"{report.objects:,} of {report.chosen_from:,} contents read, chosen by --seed {report.seed}"
    if report.damaged_below is None:
        return read
    if not report.damaged_below:
        return f"{read}: all there are"
    return f"{read}: with 95% confidence less than {report.damaged_below:.2%} of them is damaged"
