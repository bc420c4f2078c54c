"""Files as answers: whole, or the one range of them that was asked for."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import BinaryIO
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse

from lineal.interfaces.shown import Shown

OCTETS = "application/octet-stream"
PIECE = 1 << 18
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})\Z")


def sent_file(stream: BinaryIO, *, name: str, wanted: str = "", shown: Shown | None = None, scripts: bool = False) -> Response:
    """The answer with a file's bytes.

    Args:
        name: under which a browser keeps it.
        shown: as what a browser may show it in place; None for a download.
        scripts: whether a page in HTML may run its own scripts there.
        wanted: the header ``Range``; several ranges, and what is none, get the whole file, as RFC 9110 allows.
    """
    place, media = ("attachment", OCTETS) if shown is None else ("inline", shown.media)
    headers = {"content-disposition": f"{place}; filename*=UTF-8''{quote(name)}", **(shown.headers(scripts=scripts) if shown is not None else {})}
    try:
        size = stream.seek(0, io.SEEK_END)
        stream.seek(0)
    except (OSError, io.UnsupportedOperation):  # from a source that is read as it comes
        return StreamingResponse(begun(_pieces(stream, -1)), media_type=media, headers=headers)
    headers["accept-ranges"] = "bytes"
    found = _bounds(wanted, size)
    if found is None:
        return StreamingResponse(begun(_pieces(stream, size)), media_type=media, headers={**headers, "content-length": str(size)})
    start, stop = found
    if start >= stop:
        stream.close()
        return Response(status_code=416, headers={"content-range": f"bytes */{size}"})
    stream.seek(start)
    headers |= {"content-range": f"bytes {start}-{stop - 1}/{size}", "content-length": str(stop - start)}
    return StreamingResponse(begun(_pieces(stream, stop - start)), status_code=206, media_type=media, headers=headers)


def _bounds(wanted: str, size: int) -> tuple[int, int] | None:
    """Where the range begins and ends, the end not included; None for the whole.

    >>> _bounds("bytes=2-4", 9), _bounds("bytes=7-", 9), _bounds("bytes=-3", 9), _bounds("bytes=9-", 9), _bounds("", 9)
    ((2, 5), (7, 9), (6, 9), (9, 9), None)
    """
    match = _RANGE.match(wanted.strip())
    if not match or not (match[1] or match[2]):
        return None
    if not match[1]:
        return max(0, size - int(match[2])), size
    if match[2] and int(match[2]) < int(match[1]):
        return None
    return min(int(match[1]), size), min(int(match[2]) + 1, size) if match[2] else size


def _pieces(stream: BinaryIO, left: int) -> Iterator[bytes]:
    """So many bytes of a file, or all there are where ``left`` is negative."""
    with stream:
        while left and (piece := stream.read(PIECE if left < 0 else min(PIECE, left))):
            left -= len(piece) if left > 0 else 0
            yield piece


def begun(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same pieces; the first is fetched at once, so that an error becomes a status and not a broken answer."""
    first = next(pieces, b"")

    def all_of_them() -> Iterator[bytes]:
        yield first
        yield from pieces

    return all_of_them()
