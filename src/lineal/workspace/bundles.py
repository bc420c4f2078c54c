"""Writes bundles: a model with its manifest and reference profile, in a folder of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lineal.records.digest import Digest
from lineal.records.model import Signature
from lineal.serving.bundle import FORMAT_VERSION, PROFILE, Manifest, write_manifest
from lineal.workspace.site import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipped:
    """What goes into a bundle.

    Attributes:
        model: ``name@number``, or ``run:<id>`` of one that was never registered.
        occurrence: the model's node in the graph.
    """

    model: str
    run: str
    file: str
    digest: Digest
    format: str
    signature: Signature
    occurrence: str
    profile: Digest | None = None


def write_bundle(site: Site, shipped: Shipped, folder: Path, *, deployment: str = "", name: str = "", trial: bool = False) -> None:
    """Writes the bundle into ``folder``, which is made; the manifest last, so that a bundle with a manifest is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    file = f"model{Path(shipped.file).suffix}"
    site.store.write_to(shipped.digest, folder / file)
    if shipped.profile is not None:
        (folder / PROFILE).write_bytes(site.store.read(shipped.profile))
    write_manifest(
        folder,
        Manifest(
            format_version=FORMAT_VERSION,
            model=shipped.model,
            model_format=shipped.format,
            file=file,
            digest=shipped.digest,
            signature=shipped.signature,
            profile=PROFILE if shipped.profile is not None else "",
            deployment=deployment,
            name=name,
            trial=trial,
            run=shipped.run,
            created_at=site.clock(),
        ),
    )
