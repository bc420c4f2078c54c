"""What the hook writes into journals: entries as bytes, by the little of MessagePack that it needs, and who this process is."""

from __future__ import annotations

import binascii
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def frame(payload: bytes) -> bytes:
    """The payload as one frame."""
    return len(payload).to_bytes(4, "little") + binascii.crc32(payload).to_bytes(4, "little") + payload


def pack(value: Any) -> bytes:
    """The value as MessagePack. Source: the MessagePack specification, of which maps, arrays, text, bytes, booleans and integers are used here."""
    if value is True or value is False:
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return b"\xd3" + value.to_bytes(8, "big", signed=True) if value < 1 << 63 else b"\xcf" + value.to_bytes(8, "big")
    if isinstance(value, str):
        try:
            data = value.encode()
        except UnicodeEncodeError:
            data = os.fsencode(value)
            return b"\xc9" + len(data).to_bytes(4, "big") + b"\x02" + data  # extension 2: text that is not UTF-8
        return b"\xdb" + len(data).to_bytes(4, "big") + data
    if isinstance(value, bytes):
        return b"\xc6" + len(value).to_bytes(4, "big") + value
    if isinstance(value, dict):
        return b"\xdf" + len(value).to_bytes(4, "big") + b"".join(pack(key) + pack(item) for key, item in value.items())
    return b"\xdd" + len(value).to_bytes(4, "big") + b"".join(pack(item) for item in value)


def identity() -> dict[str, Any]:
    """The facts that tell this process from any other; the same as `lineal.capture.identity` finds."""
    facts = {"host": os.uname()[1], "machine": _line("/etc/machine-id"), "boot": _line("/proc/sys/kernel/random/boot_id")}
    try:
        facts["namespace"] = os.readlink("/proc/self/ns/pid")
        facts["pid_started"] = _text("/proc/self/stat").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        facts["namespace"] = facts["pid_started"] = ""
    return {**facts, "pid": os.getpid()}


def _line(path: str) -> str:
    try:
        return _text(path).strip()
    except OSError:
        return ""


def _text(path: str) -> str:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.read(descriptor, 4096).decode("ascii", "replace")
    finally:
        os.close(descriptor)
