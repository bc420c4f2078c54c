"""Which recorded files a browser may show in place, as what, and what they may do there: nothing.

Whoever can record a run can make a file of it. So only media on this list are ever sent as what they say they are; every other file is a
download. What is sent in place carries a policy of its own that makes it a sandbox: a document of no origin that loads nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_MEDIA = {
    "image": {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp", "svg": "image/svg+xml"},
    "audio": {"mp3": "audio/mpeg", "wav": "audio/wav", "ogg": "audio/ogg", "flac": "audio/flac", "m4a": "audio/mp4"},
    "video": {"mp4": "video/mp4", "webm": "video/webm"},
    "html": {"html": "text/html; charset=utf-8", "htm": "text/html; charset=utf-8"},
}
_NOTHING = "default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:; form-action 'none'; base-uri 'none'; "


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """How a file is shown.

    Attributes:
        kind: ``image``, ``audio``, ``video`` or ``html``.
        media: its type.
    """

    kind: str
    media: str

    def headers(self, *, scripts: bool = False) -> Mapping[str, str]:
        """What goes with its bytes; ``scripts`` lets an HTML page run its own, still without an origin and without a network."""
        running = scripts and self.kind == "html"
        script = "script-src 'unsafe-inline' 'unsafe-eval'; sandbox allow-scripts" if running else "sandbox"
        media = "media-src 'self'; " if self.kind in {"audio", "video"} else ""  # a browser plays a file by asking for its parts
        return {
            "content-security-policy": f"{_NOTHING}{media}frame-ancestors 'self'; {script}",
            "x-frame-options": "SAMEORIGIN",
            "x-content-type-options": "nosniff",
        }


def shown_as(name: str) -> Shown | None:
    """How a browser may show a file of that name; None for a download.

    >>> shown_as("plots/ROC.PNG").media, shown_as("notes.pdf"), shown_as("png")
    ('image/png', None, None)
    """
    _stem, dot, ending = name.rpartition("/")[2].rpartition(".")
    for kind, media in _MEDIA.items():
        if dot and ending.lower() in media:
            return Shown(kind=kind, media=media[ending.lower()])
    return None
