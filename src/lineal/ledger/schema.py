"""The tables. Every row carries its project; times are microseconds UTC; a NaN is stored as NULL where a number is expected.

Node ids: an activity's and an occurrence's id share one namespace, because edges join them. A run's activity has the run's id.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
    literal_column,
    or_,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import ReturnTypeFromArgs

from lineal.ledger import format as newest

FORMAT_VERSION = newest.FORMAT_VERSION
"""Raised with every migration; an older client refuses a ledger of a newer version by name."""

metadata = MetaData()

HEAD = 200
"""Characters of a text that PostgreSQL indexes: it refuses rows whose indexed columns together are longer than 2,704 bytes."""


class head(ReturnTypeFromArgs[str]):  # noqa: N801 - an SQL function
    """A text as indexes have it: its beginning on PostgreSQL, all of it on SQLite, which reads an index alone only where it holds columns as they are."""

    inherit_cache = True


@compiles(head)
def _whole(element: head, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


@compiles(head, "postgresql")
def _beginning(element: head, compiler: SQLCompiler, **options: Any) -> str:
    return f"substr({compiler.process(element.clauses, **options)}, 1, {HEAD})"


meta = Table(
    "meta",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)

projects = Table(
    "projects",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("archived_at", BigInteger),
    Index("projects_by_name", "name", unique=True),
)

activities = Table(
    "activities",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("project_id", String(32), nullable=False),
    Column("kind", String(16), nullable=False),  # run, import, registration, deployment
    Column("label", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("deleted_at", BigInteger),
    Index("activities_by_project", "project_id", "at"),
)

occurrences = Table(
    "occurrences",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("project_id", String(32), nullable=False),
    Column("kind", String(16), nullable=False),  # file, folder, dataset, source, model
    Column("label", Text, nullable=False),
    Column("root", String(16), nullable=False, default="project"),
    Column("path", LargeBinary, nullable=False, default=b""),
    Column("digest", Text),
    Column("size", BigInteger, nullable=False, default=0),
    Column("restorable", Boolean, nullable=False, default=True),
    Column("at", BigInteger, nullable=False),
    Column("detail", Text, nullable=False, default="{}"),
    Column("deleted_at", BigInteger),
    Index("occurrences_by_digest", "project_id", "digest", "at"),
    Index("occurrences_by_path", "project_id", "path", "at"),
)

edges = Table(
    "edges",
    metadata,
    Column("project_id", String(32), nullable=False),
    Column("source", String(64), nullable=False),
    Column("target", String(64), nullable=False),
    Column("relation", String(16), nullable=False),  # used, wasGeneratedBy
    Column("path", LargeBinary, nullable=False, default=b""),  # as the activity knew it, where it lies inside the node
    Column("root", String(16), nullable=False, default="project"),
    Column("digest", Text),  # of the path inside the node, where path is given
    Column("size", BigInteger, nullable=False, default=0),
    Column("role", Text, nullable=False, default=""),
    Column("detail", Text, nullable=False, default="{}"),  # declared, role_origin, note
    PrimaryKeyConstraint("source", "target", "relation", "path"),
    Index("edges_by_target", "target", "relation"),
    Index("edges_by_project", "project_id"),
)

runs = Table(
    "runs",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("project_id", String(32), nullable=False),
    Column("number", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("experiment", Text, nullable=False, default=""),
    Column("status", String(16), nullable=False),
    Column("command", Text, nullable=False, default="[]"),
    Column("folder", Text, nullable=False, default=""),
    Column("author", Text, nullable=False, default=""),
    Column("host", Text, nullable=False, default=""),
    Column("started_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("heartbeat_at", BigInteger),
    Column("exit_code", Integer),
    Column("cpu_seconds", Double),
    Column("peak_memory_bytes", BigInteger),
    Column("mistake", Text, nullable=False, default=""),
    Column("note", Text, nullable=False, default=""),
    Column("warnings", Text, nullable=False, default="[]"),
    Column("log", Text),
    Column("attempt", Integer, nullable=False, default=1),
    Column("parent", String(32), nullable=False, default=""),
    Column("code", Text, nullable=False, default="{}"),
    Column("commit", String(64), nullable=False, default=""),
    Column("environment", Text),
    Column("capture", Text, nullable=False, default="{}"),
    Column("process", Text, nullable=False, default="{}"),  # pid, start time and boot id: what proves death on this host
    Column("deleted_at", BigInteger),
    UniqueConstraint("project_id", "number"),
    Index("runs_by_start", "project_id", "started_at"),
    Index("runs_by_status", "project_id", "status"),
    Index("runs_by_commit", "project_id", "commit"),
)
SHOWN = (runs.c.deleted_at.is_(None), runs.c.mistake == literal_column("''"))
"""Which runs a table shows unless it is asked for others; written out, so that the databases see that `runs_shown` has them."""
Index(  # counts and pages without reading the rows, which are long: SQLite needs the columns of the condition, too
    "runs_shown",
    runs.c.project_id,
    runs.c.started_at,
    runs.c.number,
    runs.c.id,
    runs.c.ended_at,
    runs.c.status,
    runs.c.deleted_at,
    runs.c.mistake,
    sqlite_where=and_(*SHOWN),
    postgresql_where=and_(*SHOWN),
)
HIDDEN = or_(runs.c.deleted_at.is_not(None), runs.c.mistake != literal_column("''"))
"""Which runs it does not show: few, so that it is quicker to leave them out than to look each run up."""
Index("runs_hidden", runs.c.project_id, runs.c.id, sqlite_where=HIDDEN, postgresql_where=HIDDEN)
Index("runs_by_experiment", runs.c.project_id, head(runs.c.experiment), runs.c.id)

environments = Table(
    "environments",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("body", Text, nullable=False),
)

params = Table(
    "params",
    metadata,
    Column("project_id", String(32), nullable=False),
    Column("run_id", String(32), ForeignKey("runs.id"), nullable=False),
    Column("key", Text, nullable=False),
    Column("type", String(8), nullable=False),
    Column("text", Text, nullable=False),
    Column("number", Double),  # for comparison and order; NULL where it is not a finite number
    Column("origin", String(16), nullable=False),
    PrimaryKeyConstraint("run_id", "key"),
    Index("params_by_number", "project_id", "key", "number", "run_id"),
)
Index("params_by_text", params.c.project_id, params.c.key, head(params.c.text), params.c.run_id)

metrics = Table(
    "metrics",
    metadata,
    Column("project_id", String(32), nullable=False),
    Column("run_id", String(32), ForeignKey("runs.id"), nullable=False),
    Column("key", Text, nullable=False),
    Column("rank", Integer, nullable=False, default=0),
    Column("last", Double),
    Column("minimum", Double),
    Column("maximum", Double),
    Column("points", BigInteger, nullable=False, default=0),
    Column("last_step", BigInteger),
    Column("best_step", BigInteger),
    Column("on", Text, nullable=False, default=""),
    PrimaryKeyConstraint("run_id", "key", "rank"),
    Index("metrics_by_last", "project_id", "key", "rank", "last", "run_id"),
)

metric_blocks = Table(
    "metric_blocks",
    metadata,
    Column("run_id", String(32), ForeignKey("runs.id"), nullable=False),
    Column("key", Text, nullable=False),
    Column("rank", Integer, nullable=False, default=0),
    Column("sequence", Integer, nullable=False),
    Column("attempt", Integer, nullable=False, default=1),  # points of earlier attempts are superseded from the first step of a later one
    Column("points", Integer, nullable=False),
    Column("first_step", BigInteger, nullable=False),
    Column("last_step", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),  # docs/design/formats.md, "Metric blocks"
    PrimaryKeyConstraint("run_id", "key", "rank", "sequence"),
)

tags = Table(
    "tags",
    metadata,
    Column("project_id", String(32), nullable=False),
    Column("run_id", String(32), ForeignKey("runs.id"), nullable=False),
    Column("key", Text, nullable=False),
    Column("value", Text, nullable=False),
    PrimaryKeyConstraint("run_id", "key"),
)
Index("tags_by_value", tags.c.project_id, tags.c.key, head(tags.c.value), tags.c.run_id)

journals = Table(
    "journals",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("project_id", String(32), nullable=False),
    Column("run_id", String(32), nullable=False),
    Column("offset", BigInteger, nullable=False, default=0),  # bytes ingested: exactly once, in one transaction with the rows
    Column("files_offset", BigInteger, nullable=False, default=0),  # likewise of FILE and MODEL entries, which wait for the run's end
    Column("finished", Boolean, nullable=False, default=False),
)

leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("until", BigInteger, nullable=False),
)

datasets = Table(
    "datasets",
    metadata,
    Column("project_id", String(32), nullable=False),
    Column("name", Text, nullable=False),
    Column("root", String(16), nullable=False),
    Column("path", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("project_id", "name"),
)

dataset_versions = Table(
    "dataset_versions",
    metadata,
    Column("project_id", String(32), nullable=False),
    Column("name", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("commit", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("occurrence", String(64), nullable=False),
    Column("body", Text, nullable=False),  # the rest of records.dataset.DatasetVersion as JSON
    Column("created_at", BigInteger, nullable=False),
    Column("deleted_at", BigInteger),
    PrimaryKeyConstraint("project_id", "name", "number"),
    Index("dataset_versions_by_commit", "project_id", "commit"),
    Index("dataset_versions_by_occurrence", "occurrence"),
)

model_versions = Table(
    "model_versions",
    metadata,
    Column("project_id", String(32), nullable=False),
    Column("name", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("run_id", String(32), nullable=False),
    Column("digest", Text, nullable=False),
    Column("occurrence", String(64), nullable=False),
    Column("body", Text, nullable=False),  # the rest of records.model.ModelVersion as JSON
    Column("created_at", BigInteger, nullable=False),
    Column("ever_deployed", Boolean, nullable=False, default=False),
    Column("deleted_at", BigInteger),
    PrimaryKeyConstraint("project_id", "name", "number"),
    Index("model_versions_by_run", "run_id"),
    Index("model_versions_by_occurrence", "occurrence"),
)

model_aliases = Table(
    "model_aliases",
    metadata,
    Column("project_id", String(32), nullable=False),
    Column("name", Text, nullable=False),
    Column("alias", Text, nullable=False),
    Column("number", Integer, nullable=False),
    PrimaryKeyConstraint("project_id", "name", "alias"),
)

deployments = Table(
    "deployments",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("project_id", String(32), nullable=False),
    Column("name", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("model_occurrence", String(64), nullable=False),
    Column("target", String(16), nullable=False),
    Column("url", Text, nullable=False, default=""),
    Column("trial", Boolean, nullable=False, default=False),
    Column("started_at", BigInteger, nullable=False),
    Column("stopped_at", BigInteger),
    Column("body", Text, nullable=False, default="{}"),  # handle, skip_drift, author, detail
    Column("deleted_at", BigInteger),
    Index("deployments_by_name", "project_id", "name", "started_at"),
)

deletions = Table(
    "deletions",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("project_id", String(32), nullable=False),
    Column("asked", Text, nullable=False),
    Column("nodes", Text, nullable=False),
    Column("plan", String(32), nullable=False),
    Column("actor", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("undone_at", BigInteger),
)

events = Table(
    "events",
    metadata,
    Column("sequence", Integer().with_variant(BigInteger, "postgresql"), primary_key=True, autoincrement=True),
    Column("project_id", String(32), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", String(48), nullable=False),
    Column("subject", Text, nullable=False),
    Column("payload", Text, nullable=False, default="{}"),
    Column("salt", String(32), nullable=False),
    Column("digest", Text, nullable=False),  # of salt and payload, so that the log proves a payload it need not show
    Index("events_by_subject", "project_id", "subject"),
)

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

views = Table(
    "views",
    metadata,
    Column("project_id", String(32), nullable=False),
    Column("name", String(128), nullable=False),
    Column("query", Text, nullable=False),  # of the page of runs: filter, columns, order, groups
    Column("author", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("project_id", "name"),
)
