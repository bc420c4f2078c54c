"""Format 2: what a team's server keeps. Each part adds its own tables and columns."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, PrimaryKeyConstraint, String, Table, Text, UniqueConstraint

revision = "0002"
down_revision = "0001"

metadata = MetaData()

users = Table(
    "users",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("admin", Boolean, nullable=False, default=False),
    Column("created_at", BigInteger, nullable=False),
    Column("removed_at", BigInteger),
)

memberships = Table(
    "memberships",
    metadata,
    Column("project_id", String(32), nullable=False),
    Column("user", String(64), nullable=False),
    Column("role", String(16), nullable=False),
    PrimaryKeyConstraint("project_id", "user"),
    Index("memberships_by_user", "user"),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", String(12), primary_key=True),
    Column("digest", String(64), nullable=False),  # SHA-256 of a secret of 256 random bits, which is kept nowhere
    Column("kind", String(16), nullable=False),
    Column("owner", String(64), nullable=False),
    Column("note", Text, nullable=False, default=""),
    Column("project_id", String(32), nullable=False, default=""),  # empty: every project that its owner may see
    Column("role", String(16), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("used_at", BigInteger),
    Column("revoked_at", BigInteger),
    Index("tokens_by_owner", "owner"),
)

sign_ins = Table(
    "sign_ins",
    metadata,
    Column("digest", String(64), primary_key=True),  # of a code that is good once
    Column("user", String(64), nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("digest", String(64), primary_key=True),  # of what the cookie holds
    Column("user", String(64), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Index("sessions_by_user", "user"),
)

experiments = Table(
    "experiments",
    metadata,
    Column("project_id", String(32), nullable=False),
    Column("id", Integer, nullable=False),  # as MLflow counts them: 0 is Default
    Column("name", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("deleted_at", BigInteger),
    Column("tags", Text, nullable=False, default="{}"),
    PrimaryKeyConstraint("project_id", "id"),
    UniqueConstraint("project_id", "name"),
)

logged_models = Table(
    "logged_models",
    metadata,
    Column("id", String(34), primary_key=True),
    Column("project_id", String(32), nullable=False),
    Column("experiment", Integer, nullable=False),
    Column("run_id", String(32), nullable=False, default=""),
    Column("name", Text, nullable=False),
    Column("status", String(32), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("body", Text, nullable=False, default="{}"),  # type, params, tags, message
    Index("logged_models_by_project", "project_id", "created_at"),
)

model_notes = Table(
    "model_notes",
    metadata,
    Column("project_id", String(32), nullable=False),
    Column("name", Text, nullable=False),
    Column("number", Integer, nullable=False),  # 0: of the model itself
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("body", Text, nullable=False, default="{}"),  # description, tags, stage, source, run_link, model_id, author, run
    PrimaryKeyConstraint("project_id", "name", "number"),
)


def upgrade() -> None:
    """Adds what each part needs."""
    metadata.create_all(op.get_bind())
    op.add_column("projects", Column("archived_at", BigInteger))
    op.create_index("projects_by_name", "projects", ["name"], unique=True)
