"""Models as MLflow's clients keep them. A named version is a version of Lineal's own library, too: in its lineage, guarded, with the same aliases."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from sqlalchemy import Connection, delete, insert, select, update

from lineal.errors import Conflict, InvalidInput, InvalidState, NotFound
from lineal.ledger import models as rows
from lineal.ledger.graph import FileFact, add_activity, add_edge, add_occurrence, add_output
from lineal.ledger.portable import upsert
from lineal.ledger.schema import logged_models, model_aliases, model_notes, model_versions
from lineal.records.dataset import TreeEntry
from lineal.records.graph import GENERATED, USED
from lineal.records.library import LoggedModel, NamedModel, NamedVersion
from lineal.records.model import ModelVersion, Signature
from lineal.records.run import RunStatus

if TYPE_CHECKING:
    from lineal.records.requested import KeptFile
    from lineal.workspace.interface import Lineage, Requested
    from lineal.workspace.site import Site

FORMAT = "mlflow"
_LOGGED = re.compile(r"m-[0-9a-f]{32}\Z")
_SOURCES = (
    re.compile(r"models:/(?P<model>m-[0-9a-f]{32})(?:/(?P<path>.*))?\Z"),
    re.compile(r"(?:mlflow-artifacts:/|runs:/)(?:\d+/)?models/(?P<model>m-[0-9a-f]{32})/artifacts(?:/(?P<path>.*))?\Z"),
    re.compile(r"runs:/(?P<run>[0-9a-f]{32})(?:/(?P<path>.*))?\Z"),
    re.compile(r"mlflow-artifacts:/\d+/(?P<run>[0-9a-f]{32})/artifacts(?:/(?P<path>.*))?\Z"),
)
_COPIED = re.compile(r"models:/(?P<name>[^/@]+)/(?P<number>\d{1,9})\Z")


class LocalLibrary:
    """Logged and registered models of a project. Thread safe."""

    def __init__(self, site: Site, requested: Requested, lineage: Lineage) -> None:
        self._site = site
        self._requested = requested
        self._lineage = lineage

    def log(self, *, name: str, experiment: int, label: str, run: str, author: str, body: Mapping[str, Any]) -> LoggedModel:
        """Begins a model that a client is about to send; its files are kept by the run, or by one of their own where there is none."""
        now = self._site.clock()
        keeper = run
        if not keeper:
            begun = self._requested.begin(name=name or "model", experiment=label, author=author, started_at=now, tags={"kept": "a logged model"})
            keeper = self._requested.end(begun.id, status=RunStatus.FINISHED, ended_at=now).id
        model = LoggedModel(
            id=f"m-{self._site.entropy(16).hex()}",
            name=name or "model",
            experiment=experiment,
            run=keeper,
            source_run=run,
            created_at=now,
            updated_at=now,
            body=body,
        )
        with self._site.ledger.write() as connection:
            connection.execute(insert(logged_models).values(_logged_row(self._site.project_id, model)))
        return model

    def logged(self, identifier: str) -> LoggedModel:
        """A logged model. Raises NotFound kind ``unknown-model``."""
        with self._site.ledger.read() as connection:
            here = (logged_models.c.id == identifier, logged_models.c.project_id == self._site.project_id)
            row = connection.execute(select(logged_models).where(*here)).mappings().one_or_none() if _LOGGED.match(identifier) else None
        if row is None:
            raise NotFound(f"Logged model with ID '{identifier:.80}' not found.", kind="unknown-model")
        return _logged(dict(row))

    def change_logged(
        self,
        identifier: str,
        *,
        status: str = "",
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str | None] | None = None,
        metrics: Sequence[Mapping[str, Any]] = (),
    ) -> LoggedModel:
        """Changes what is known of a logged model; a tag of None is taken off, and of a key's figures on the same data by the same run the last one is kept."""
        model = self.logged(identifier)
        body = dict(model.body)
        body["params"] = {**body.get("params", {}), **(params or {})}
        body["tags"] = {key: value for key, value in {**body.get("tags", {}), **(tags or {})}.items() if value is not None}
        told = {f"{one['key']}\0{one['dataset_name']}\0{one['dataset_digest']}\0{one['run_id']}": dict(one) for one in metrics}
        body["metrics"] = {**body.get("metrics", {}), **told}
        changed = replace(model, status=status or model.status, body=body, updated_at=self._site.clock())
        with self._site.ledger.write() as connection:
            row = _logged_row(self._site.project_id, changed)
            connection.execute(update(logged_models).where(logged_models.c.id == identifier).values(row))
        return changed

    def delete_logged(self, identifier: str) -> None:
        """Forgets a logged model that no version stands on; its files stay with their run."""
        model = self.logged(identifier)
        if any(version.model == identifier for version in self.versions()):
            raise InvalidState(f"a version of a registered model stands on {identifier}", kind="protected", hint="Delete that version first.")
        with self._site.ledger.write() as connection:
            connection.execute(delete(logged_models).where(logged_models.c.id == model.id, logged_models.c.project_id == self._site.project_id))

    def all_logged(self, experiments: Sequence[int]) -> Sequence[LoggedModel]:
        """The logged models of some experiments, the newest first."""
        query = select(logged_models).where(logged_models.c.project_id == self._site.project_id, logged_models.c.experiment.in_(list(experiments)))
        with self._site.ledger.read() as connection:
            ordered = query.order_by(logged_models.c.created_at.desc(), logged_models.c.id)
            return [_logged(dict(row)) for row in connection.execute(ordered).mappings()]

    def models(self) -> Sequence[NamedModel]:
        """Every registered model by name, those of Lineal's own library among them."""
        with self._site.ledger.read() as connection:
            notes = self._notes(connection)
            aliases = _aliases(connection, self._site.project_id)
            names = dict.fromkeys([name for name, number in notes if number == 0])
            names |= dict.fromkeys(version.name for version in rows.list_versions(connection, self._site.project_id))
        return [_named(name, notes.get((name, 0), {}), aliases.get(name, {})) for name in sorted(names)]

    def model(self, name: str) -> NamedModel:
        """A registered model. Raises NotFound kind ``unknown-model``."""
        found = next((model for model in self.models() if model.name == name), None)
        if found is None:
            raise NotFound(f"Registered Model with name={name} not found", kind="unknown-model")
        return found

    def create(self, name: str, *, description: str = "", tags: Mapping[str, str] | None = None) -> NamedModel:
        """Registers a name. Raises Conflict kind ``name-taken``, InvalidInput kind ``bad-name``."""
        _check_name(name)
        if any(model.name == name for model in self.models()):
            raise Conflict(f"Registered Model (name={name}) already exists.", kind="name-taken")
        with self._site.ledger.write() as connection:
            self._note(connection, name, 0, {"description": description, "tags": dict(tags or {})})
            self._event(connection, "model.named", name)
        return self.model(name)

    def change(
        self, name: str, number: int = 0, *, description: str | None = None, tags: Mapping[str, str | None] | None = None, stage: str = ""
    ) -> None:
        """Changes a model's (number 0) or a version's description, tags or stage; a tag of None is taken off."""
        self.version(name, number) if number else self.model(name)
        with self._site.ledger.write() as connection:
            body = dict(self._notes(connection).get((name, number), {}))
            if description is not None:
                body["description"] = description
            if tags:
                body["tags"] = {key: value for key, value in {**body.get("tags", {}), **tags}.items() if value is not None}
            if stage:
                body["stage"] = stage
                self._event(connection, "model.stage", f"{name}@{number}", stage=stage)
            self._note(connection, name, number, body)

    def rename(self, name: str, new: str) -> NamedModel:
        """Gives a model another name, unless a version of it was in production, where it is known by this one."""
        self.model(name)
        _check_name(new)
        with self._site.ledger.write() as connection:
            versions = rows.list_versions(connection, self._site.project_id, name)
            if any(version.ever_deployed for version in versions):
                raise InvalidState(f"{name} was in production under this name", kind="protected", hint="Register a new model instead.")
            for table in (model_notes, model_versions, model_aliases):
                taken = connection.execute(select(table.c.name).where(table.c.project_id == self._site.project_id, table.c.name == new)).first()
                if taken is not None:
                    raise Conflict(f"Registered Model (name={new}) already exists.", kind="name-taken")
                connection.execute(update(table).where(table.c.project_id == self._site.project_id, table.c.name == name).values(name=new))
            self._event(connection, "model.renamed", new, before=name)
        return self.model(new)

    def delete(self, name: str) -> None:
        """Deletes a model with all its versions, unless something stands on one."""
        self.model(name)
        for version in self.versions(name):
            self.delete_version(name, version.number)
        with self._site.ledger.write() as connection:
            here = (model_notes.c.project_id == self._site.project_id, model_notes.c.name == name)
            connection.execute(delete(model_notes).where(*here))
            connection.execute(delete(model_aliases).where(model_aliases.c.project_id == self._site.project_id, model_aliases.c.name == name))
            self._event(connection, "model.unnamed", name)

    def versions(self, name: str = "") -> Sequence[NamedVersion]:
        """Versions that are not deleted, by name and number."""
        with self._site.ledger.read() as connection:
            notes = self._notes(connection)
            return [
                _version(version, notes.get((version.name, version.number), {}))
                for version in rows.list_versions(connection, self._site.project_id, name)
            ]

    def version(self, name: str, number: int) -> NamedVersion:
        """A version. Raises NotFound kind ``unknown-model``."""
        found = next((version for version in self.versions(name) if version.number == number), None)
        if found is None:
            raise NotFound(f"Model Version (name={name}, version={number}) not found", kind="unknown-model")
        return found

    def register(
        self, name: str, *, source: str, run: str, model: str, description: str, tags: Mapping[str, str], author: str, run_link: str
    ) -> NamedVersion:
        """Makes the files at a source the next version of a name.

        Raises:
            NotFound: kinds ``unknown-model unknown-reference``. InvalidInput: kind ``bad-source``, for one that is not in this project:
                nothing is ever fetched from an address that a client gives.
        """
        self.model(name)
        other = self._named_by(source)
        keeper, prefix, logged = (
            self._files_of(other.location or other.source, other.run, other.model) if other else self._files_of(source, run, model)
        )
        run = run or (self.logged(logged).source_run if logged else keeper)
        entries = [_entry(path[len(prefix) :], file) for path, file in sorted(self._requested.files(keeper).items()) if path.startswith(prefix)]
        with self._site.store.session():
            root = self._site.store.put_tree(entries)
            with self._site.ledger.write() as connection:
                number = rows.next_number(connection, self._site.project_id, name)
                version = ModelVersion(
                    name=name,
                    number=number,
                    run=keeper,
                    path=prefix.rstrip("/") or "artifacts",
                    digest=root,
                    size=sum(entry.size for entry in entries),
                    format=FORMAT,
                    signature=Signature(inputs=(), outputs=()),
                    author=author,
                    created_at=self._site.clock(),
                    note=description,
                    occurrence=self._site.entropy(16).hex(),
                )
                self._add(connection, version)
                body = {"description": description, "tags": dict(tags), "source": source, "run_link": run_link, "model": logged, "run": run}
                if other:
                    body["location"] = other.location or other.source
                self._note(connection, name, number, body)
        return self.version(name, number)

    def delete_version(self, name: str, number: int) -> None:
        """Deletes a version, unless something stands on it. Raises PermissionDenied kind ``protected``."""
        self.version(name, number)
        reference = f"model:{name}@{number}"
        self._lineage.delete(reference, self._lineage.plan_deletion(reference).hash)

    def set_alias(self, name: str, alias: str, number: int) -> None:
        """Points an alias at a version."""
        self.version(name, number)
        with self._site.ledger.write() as connection:
            rows.set_alias(connection, self._site.project_id, name=name, alias=alias, number=number)
            self._event(connection, "model.alias-set", f"{name}@{number}", alias=alias)

    def remove_alias(self, name: str, alias: str) -> None:
        """Takes an alias away; one that is not there is no error."""
        self.model(name)
        with self._site.ledger.write() as connection:
            if rows.remove_alias(connection, self._site.project_id, name=name, alias=alias):
                self._event(connection, "model.alias-removed", name, alias=alias)

    def _named_by(self, source: str) -> NamedVersion | None:
        """The version that a source names, of which the new one is a copy. Raises NotFound kind ``unknown-model``."""
        found = _COPIED.match(source)
        return self.version(found["name"], int(found["number"])) if found else None

    def _files_of(self, source: str, run: str, model: str) -> tuple[str, str, str]:
        """The run that keeps the files at a source, the beginning of their paths there, and the logged model, if it is one."""
        found = next((match for pattern in _SOURCES if (match := pattern.match(source))), None)
        outside = any(part in {".", ".."} for part in unquote(unquote(source)).split("/"))
        if outside or (found is None and not model):
            raise InvalidInput(
                f"Invalid model version source: '{source:.120}'",
                kind="bad-source",
                hint="It must be in this project: runs:/, models:/ or mlflow-artifacts:/.",
            )
        parts = found.groupdict() if found is not None else {}
        identifier = model or parts.get("model") or ""
        path = (parts.get("path") or "").strip("/")
        if identifier:
            return self.logged(identifier).run, f"models/{identifier}/artifacts/" + (f"{path}/" if path else ""), identifier
        keeper = parts.get("run") or run
        self._requested.get(keeper)
        return keeper, f"{path}/" if path else "", ""

    def _add(self, connection: Connection, version: ModelVersion) -> None:
        project, at = self._site.project_id, version.created_at

        def new_id() -> str:
            return self._site.entropy(16).hex()

        fact = FileFact(root="run", path=version.path.encode(), digest=version.digest, size=version.size, kind="folder", role="model", declared=True)
        made = add_output(connection, project_id=project, activity=version.run, file=fact, at=at, new_id=new_id)
        activity = add_activity(connection, id=new_id(), project_id=project, kind="registration", label=f"register {version.reference}", at=at)
        add_edge(connection, project_id=project, source=activity, target=made, relation=USED, role="model")
        add_occurrence(
            connection,
            id=version.occurrence,
            project_id=project,
            kind="model",
            label=version.reference,
            digest=version.digest,
            at=at,
            root="run",
            path=version.path.encode(),
            size=version.size,
            detail={"format": FORMAT},
        )
        add_edge(connection, project_id=project, source=version.occurrence, target=activity, relation=GENERATED, role="model")
        rows.add_version(connection, project, version)
        self._event(connection, "model.registered", version.reference, run=version.run, digest=version.digest, format=FORMAT)

    def _notes(self, connection: Connection) -> dict[tuple[str, int], dict[str, Any]]:
        query = select(model_notes).where(model_notes.c.project_id == self._site.project_id)
        return {
            (row.name, row.number): {**json.loads(row.body), "created_at": row.created_at, "updated_at": row.updated_at}
            for row in connection.execute(query)
        }

    def _note(self, connection: Connection, name: str, number: int, body: Mapping[str, Any]) -> None:
        now = self._site.clock()
        kept = {key: value for key, value in body.items() if key not in {"created_at", "updated_at"}}
        row = {"project_id": self._site.project_id, "name": name, "number": number, "created_at": body.get("created_at", now), "updated_at": now}
        upsert(connection, model_notes, [{**row, "body": json.dumps(kept)}], keys=("project_id", "name", "number"))

    def _event(self, connection: Connection, action: str, reference: str, **payload: object) -> None:
        self._site.record_event(connection, action, subject=f"model:{reference}", payload=payload)


def _check_name(name: str) -> None:
    if not name.strip() or any(letter in name for letter in "/:@\0"):
        raise InvalidInput(f"Invalid model name: '{name:.80}'", kind="bad-name", hint="Model name cannot be empty, and cannot contain / : @.")


def _entry(path: str, file: KeptFile) -> TreeEntry:
    return TreeEntry(path=path.encode(), mode="file", size=file.size, digest=file.digest)


def _aliases(connection: Connection, project_id: str) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for row in connection.execute(select(model_aliases).where(model_aliases.c.project_id == project_id)):
        found.setdefault(row.name, {})[row.alias] = row.number
    return found


def _named(name: str, note: Mapping[str, Any], aliases: Mapping[str, int]) -> NamedModel:
    return NamedModel(
        name=name,
        created_at=note.get("created_at", 0),
        updated_at=note.get("updated_at", 0),
        description=note.get("description", ""),
        tags=note.get("tags", {}),
        aliases=aliases,
    )


def _version(version: ModelVersion, note: Mapping[str, Any]) -> NamedVersion:
    return NamedVersion(
        name=version.name,
        number=version.number,
        created_at=version.created_at,
        updated_at=note.get("updated_at", version.created_at),
        author=version.author,
        description=note.get("description", version.note),
        tags=note.get("tags", {}),
        stage=note.get("stage", "None"),
        source=note.get("source", f"runs:/{version.run}/{version.path}"),
        location=note.get("location", ""),
        run=note.get("run", version.run),
        run_link=note.get("run_link", ""),
        model=note.get("model", ""),
        aliases=version.aliases,
    )


def _logged(row: Mapping[str, Any]) -> LoggedModel:
    body = json.loads(row["body"])
    return LoggedModel(
        id=row["id"],
        name=row["name"],
        experiment=row["experiment"],
        run=row["run_id"],
        source_run=body.pop("source_run", ""),
        status=row["status"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        body=body,
    )


def _logged_row(project_id: str, model: LoggedModel) -> dict[str, Any]:
    return {
        "id": model.id,
        "project_id": project_id,
        "experiment": model.experiment,
        "run_id": model.run,
        "name": model.name,
        "status": model.status,
        "created_at": model.created_at,
        "updated_at": model.updated_at,
        "body": json.dumps({**model.body, "source_run": model.source_run}),
    }
