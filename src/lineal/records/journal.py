"""What a run's journals say: the entries that processes append, and that the workspace ingests.

A run has one folder of journals, named by its id; every process that records into it (the program, its children, its forks, the command that
started it) appends to a file of its own, so that writers never wait for one another. Each frame's payload is one MessagePack map with the
entry's kind under ``k``. Times are microseconds UTC. Paths are absolute, as bytes. docs/design/formats.md gives every field.
"""

from __future__ import annotations

BEGIN = "begin"
"""First frame of every journal: ``run project host boot pid pid_started rank started parent role name command folder author attempt``.

``role`` is ``owner`` in exactly one journal of an attempt: the process whose end is the run's end. Only the owner's ``name command folder
author attempt parent experiment`` count; a further rank's ``attempt`` says to which its points belong. ``requested`` is there where requests record the run and no process of its own; ``heard`` is when it was begun here.
"""

POINTS = "points"
"""Metric points in columns: ``keys`` (names), then little-endian arrays as bytes: ``key`` (u16 index into keys), ``step`` (i64),
``value`` (f64), ``time`` (i64); ``rank``. Points that a program wrote to a file of TensorBoard's have ``source`` (the file's path, bytes), ``behind`` (up to
where it was read for them) and ``root`` (the folder that names are given from, bytes), so that each record of it counts once."""

SUMMARY = "summary"
"""``values`` (map of name to number), ``on``, ``time``."""

PARAMS = "params"
"""``values`` (map of name to value), ``origin`` (``recorded``, ``override``, ``argument``)."""

TAGS = "tags"
"""``values`` (map of text to text)."""

NOTE = "note"
"""``text``."""

OPENED = "opened"
"""A file that a tracer saw: ``path`` (bytes), ``mode`` (``r``, ``w`` or ``rw``), ``time``. Not ingested; `FILE` entries are made from it."""

DECLARED = "declared"
"""A file the user named: ``path`` (bytes), ``direction`` (``input``, ``output``), ``role``. Not ingested; `FILE` entries are made from it."""

SPAWNED = "spawned"
"""A child that was started: ``program``, ``traced`` (bool). Not ingested; it tells `CAPTURE` what could not be seen."""

FILE = "file"
"""A file as it went in or came out: ``direction``, ``root``, ``path`` (bytes, relative to root), ``digest`` or None, ``size``, ``kind``
(``file`` or ``folder``), ``role``, ``role_origin``, ``declared``, ``restorable``, ``note``."""

READ = "read"
"""Something with a URL that went in (or came out): ``direction``, ``url`` (text, without secrets), ``role``, ``declared``, ``facts`` (map of what
is known of it then: ``size etag version md5 modified``; of a ``lineal://`` address ``commit digest size``), ``time``."""

QUERY = "query"
"""An answer of a database that went in: ``name text params source brand asked took rows columns digest size kept root path role``. ``columns`` is a
list of name and type; ``path`` is where the result's text lies if it was kept."""

ROWS = "rows"
"""Rows of a table in memory that went in: ``name role rows unique columns digest size root path labels``; their hashes lie at ``path``."""

NAMED = "named"
"""Data that went in and of which only a name is known, as its maker gave it: ``name digest role source source_type rows``; ``digest`` is the maker's own."""

MODEL = "model"
"""A model that was recorded: ``name``, ``root``, ``path``, ``format``, ``signature`` (map), ``profile`` (digest or None)."""

CODE = "code"
"""The fields of `lineal.records.run.Code`."""

ENVIRONMENT = "environment"
"""The fields of `lineal.records.run.Environment`."""

CAPTURE = "capture"
"""The fields of `lineal.records.run.Capture`."""

LOG = "log"
"""``digest`` of the whole output in the store."""

WARNING = "warning"
"""``text``, one sentence for the user."""

LOST = "lost"
"""``points`` that were dropped because the buffer or the disk was full."""

BEAT = "beat"
"""``time``: the process is alive."""

END = "end"
"""``status`` (a `RunStatus`), ``exit_code``, ``ended``, ``cpu_seconds``, ``peak_memory_bytes``; only the owner writes it, last."""

CLOSED = "closed"
"""``time``: the last frame of a journal whose writer closed it; nothing more will come from that process."""

RUN_VARIABLE = "LINEAL_RUN"
"""Environment variable with the id of the run that a process is part of. Without `FOLDER_VARIABLE`, the run that it is to begin or go on with."""

RANKS_VARIABLE = "LINEAL_RANKS_RUN"
"""Environment variable with the id of the run that further ranks join which this process starts."""

FOLDER_VARIABLE = "LINEAL_JOURNALS"
"""Environment variable with the absolute path of that run's folder of journals."""

UNCOLLECTED = "uncollected"
"""Name of a file in a run's folder of journals while `FILE`, `CODE`, `ENVIRONMENT`, `CAPTURE` or `LOG` entries are still to come, in further
journals and also behind the owner's `END`. As long as it is there the folder must be kept and be looked at again; whoever collects removes it."""

OUTPUT_LOG = "output.log"
"""Name of the file in a run's folder of journals with the redacted output so far; a `LOG` entry names its content in the store at the end."""
