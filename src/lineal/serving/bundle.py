"""A bundle: everything a service needs to answer, in one folder. docs/design/formats.md, "Bundle"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from lineal.errors import Integrity, InvalidState, NotFound
from lineal.records.digest import Digest
from lineal.records.model import Signature
from lineal.store.digesting import file_digest
from lineal.store.durable import replacing

MANIFEST = "bundle.json"
PROFILE = "profile.bin"
FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What lies in a bundle.

    Attributes:
        model: ``name@number``, or ``run:<id>`` of a trial that was never registered.
        file: the model file's name in the bundle; digest: its content id, checked before it is loaded.
        profile: the reference profile's file name, or empty.
        deployment: id and name of the deployment it was written for, or empty.
    """

    format_version: int
    model: str
    model_format: str
    file: str
    digest: Digest
    signature: Signature
    profile: str = ""
    deployment: str = ""
    name: str = ""
    trial: bool = False
    run: str = ""
    created_at: int = 0
    hosts: Sequence[str] = ()


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Writes ``bundle.json``, last of a bundle's files, so that a bundle with a manifest is whole."""
    with replacing(folder / MANIFEST) as stream:
        stream.write(msgspec.json.format(msgspec.json.encode(manifest), indent=2))


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a bundle.

    Raises:
        NotFound: kind ``no-bundle``.
        InvalidState: kind ``newer-format``.
        Integrity: kind ``damaged-bundle``.
    """
    try:
        data = (folder / MANIFEST).read_bytes()
        version = msgspec.json.decode(data).get("format_version")
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise InvalidState(
                f"the bundle {folder} has format {version}, made by a newer Lineal",
                kind="newer-format",
                hint="Upgrade with: pip install --upgrade lineal",
            )
        return msgspec.json.decode(data, type=Manifest)
    except OSError as error:
        raise NotFound(f"{folder} holds no bundle: {MANIFEST} cannot be read ({error.strerror})", kind="no-bundle") from error
    except (msgspec.DecodeError, AttributeError) as error:
        raise Integrity(f"the manifest of {folder} is damaged: {error}", kind="damaged-bundle", hint="Deploy or export the model again.") from error


def check_model_file(folder: Path, manifest: Manifest) -> Path:
    """The model file's path, after its content was checked against the manifest.

    Raises:
        Integrity: kind ``damaged-bundle``.
    """
    path = folder / manifest.file
    try:
        found = file_digest(path)
    except OSError as error:
        raise Integrity(f"the bundle's model file {path.name} cannot be read: {error.strerror}", kind="damaged-bundle") from error
    if found != manifest.digest:
        raise Integrity(
            f"the bundle's model file {path.name} is not what its manifest says", kind="damaged-bundle", hint="Deploy or export the model again."
        )
    return path
