"""The model library: versions of models, what they take and give, and what they looked like in training."""

from __future__ import annotations

import builtins
import os
import re
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from sqlalchemy import Connection

from lineal.errors import Conflict, InvalidInput, InvalidState, LinealError, NotFound
from lineal.ledger import models as rows
from lineal.ledger.graph import add_activity, add_edge, add_occurrence
from lineal.ledger.nodes import load_nodes
from lineal.ledger.runs import load_run
from lineal.monitoring.profile import build_profile
from lineal.records.digest import Digest
from lineal.records.graph import GENERATED, USED
from lineal.records.model import Model, ModelVersion, Signature
from lineal.records.resources import is_resource
from lineal.records.run import Run
from lineal.serving.formats import load_model
from lineal.serving.formats.interface import Predictor
from lineal.workspace.bundles import Shipped, write_bundle
from lineal.workspace.found_models import FoundModel, check_format, find_model, model_file
from lineal.workspace.interface import Datasets
from lineal.workspace.references import resolve
from lineal.workspace.site import Site, storing
from lineal.workspace.training_rows import training_rows

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")
LATEST = "latest"


class LocalModels:
    """`Models` over the ledger and the store."""

    def __init__(self, site: Site, datasets: Datasets) -> None:
        self._site = site
        self._datasets = datasets

    @storing
    def register(self, run: str, *, name: str, path: str = "", note: str = "") -> ModelVersion:
        """Makes the model that ``run`` wrote the next version of ``name``; its content is in the store already and is not copied.

        The signature is what the run recorded, else what the file itself tells. The reference profile counts the rows recorded with the model,
        else those of the run's training table.

        Raises:
            InvalidInput: kinds ``bad-name``, ``several-models`` and ``unsupported-model``.
            InvalidState: kind ``run-running``, ``run-incomplete``, ``marked-mistake`` or ``not-restorable``.
            NotFound: kind ``no-model``.
            PermissionDenied: kinds ``unsafe-model`` and ``untrusted-model``.
        """
        check_name(name, "model")
        made = self._run(run)
        if made.mistake:
            raise InvalidState(
                f"run {made.id[:8]} is marked as a mistake: {made.mistake}", kind="marked-mistake", hint="Register the model of another run."
            )
        found = find_model(self._site, made, path)
        format_name, signature, profile = self._describe(made, found)
        with self._site.ledger.write() as connection:
            self._refuse_deleted(connection, found.file.occurrence, made)
            version = ModelVersion(
                name=name,
                number=rows.next_number(connection, self._site.project_id, name),
                run=made.id,
                path=found.file.path,
                digest=found.digest,
                size=found.file.size,
                format=format_name,
                signature=signature,
                metrics={key: metric.last for key, metric in made.metrics.items() if not is_resource(key)},
                profile=profile,
                author=self._site.actor,
                created_at=self._site.clock(),
                note=note,
                occurrence=self._site.entropy(16).hex(),
            )
            self._add(connection, version, found)
        return version

    def list(self) -> Sequence[Model]:
        """Every model, by name."""
        with self._site.ledger.read() as connection:
            every = rows.list_versions(connection, self._site.project_id)
        return [Model(name=name, versions=tuple(versions)) for name, versions in groupby(every, key=lambda version: version.name)]

    def get(self, reference: str) -> ModelVersion:
        """``name@number``, ``name@alias`` or ``name`` for the latest; ``model:`` may stand before it."""
        node = resolve(self._site, reference, kinds=("model",))
        with self._site.ledger.read() as connection:
            found = rows.version_of(connection, self._site.project_id, node.id)
        if found is None:
            raise NotFound(f"{reference!r} is no model version", kind="unknown-reference", hint="See which there are with: lineal model list")
        return found

    def set_alias(self, reference: str, alias: str) -> ModelVersion:
        """Points the alias at that version, wherever it pointed before.

        Raises:
            InvalidInput: kind ``bad-alias``: ``latest`` always means the highest number, and a number is no alias.
        """
        if not NAME.match(alias) or alias.isdecimal() or alias == LATEST:
            raise InvalidInput(
                f"{alias!r} cannot be an alias", kind="bad-alias", hint="Take letters, digits, '.', '_' and '-'; 'latest' and numbers are taken."
            )
        version = self.get(reference)
        with self._site.ledger.write() as connection:
            rows.set_alias(connection, self._site.project_id, name=version.name, alias=alias, number=version.number)
            self._event(connection, "model.alias-set", version.reference, {"alias": alias})
        return self.get(f"model:{version.reference}")

    def remove_alias(self, name: str, alias: str) -> None:
        """Takes the alias away.

        Raises:
            NotFound: kind ``unknown-reference``.
        """
        name = name.removeprefix("model:")
        with self._site.ledger.write() as connection:
            if not rows.remove_alias(connection, self._site.project_id, name=name, alias=alias):
                raise NotFound(f"model {name} has no alias {alias!r}", kind="unknown-reference", hint="See which there are with: lineal model list")
            self._event(connection, "model.alias-removed", name, {"alias": alias})

    def export(self, reference: str, folder: Path) -> Path:
        """Writes the model's bundle into ``folder``, which must not hold anything; serve it anywhere with ``python -m lineal.serving``.

        Raises:
            Conflict: kind ``folder-not-empty``.
        """
        version = self.get(reference)
        if folder.is_dir() and any(folder.iterdir()):
            raise Conflict(f"the folder {folder} is not empty", kind="folder-not-empty", hint="Name one that is empty or does not exist.")
        write_bundle(self._site, shipped_version(version), folder, name=version.name)
        return folder

    def shipped_run(self, reference: str) -> Shipped:
        """The model of a run that was never registered, for a trial; a run marked as a mistake may be tried too."""
        made = self._run(reference)
        found = find_model(self._site, made)
        format_name, signature, profile = self._describe(made, found)
        return Shipped(
            model=f"run:{made.id[:12]}",
            run=made.id,
            file=found.file.path,
            digest=found.digest,
            format=format_name,
            signature=signature,
            occurrence=found.file.occurrence,
            profile=profile,
        )

    def _run(self, reference: str) -> Run:
        from lineal.workspace.collection import await_files
        from lineal.workspace.ingest import ingest

        ingest(self._site)
        node = resolve(self._site, reference, kinds=("run",))
        run = self._loaded(node.id)
        if not run.status.ended:
            raise InvalidState(
                f"run {run.id[:8]} is still running", kind="run-running", hint=f"Wait for it, or stop it with: lineal stop {run.id[:8]}"
            )
        if not await_files(self._site, run.id):
            raise InvalidState(
                f"the files of run {run.id[:8]} are still being digested", kind="run-incomplete", hint="Try again when lineal show says they are."
            )
        ingest(self._site)
        return self._loaded(run.id)

    def _loaded(self, identifier: str) -> Run:
        with self._site.ledger.read() as connection:
            return load_run(connection, self._site.project_id, identifier, self._site.store)

    def _describe(self, run: Run, found: FoundModel) -> tuple[str, Signature, Digest | None]:
        """Loads the model (which is safe: its format's policy is fixed) and says its format, signature and reference profile."""
        with model_file(self._site, found.digest, found.file.path) as path:
            format_name = check_format(path, found.file.path)
            predictor = load_model(path, format_name, found.signature)
        return format_name, predictor.signature, self._profile(run, found, predictor)

    def _profile(self, run: Run, found: FoundModel, predictor: Predictor) -> Digest | None:
        known = training_rows(self._site, run, found, predictor.signature)
        if not known.found:
            return None
        try:
            answers = predictor.predict(known.columns)
        except LinealError:
            given = None  # a profile of the inputs alone is better than none
        else:
            given = answers.score if answers.score is not None else answers.output
        return self._site.store.put_bytes(build_profile(known.columns, given, task=predictor.signature.task).encode())

    def _add(self, connection: Connection, version: ModelVersion, found: FoundModel) -> None:
        project = self._site.project_id
        activity = self._site.entropy(16).hex()
        add_activity(connection, id=activity, project_id=project, kind="registration", label=f"register {version.reference}", at=version.created_at)
        add_edge(connection, project_id=project, source=activity, target=found.file.occurrence, relation=USED, role="model")
        add_occurrence(
            connection,
            id=version.occurrence,
            project_id=project,
            kind="model",
            label=version.reference,
            digest=version.digest,
            at=version.created_at,
            root=found.file.root,
            path=os.fsencode(version.path),
            size=version.size,
            detail={"format": version.format, "profile": version.profile},
        )
        add_edge(connection, project_id=project, source=version.occurrence, target=activity, relation=GENERATED, role="model")
        rows.add_version(connection, project, version)
        self._event(connection, "model.registered", version.reference, {"run": version.run, "digest": version.digest, "format": version.format})

    def _refuse_deleted(self, connection: Connection, occurrence: str, run: Run) -> None:
        node = load_nodes(connection, self._site.project_id, [occurrence]).get(occurrence)
        if node is None or "deleted" in node.marks:
            raise InvalidState(f"the model of run {run.id[:8]} was deleted meanwhile", kind="deleted", hint=f"lineal undelete run:{run.id[:12]}")

    def _event(self, connection: Connection, action: str, reference: str, payload: builtins.dict[str, object]) -> None:
        self._site.record_event(connection, action, subject=f"model:{reference}", payload=payload)


def shipped_version(version: ModelVersion) -> Shipped:
    """What of a registered version goes into a bundle."""
    return Shipped(
        model=version.reference,
        run=version.run,
        file=version.path,
        digest=version.digest,
        format=version.format,
        signature=version.signature,
        occurrence=version.occurrence,
        profile=version.profile,
    )


def check_name(name: str, what: str) -> None:
    """Raises InvalidInput kind ``bad-name`` for a name that references could not tell apart from something else."""
    if not NAME.match(name):
        raise InvalidInput(
            f"{name!r} cannot name a {what}",
            kind="bad-name",
            hint="Names begin with a letter or digit and have letters, digits, '.', '_' and '-', such as delay.",
        )
