"""Format 2: what a team's server keeps. Each part adds its own tables and columns."""

from __future__ import annotations

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Adds what each part needs."""
