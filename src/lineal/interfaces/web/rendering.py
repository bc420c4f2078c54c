"""Templates, with the words they use."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from lineal.interfaces.web import drawing, formats, links, searching
from lineal.interfaces.web.views.runs import cell, next_order
from lineal.records.digest import short

FOLDER = Path(__file__).parent
STATIC = FOLDER / "static"
RAIL = (
    ("runs", "/runs", "Runs", "g r"),
    ("data", "/data", "Data", "g d"),
    ("graph", "/graph", "Graph", "g g"),
    ("models", "/models", "Models", "g m"),
    ("deployments", "/deployments", "Deployments", "g p"),
    ("audit", "/audit", "Audit", "g a"),
)


class Renderer:
    """Renders templates. One per program; thread safe."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(FOLDER / "templates"),
            autoescape=select_autoescape(default=True, default_for_string=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self.version = static_version()
        self._environment.filters |= {
            "ago": formats.ago,
            "stamp": formats.stamp,
            "iso": formats.iso,
            "duration": formats.duration,
            "size": formats.size,
            "number": formats.number,
            "value": formats.value,
            "percent": formats.percent,
            "direction": formats.direction,
            "short": short,
            "segment": lambda text: quote(str(text), safe=""),
            "path_text": path_text,
            "is_text": is_text,
            "last_part": lambda path: path.rpartition(b"/")[2],
        }
        self._environment.globals |= {
            "rail_entries": RAIL,
            "static": f"/static/{self.version}",
            "page": links.page,
            "with_query": links.with_query,
            "twin": links.twin,
            "node_page": links.node_page,
            "graph_page": links.graph_page,
            "reference_of": links.reference_of,
            "reference_page": links.reference_page,
            "cell": cell,
            "next_order": next_order,
            "equals": searching.equals,
            "shapes": drawing.SHAPES,
            "lock": drawing.LOCK,
            "box_height": drawing.BOX_HEIGHT,
        }

    def render(self, template: str, context: Mapping[str, Any]) -> str:
        """The HTML of a template."""
        return self._environment.get_template(template).render(context)


def path_text(path: bytes) -> str:
    """A path for people; bytes that are no UTF-8 show as such."""
    return path.decode("utf-8", "backslashreplace")


def is_text(path: bytes) -> bool:
    """Whether a path can stand in an address."""
    try:
        path.decode()
    except UnicodeDecodeError:
        return False
    return True


def static_version() -> str:
    """A short name that changes whenever a static file does, so that browsers may keep them for good."""
    found = hashlib.sha256()
    for path in sorted(STATIC.rglob("*")):
        if path.is_file():
            facts = path.stat()
            found.update(f"{path.relative_to(STATIC)} {facts.st_size} {facts.st_mtime_ns}\n".encode())
    return found.hexdigest()[:12]
