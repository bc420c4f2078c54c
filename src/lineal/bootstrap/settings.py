"""Every setting in one table, and the one place that reads the process environment and the configuration files.

A value comes from the first of: the environment, ``lineal.toml`` in the project, the user's own file, the default.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lineal.errors import InvalidInput
from lineal.records.durations import parse_duration

WORKSPACE_VARIABLE = "LINEAL_WORKSPACE"
"""Environment variable with the project's folder, for programs that run outside it."""

STAND_INS_VARIABLE = "LINEAL_STAND_INS"
"""Environment variable of programs that are run again: which versions they get, as JSON; see `lineal.records.standing_in`."""

CONFIGURATION = "lineal.toml"

_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?\s*\Z", re.IGNORECASE)
_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting.

    Attributes:
        name: ``section.key``, as in ``lineal.toml``.
        type: ``text``, ``count``, ``seconds``, ``duration``, ``share``, ``size``, ``switch`` or ``list``.
        default: already typed.
        meaning: one sentence for docs/reference/settings.md.
    """

    name: str
    type: str
    default: Any
    meaning: str

    @property
    def variable(self) -> str:
        """The environment variable that overrides it."""
        return "LINEAL_" + self.name.upper().replace(".", "_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Effective:
    """A setting's value and where it comes from: ``environment``, a file's path, or ``default``."""

    setting: Setting
    value: Any
    origin: str


SETTINGS: tuple[Setting, ...] = (
    Setting(name="user.name", type="text", default="", meaning="Who acts, in events and authorship; empty means the login name."),
    Setting(name="ledger.url", type="text", default="", meaning="SQLAlchemy URL of the ledger; empty means SQLite in the project's .lineal folder."),
    Setting(
        name="capture.max_file_bytes",
        type="size",
        default=1_000_000_000,
        meaning="Files a run touched are kept up to this size; larger ones are digested and marked as not restorable.",
    ),
    Setting(
        name="capture.tracer",
        type="text",
        default="auto",
        meaning="What watches the files of lineal run: auto or python (an audit hook in Python programs), strace (every program), or none.",
    ),
    Setting(
        name="capture.finish_seconds",
        type="seconds",
        default=30.0,
        meaning="How long lineal run waits for files to be digested after its command; what is left goes on in the background.",
    ),
    Setting(
        name="capture.query_keep_bytes",
        type="size",
        default=10_000_000,
        meaning="Results of run.query are kept up to this size; of larger ones the digest is recorded, unless they are asked for.",
    ),
    Setting(
        name="capture.resources_seconds",
        type="seconds",
        default=10.0,
        meaning="How often what a run uses is noted (processor, memory, disk, network, graphics cards); 0 for never.",
    ),
    Setting(name="capture.variables", type="list", default=(), meaning="Environment variables to record besides the built-in list."),
    Setting(
        name="data.diff_max_bytes",
        type="size",
        default=256 * 1024 * 1024,
        meaning="Tables up to this size are compared row by row; of larger ones only that they differ.",
    ),
    Setting(
        name="gc.grace",
        type="duration",
        default=14 * 86_400.0,
        meaning="How long lineal data gc leaves what it condemned before it deletes it for good.",
    ),
    Setting(
        name="gc.keep_deleted",
        type="duration",
        default=30 * 86_400.0,
        meaning="How long the bytes of what was deleted are kept, so that lineal undelete can bring it back.",
    ),
    Setting(
        name="store.url",
        type="text",
        default="",
        meaning="Where the bytes lie, such as s3://bucket/prefix; empty means the project's .lineal folder.",
    ),
    Setting(
        name="store.cache_bytes",
        type="size",
        default=1 << 30,
        meaning="How much of what was read from object stores is kept on this disk, so that it is not asked for again.",
    ),
    Setting(
        name="runs.heartbeat_seconds",
        type="count",
        default=120,
        meaning="A run on another host that was silent for so long has crashed; on this host its process must be gone.",
    ),
    Setting(name="stop.grace_seconds", type="seconds", default=10.0, meaning="How long lineal stop waits before it kills."),
    Setting(name="serving.start_seconds", type="seconds", default=60.0, meaning="How long lineal deploy waits for a new service to answer."),
    Setting(
        name="monitoring.quality_tolerance",
        type="share",
        default=0.05,
        meaning="A metric that is worse than the model's own by less than this share of it is no alert, however sure it is.",
    ),
    Setting(
        name="monitoring.lowest_coverage",
        type="share",
        default=0.5,
        meaning="A window in which the truth of a smaller share of the predictions is known is an alert.",
    ),
    Setting(name="workspace.url", type="text", default="", meaning="Address of the server's project that this folder works in; empty means its own."),
    Setting(name="workspace.ca", type="text", default="", meaning="File of certificates to trust, besides the system's, when a server is asked."),
    Setting(name="server.host", type="text", default="127.0.0.1", meaning="Address that lineal server listens on."),
    Setting(name="server.port", type="count", default=8500, meaning="Port of lineal server."),
    Setting(name="server.hosts", type="list", default=(), meaning="Names that lineal server answers to besides localhost, without port."),
    Setting(name="server.data", type="text", default="", meaning="Folder of the server's own files; empty means the user's data folder."),
    Setting(name="server.database", type="text", default="", meaning="Where the server's ledger is; empty means SQLite in its data folder."),
    Setting(name="server.store", type="text", default="", meaning="Where the bytes of the server's projects are; empty means its data folder."),
    Setting(name="server.proxies", type="list", default=(), meaning="Addresses of proxies on other machines, which say who asks (X-Forwarded-For)."),
    Setting(name="server.sources", type="list", default=(), meaning="Places of tracked data that lineal server may ask, such as s3://bucket/raw."),
    Setting(name="ui.port", type="count", default=8400, meaning="Port of the pages; the next free one is taken where it is in use."),
    Setting(name="ui.hosts", type="list", default=(), meaning="Names that the pages answer to besides localhost, without port."),
    Setting(name="ui.ingest_seconds", type="seconds", default=1.0, meaning="How often the pages look for news of runs."),
)
"""Every setting there is; a test holds docs/reference/settings.md against it."""


def environment() -> Mapping[str, str]:
    """The process environment."""
    return os.environ


def stand_ins() -> Mapping[str, str]:
    """References that count in the place of others in this process; empty but where a run is run again."""
    text = environment().get(STAND_INS_VARIABLE, "")
    if not text:
        return {}
    import json

    found: dict[str, str] = json.loads(text)
    return found


def user_configuration() -> Path:
    """The user's own configuration file, whether it exists or not."""
    from platformdirs import user_config_path

    return user_config_path("lineal") / CONFIGURATION


def load_settings(root: Path | None, *, variables: Mapping[str, str] | None = None, user_file: Path | None = None) -> dict[str, Any]:
    """The value of every setting, by name.

    Args:
        root: the project's folder, or None outside any project.
        variables: the environment; the process's own unless given.
        user_file: the user's file; the platform's place for it unless given.

    Raises:
        InvalidInput: kinds ``unknown-setting`` and ``bad-setting``, naming file and key; ``bad-configuration``, if a file is no TOML.
    """
    return {item.setting.name: item.value for item in explain_settings(root, variables=variables, user_file=user_file)}


def explain_settings(root: Path | None, *, variables: Mapping[str, str] | None = None, user_file: Path | None = None) -> tuple[Effective, ...]:
    """Every setting with its value and where it comes from, in the table's order. Arguments and errors are `load_settings`'s."""
    variables = environment() if variables is None else variables
    files = [path for path in (root / CONFIGURATION if root else None, user_file or user_configuration()) if path and path.is_file()]
    tables = [(str(path), _read_configuration(path)) for path in files]
    return tuple(_effective(setting, variables, tables) for setting in SETTINGS)


def template() -> str:
    """The text of a new ``lineal.toml``: every setting with its meaning and default, commented out."""
    lines = ["# Settings of this Lineal project. Each line shows a default; take the # away to change it.", "# The meaning of each: lineal config"]
    section = ""
    for setting in SETTINGS:
        group, _, key = setting.name.partition(".")
        if group != section:
            section = group
            lines += ["", f"[{group}]"]
        lines += [f"# {setting.meaning}", f"# {key} = {_toml(setting.default)}"]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    import json

    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)


def _effective(setting: Setting, variables: Mapping[str, str], tables: list[tuple[str, dict[str, Any]]]) -> Effective:
    if variables.get(setting.variable):
        return Effective(setting=setting, value=_typed(setting, variables[setting.variable], setting.variable), origin="environment")
    for origin, table in tables:
        if setting.name in table:
            return Effective(setting=setting, value=_typed(setting, table[setting.name], origin), origin=origin)
    return Effective(setting=setting, value=setting.default, origin="default")


def _read_configuration(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(
            f"{path} is not TOML: {error}", kind="bad-configuration", hint="Its form is shown in docs/reference/settings.md"
        ) from error
    except OSError as error:
        raise InvalidInput(
            f"{path} cannot be read: {error.strerror}", kind="bad-configuration", hint="Give yourself the right to read it."
        ) from error
    table = dict(_flat(tree, ""))
    known = {setting.name for setting in SETTINGS}
    for name in table:
        if name not in known:
            raise InvalidInput(f"{path} sets {name}, which is no setting", kind="unknown-setting", hint=_nearest(name, known))
    return table


def _flat(tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _nearest(name: str, known: set[str]) -> str:
    import difflib

    close = difflib.get_close_matches(name, known, n=1)
    return f"Did you mean {close[0]}?" if close else "See every setting with: lineal config"


def _typed(setting: Setting, value: Any, origin: str) -> Any:
    try:
        return _READERS[setting.type](value)
    except (ValueError, TypeError):
        wanted = _WANTED[setting.type]
        raise InvalidInput(
            f"{origin} sets {setting.name} to {value!r}, which is not {wanted}", kind="bad-setting", hint=f"Its default is {setting.default!r}."
        ) from None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _count(value: Any) -> int:
    number = int(value) if isinstance(value, str) else value
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise ValueError
    return number


def _seconds(value: Any) -> float:
    number = float(value)
    if isinstance(value, bool) or not 0 <= number < float("inf"):
        raise ValueError
    return number


def _duration(value: Any) -> float:
    return parse_duration(value) if isinstance(value, str) else _seconds(value)


def _share(value: Any) -> float:
    number = _seconds(value)
    if number > 1:
        raise ValueError
    return number


def _size(value: Any) -> int:
    if not isinstance(value, str):
        return _count(value)
    match = _SIZE.match(value)
    if not match:
        raise ValueError
    base = 1024 if match[3] else 1000
    return int(float(match[1]) * base ** " kmgt".index(match[2].lower() or " "))


def _switch(value: Any) -> bool:
    text = str(value).lower()
    if text not in _TRUE | _FALSE:
        raise ValueError
    return text in _TRUE


def _list(value: Any) -> tuple[str, ...]:
    items = value.split(",") if isinstance(value, str) else value
    texts = [_text(item).strip() for item in items]
    return tuple(text for text in texts if text)


_READERS: dict[str, Callable[[Any], Any]] = {
    "text": _text,
    "count": _count,
    "seconds": _seconds,
    "duration": _duration,
    "share": _share,
    "size": _size,
    "switch": _switch,
    "list": _list,
}
_WANTED = {
    "text": "a text",
    "count": "a whole number, 0 or more",
    "seconds": "a number of seconds, 0 or more",
    "duration": "a number of seconds, or a text such as 12h or 14d",
    "share": "a number from 0 to 1",
    "size": "a number of bytes, or a text such as 1 GB or 64 MiB",
    "switch": "true or false",
    "list": "a list of texts",
}
