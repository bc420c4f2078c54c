"""Finds the model that a run wrote, and what is known of it."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import select

from lineal.errors import InvalidInput, InvalidState, NotFound, PermissionDenied
from lineal.ledger.schema import occurrences
from lineal.records.digest import Digest
from lineal.records.model import Signature
from lineal.records.run import FileUse, Run
from lineal.serving.formats import PICKLE_SUFFIXES, SAVE_HINT, looks_like_model, require_format
from lineal.workspace.site import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundModel:
    """A run's model file.

    Attributes:
        signature: what the run recorded of it, or None where it only wrote the file.
        example: content id of the example rows beside it, or None.
    """

    file: FileUse
    digest: Digest
    signature: Signature | None
    example: Digest | None


def find_model(site: Site, run: Run, path: str = "") -> FoundModel:
    """The one model file among what ``run`` wrote.

    Raises:
        NotFound: kind ``no-model``, if it wrote none, or none at ``path``.
        InvalidInput: kind ``several-models``, with the candidates.
        PermissionDenied: kind ``unsafe-model``, if there are only pickles.
        InvalidState: kind ``not-restorable``, if its bytes were not kept.
    """
    facts = _facts(site, run.outputs)
    candidates = [use for use in run.outputs if use.role == "model" or facts.get(use.occurrence, {}).get("format") or looks_like_model(use.path)]
    candidates = [use for use in candidates if use.role != "example"]
    chosen = _at_path(run, path) if path else _only_safe(run, candidates)
    if chosen.digest is None or not chosen.restorable or not site.store.contains(chosen.digest):
        raise InvalidState(
            f"{chosen.path} of run {run.id[:8]} was not kept{': ' + chosen.note if chosen.note else ''}",
            kind="not-restorable",
            hint="Run it again; files up to the setting capture.max_file_bytes are kept.",
        )
    known = facts.get(chosen.occurrence, {})
    return FoundModel(file=chosen, digest=chosen.digest, signature=_signature(known), example=_example(run, chosen))


@contextmanager
def model_file(site: Site, digest: Digest, name: str) -> Iterator[Path]:
    """The content as a file with its own name, for as long as it is needed."""
    site.layout.temporary.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="model-", dir=site.layout.temporary))
    try:
        path = folder / Path(name).name
        site.store.write_to(digest, path)
        yield path
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def check_format(path: Path, shown: str) -> str:
    """The name of the file's safe format; raises as `lineal.serving.formats.require_format` does."""
    return require_format(path, shown).name


def _at_path(run: Run, path: str) -> FileUse:
    wanted = path.removeprefix("./")
    found = [use for use in run.outputs if use.path == wanted] or [use for use in run.outputs if use.path.endswith("/" + wanted)]
    if len(found) != 1:
        written = ", ".join(use.path for use in run.outputs[:10]) or "nothing"
        raise NotFound(f"run {run.id[:8]} wrote no file {path!r}", kind="no-model", hint=f"It wrote: {written}")
    return found[0]


def _only_safe(run: Run, candidates: Sequence[FileUse]) -> FileUse:
    safe = [use for use in candidates if Path(use.path).suffix.lower() not in PICKLE_SUFFIXES]
    if len(safe) == 1:
        return safe[0]
    if safe:
        paths = ", ".join(use.path for use in safe)
        raise InvalidInput(f"run {run.id[:8]} wrote {len(safe)} models: {paths}", kind="several-models", hint=f"Say which: --path {safe[0].path}")
    if candidates:
        paths = ", ".join(use.path for use in candidates)
        raise PermissionDenied(
            f"run {run.id[:8]} wrote its model as a pickle ({paths}), which runs code when it is loaded, and is refused",
            kind="unsafe-model",
            hint=SAVE_HINT,
        )
    written = ", ".join(use.path for use in run.outputs[:10]) or "nothing"
    raise NotFound(f"run {run.id[:8]} wrote no model", kind="no-model", hint=f"It wrote: {written}. {SAVE_HINT}")


def _facts(site: Site, uses: Sequence[FileUse]) -> Mapping[str, Mapping[str, Any]]:
    """What is known of each output beyond its content, by occurrence."""
    ids = [use.occurrence for use in uses if use.occurrence][:1000]
    with site.ledger.read() as connection:
        rows = connection.execute(select(occurrences.c.id, occurrences.c.detail).where(occurrences.c.id.in_(ids)))
        return {row.id: json.loads(row.detail or "{}") for row in rows}


def _signature(facts: Mapping[str, Any]) -> Signature | None:
    given = facts.get("signature")
    if not given:
        return None
    try:
        return msgspec.convert(given, Signature)
    except msgspec.ValidationError:
        return None  # of another version's shape: the file itself says enough


def _example(run: Run, model: FileUse) -> Digest | None:
    wanted = model.path + ".example"
    return next((use.digest for use in run.outputs if use.path == wanted and use.restorable), None)
