"""What a run used of its machine over time: series whose names begin alike, so that nobody takes them for what was measured."""

from __future__ import annotations

PREFIX = "system/"
CPU = f"{PREFIX}cpu_percent"
"""Of one processor: 200 is two of them, all the time."""
MEMORY = f"{PREFIX}memory_bytes"
DISK_READ, DISK_WRITTEN = f"{PREFIX}disk_read_bytes", f"{PREFIX}disk_written_bytes"
"""Since the run began, of its processes."""
RECEIVED, SENT = f"{PREFIX}network_received_bytes", f"{PREFIX}network_sent_bytes"
"""Since the run began, of the whole machine: the system does not tell whose they are."""


def is_resource(key: str) -> bool:
    """Whether a series is one of these."""
    return key.startswith(PREFIX)
