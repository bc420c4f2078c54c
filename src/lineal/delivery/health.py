"""Whether a service answers, and that it is the one that is meant."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from lineal.errors import Unavailable

PROBE_SECONDS = 1.0
_STEP_SECONDS = 0.05


def answers(url: str, deployment: str, *, seconds: float = PROBE_SECONDS) -> bool:
    """Whether the service at ``url`` says that it is that deployment. One connection, one try."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=seconds)
    try:
        connection.request("GET", "/health")
        response = connection.getresponse()
        document = json.loads(response.read(65536))
    except (OSError, http.client.HTTPException, ValueError):
        return False
    finally:
        connection.close()
    return response.status == 200 and isinstance(document, dict) and document.get("deployment") == deployment


def wait_until_it_answers(url: str, deployment: str, *, alive: Callable[[], bool], seconds: float, why: Callable[[], str]) -> None:
    """Returns when the service answers.

    Args:
        alive: whether the service is still there; one that died is not waited for.
        why: the end of its log, for the message.

    Raises:
        Unavailable: kind ``service-failed``, if it died; kind ``service-silent``, if it does not answer in time.
    """
    deadline = time.monotonic() + seconds
    while not answers(url, deployment):
        if not alive():
            raise Unavailable(
                f"the service ended before it answered: {why()}", kind="service-failed", hint="The whole log: lineal logs, or mend the model."
            )
        if time.monotonic() > deadline:
            raise Unavailable(
                f"the service did not answer within {seconds:.0f} s: {why()}",
                kind="service-silent",
                hint="Give it longer with the setting serving.start_seconds.",
            )
        time.sleep(_STEP_SECONDS)
