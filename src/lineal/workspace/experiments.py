"""Experiments of a project: made, renamed, hidden and found again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, func, insert, select, update

from lineal.errors import Conflict, InvalidInput, NotFound
from lineal.ledger.portable import insert_or_ignore
from lineal.ledger.schema import experiments, runs
from lineal.records.experiment import DEFAULT, Experiment

if TYPE_CHECKING:
    from lineal.workspace.site import Site

_LONGEST = 500


class LocalExperiments:
    """The experiments in the ledger. Thread safe."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._known: dict[int, Experiment] = {}

    def list(self) -> Sequence[Experiment]:
        """Every experiment, deleted ones too, the newest first; those that runs name but nobody made are made."""
        with self._site.ledger.write() as connection:
            self._begin(connection)
            self._adopt(connection)
        with self._site.ledger.read() as connection:
            query = select(experiments).where(experiments.c.project_id == self._site.project_id).order_by(experiments.c.id.desc())
            found = [_experiment(dict(row)) for row in connection.execute(query).mappings()]
        self._known = {experiment.id: experiment for experiment in found}
        return found

    def get(self, identifier: int) -> Experiment:
        """The experiment of that id, as it was when it was last changed here. Raises NotFound kind ``unknown-experiment``."""
        known = self._known.get(identifier)
        if known is not None:
            return known
        found = next((experiment for experiment in self.list() if experiment.id == identifier), None)
        if found is None:
            raise NotFound(f"No Experiment with id={identifier} exists", kind="unknown-experiment", hint="Make one first.")
        return found

    def named(self, name: str) -> Experiment | None:
        """The experiment of that name, a deleted one too."""
        return next((experiment for experiment in self.list() if experiment.name == name), None)

    def create(self, name: str, *, tags: Mapping[str, str] | None = None) -> Experiment:
        """Makes an experiment.

        Raises:
            InvalidInput: kind ``bad-name``. Conflict: kind ``name-taken``.
        """
        if not name.strip() or len(name) > _LONGEST or "\0" in name:
            raise InvalidInput(f"'{name:.80}' is no name of an experiment", kind="bad-name", hint=f"It has 1 to {_LONGEST} characters.")
        now = self._site.clock()
        with self._site.ledger.write() as connection:
            self._begin(connection)
            here = experiments.c.project_id == self._site.project_id
            if connection.execute(select(experiments.c.id).where(here, experiments.c.name == name)).first() is not None:
                raise Conflict(
                    f"Experiment '{name}' already exists.", kind="name-taken", hint="Choose another name, or restore it if it was deleted."
                )
            number = connection.execute(select(func.max(experiments.c.id)).where(here)).scalar_one() + 1
            row = {
                "project_id": self._site.project_id,
                "id": number,
                "name": name,
                "created_at": now,
                "updated_at": now,
                "tags": json.dumps(tags or {}),
            }
            connection.execute(insert(experiments).values(row))
            self._site.record_event(connection, "experiment.created", subject=f"experiment:{number}", payload={"name": name})
        return self._fresh(number)

    def rename(self, identifier: int, name: str) -> Experiment:
        """Gives an experiment, and its runs, another name."""
        before = self.get(identifier)
        if identifier == 0:
            raise InvalidInput("the experiment Default keeps its name", kind="bad-name", hint="Make another one.")
        other = self.named(name)
        if other is not None and other.id != identifier:
            raise Conflict(f"Experiment '{name}' already exists.", kind="name-taken", hint="Choose another name.")
        with self._site.ledger.write() as connection:
            self._set(connection, identifier, name=name)
            of_it = (runs.c.project_id == self._site.project_id, runs.c.experiment == before.name)
            connection.execute(update(runs).where(*of_it).values(experiment=name))
            self._site.record_event(
                connection, "experiment.renamed", subject=f"experiment:{identifier}", payload={"before": before.name, "name": name}
            )
        return self._fresh(identifier)

    def delete(self, identifier: int) -> Experiment:
        """Hides an experiment; its runs stay."""
        self.get(identifier)
        return self._hide(identifier, self._site.clock(), "experiment.deleted")

    def restore(self, identifier: int) -> Experiment:
        """Brings a hidden experiment back."""
        self.get(identifier)
        return self._hide(identifier, None, "experiment.restored")

    def set_tags(self, identifier: int, tags: Mapping[str, str | None]) -> Experiment:
        """Sets tags; None takes one off."""
        found = {**self.get(identifier).tags, **tags}
        with self._site.ledger.write() as connection:
            self._set(connection, identifier, tags=json.dumps({key: value for key, value in found.items() if value is not None}))
        return self._fresh(identifier)

    def _hide(self, identifier: int, at: int | None, action: str) -> Experiment:
        with self._site.ledger.write() as connection:
            self._set(connection, identifier, deleted_at=at)
            self._site.record_event(connection, action, subject=f"experiment:{identifier}", payload={})
        return self._fresh(identifier)

    def _fresh(self, identifier: int) -> Experiment:
        self._known.pop(identifier, None)
        return self.get(identifier)

    def _begin(self, connection: Connection) -> None:
        """Every project has the experiment 0."""
        now = self._site.clock()
        row = {"project_id": self._site.project_id, "id": 0, "name": DEFAULT, "created_at": now, "updated_at": now, "tags": "{}"}
        insert_or_ignore(connection, experiments, row)

    def _adopt(self, connection: Connection) -> None:
        """Makes experiments of the names that runs have, as `lineal run` or other programs gave them."""
        project = self._site.project_id
        known = select(experiments.c.name).where(experiments.c.project_id == project)
        query = select(runs.c.experiment).distinct().where(runs.c.project_id == project, runs.c.experiment != "", runs.c.experiment.not_in(known))
        now = self._site.clock()
        for name in connection.execute(query).scalars().all():
            number = connection.execute(select(func.max(experiments.c.id)).where(experiments.c.project_id == project)).scalar_one() + 1
            row = {"project_id": project, "id": number, "name": name, "created_at": now, "updated_at": now, "tags": "{}"}
            connection.execute(insert(experiments).values(row))

    def _set(self, connection: Connection, identifier: int, **values: Any) -> None:
        here = (experiments.c.project_id == self._site.project_id, experiments.c.id == identifier)
        connection.execute(update(experiments).where(*here).values(updated_at=self._site.clock(), **values))


def _experiment(row: Mapping[str, Any]) -> Experiment:
    return Experiment(
        id=row["id"],
        name=row["name"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        deleted_at=row["deleted_at"],
        tags=json.loads(row["tags"]),
    )
