"""Format 3: indexes that answer a search alone and take texts of any length, and saved views."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, PrimaryKeyConstraint, String, Text, TextClause, text

revision = "0003"
down_revision = "0002"

_REPLACED = (
    ("runs_shown", "runs"),
    ("params_by_number", "params"),
    ("params_by_text", "params"),
    ("metrics_by_last", "metrics"),
    ("tags_by_value", "tags"),
)
_SHOWN = text("deleted_at IS NULL AND mistake = ''")
_HIDDEN = text("deleted_at IS NOT NULL OR mistake != ''")


def upgrade() -> None:
    """Makes the indexes anew, and a table."""
    for name, table in _REPLACED:
        op.drop_index(name, table_name=table)
    op.create_index("runs_by_commit", "runs", ["project_id", "commit"])
    op.create_index("runs_by_experiment", "runs", ["project_id", _head("experiment"), "id"])
    shown = ["project_id", "started_at", "number", "id", "ended_at", "status", "deleted_at", "mistake"]
    op.create_index("runs_shown", "runs", shown, sqlite_where=_SHOWN, postgresql_where=_SHOWN)
    op.create_index("runs_hidden", "runs", ["project_id", "id"], sqlite_where=_HIDDEN, postgresql_where=_HIDDEN)
    op.create_index("params_by_number", "params", ["project_id", "key", "number", "run_id"])
    op.create_index("params_by_text", "params", ["project_id", "key", _head("text"), "run_id"])
    op.create_index("metrics_by_last", "metrics", ["project_id", "key", "rank", "last", "run_id"])
    op.create_index("tags_by_value", "tags", ["project_id", "key", _head("value"), "run_id"])
    op.create_table(
        "views",
        Column("project_id", String(32), nullable=False),
        Column("name", String(128), nullable=False),
        Column("query", Text, nullable=False),
        Column("author", Text, nullable=False),
        Column("created_at", BigInteger, nullable=False),
        Column("updated_at", BigInteger, nullable=False),
        PrimaryKeyConstraint("project_id", "name"),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ANALYZE")  # what an index of an expression holds is only known then


def _head(column: str) -> str | TextClause:
    """PostgreSQL indexes no long text whole."""
    return text(f"substr({column}, 1, 200)") if op.get_bind().dialect.name == "postgresql" else column
