"""The same commands say the same, whether a folder works for itself or in a server's project."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.workspace.contract.conftest import Loops
from tests.workspace.contract.loop import Loop

from lineal.main import program

VARYING = (
    (r"blake3:[0-9a-f]{64}|sha256:[0-9a-f]{64}", "DIGEST"),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID"),
    (r"\b[0-9a-f]{32}\b|\b[0-9a-f]{16}\b|\b[0-9a-f]{12}\b|\b(?=[0-9]*[a-f])[0-9a-f]{8}\b|\b[0-9]{8}\b", "ID"),
    (r"127\.0\.0\.1:\d+", "HOST"),
    (r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}:\d{2}( UTC)?", "TIME"),
    (r"just now|\b\d+ (s|min) ago", "AGO"),
    (r"\b\d+(\.\d+)? (s|ms|min)\b", "TOOK"),
    (r"\b\d+ objects?\b", "OBJECTS"),
    (r"\b\d+(\.\d+)? (B|kB|MB|GB)\b", "SIZE"),
)
"""What differs from one run to the next, and what stands for it."""
TIMES = frozenset(
    {"cpu_seconds", "peak_memory_bytes", "pid", "sequence", "digest", "occurrence", "stored_bytes", "bytes", "objects", "port", "handle"}
)
UNORDERED = frozenset({"nodes", "edges"})
BY_TIME = ("rm", "lineage")
"""Commands that list what came to be in the same moment in any order."""
COMMANDS = (
    ("runs",),
    ("runs", "--where", "metrics.accuracy > 0.5", "--order", "params.strength"),
    ("runs", "--json"),
    ("show", "run:{first}"),
    ("show", "run:{first}", "--json"),
    ("show", "data:cells@1"),
    ("show", "model:benign@champion"),
    ("show", "deployment:live", "--json"),
    ("show", "prediction:{answer}"),
    ("logs", "{first}"),
    ("compare", "{first}", "{second}"),
    ("compare", "{first}", "{second}", "--json"),
    ("data", "log"),
    ("data", "log", "cells"),
    ("data", "log", "cells", "--json"),
    ("data", "diff", "cells@1", "cells@2"),
    ("data", "status"),
    ("data", "branch", "cells"),
    ("model", "list"),
    ("deployments",),
    ("monitor", "live"),
    ("lineage", "model:benign@1"),
    ("lineage", "model:benign@1", "--json"),
    ("rm", "data:cells@1"),
    ("show", "run:none"),
    ("runs", "--where", "nonsense ="),
    ("fsck",),
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_says_the_same_in_both(command: tuple[str, ...], loops: Loops, say: Callable[..., str]) -> None:
    assert say(loops.team, command) == say(loops.local, command)


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """What a command says in a loop's folder, with what differs each time taken out."""

    def ask(loop: Loop, command: tuple[str, ...]) -> str:
        names = {"first": loop.trained[0].id, "second": loop.trained[1].id, "answer": loop.answers[0]}
        monkeypatch.chdir(loop.root)
        monkeypatch.setenv("COLUMNS", "160")
        done = CliRunner().invoke(program(), [word.format(**names) for word in command])
        text = _settled(json.loads(done.output)) if "--json" in command else done.output
        lines = _plain(text, loop.root).splitlines()
        return "\n".join([str(done.exit_code), *(sorted(lines) if command[0] in BY_TIME else lines)])

    return ask


def _settled(value: Any) -> str:
    return json.dumps(_without(value), indent=1, sort_keys=True)


def _without(value: Any) -> Any:
    """A document without times and what is counted or made anew each time."""
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if not (key in TIMES or key == "at" or key.endswith("_at"))}
        return {key: sorted(map(_as_text, item)) if key in UNORDERED else _without(item) for key, item in kept.items()}
    return [*map(_without, value)] if isinstance(value, list) else value


def _as_text(value: Any) -> str:
    return _varied(json.dumps(_without(value), sort_keys=True))


def _plain(text: str, root: Path) -> str:
    return re.sub(r"[ ─━]+", " ", _varied(text.replace(str(root), "ROOT")))


def _varied(text: str) -> str:
    for pattern, name in VARYING:
        text = re.sub(pattern, name, text)
    return text
