"""Which server's project a folder works in: one small file in its state, without secrets."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from lineal.errors import Conflict, Integrity, InvalidState

if TYPE_CHECKING:
    from lineal.workspace.site import Layout

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """The server's project that a folder works in.

    Attributes:
        url: of the project, such as ``https://host/projects/flights``.
        id: of the project; the folder's own is the same.
    """

    url: str
    name: str
    id: str


def names_server(text: str) -> bool:
    """Whether a workspace's name is an address and no folder.

    >>> names_server("https://lineal.example/projects/flights"), names_server("/data/flights")
    (True, False)
    """
    return text.startswith(("http://", "https://"))


def read_attachment(layout: Layout) -> Attachment | None:
    """The server's project that a folder works in; None where it works for itself.

    Raises:
        Integrity: kind ``damaged-project``. InvalidState: kind ``newer-format``.
    """
    try:
        body = json.loads(layout.attachment.read_bytes())
        newer = body["format"] > FORMAT
        found = Attachment(url=str(body["url"]), name=str(body["name"]), id=str(body["id"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Integrity(
            f"{layout.attachment} is damaged: {error}", kind="damaged-project", hint="Remove it, and join again with: lineal init --server URL"
        ) from error
    if newer:
        raise InvalidState(f"{layout.attachment} was made by a newer Lineal", kind="newer-format", hint="Upgrade with: pip install --upgrade lineal")
    return found


def attach(layout: Layout, project_id: str, attachment: Attachment) -> None:
    """Has a folder work in a server's project from now on.

    Raises:
        Conflict: kind ``other-project``, if the folder is another project: its records would be mixed with those of this one.
    """
    from lineal.store.durable import replacing

    if project_id != attachment.id:
        raise Conflict(
            f"{layout.root} is another project than {attachment.name} at {attachment.url}",
            kind="other-project",
            hint="Join in a folder of its own: lineal init DIR --server URL",
        )
    with replacing(layout.attachment) as stream:
        stream.write(json.dumps({"format": FORMAT, **asdict(attachment)}, indent=1).encode() + b"\n")
