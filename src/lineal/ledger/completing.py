"""Completes a filter of runs: names and values that the project has, read along indexes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, Table, func, select

from lineal.ledger.conditions import ATTRIBUTE_NAMES
from lineal.ledger.keys import known_keys
from lineal.ledger.portable import storable
from lineal.ledger.schema import dataset_versions, environments, head, params, runs, tags
from lineal.records.completion import JOINTS, NAME, OPERATOR, OPERATORS, VALUE, Completion, Typing, typing_in
from lineal.records.filter import ANY, ATTRIBUTES, CODE, ENVIRONMENT, INPUTS, PARAMS, TAGS, quoted, written
from lineal.records.run import RunStatus

MOST = 20
_LOOKED_AT = 500
_FACTS = {CODE: ("commit", "branch", "remote", "dirty"), INPUTS: ("dataset", "digest", "path")}


def complete_filter(connection: Connection, project_id: str, text: str, *, limit: int = MOST) -> tuple[Completion, ...]:
    """What could come next at the end of a text; what begins as typed first, then what holds it."""
    typing = typing_in(text)
    if typing.kind == OPERATOR:
        options = [(sign, "operator") for sign in OPERATORS]
    elif typing.kind == VALUE:
        options = [(value, "value") for value in _values(connection, project_id, typing)]
    elif typing.kind == NAME:
        options = _names(connection, project_id)
    else:
        options = [(joint, "") for joint in JOINTS]
    found = _fitting(options, typing.begun.lower())
    return tuple(Completion(text=shown, about=about, start=typing.start) for shown, about in found[:limit])


def _fitting(options: Iterable[tuple[str, str]], begun: str) -> list[tuple[str, str]]:
    """Options that hold what is typed: first where a name or one of its parts begins so."""
    holding = [option for option in options if begun in option[0].lower() and option[0].lower() != begun]

    def rank(option: tuple[str, str]) -> int:
        bare = option[0].lower().strip("'\"")
        return 0 if bare.startswith(begun) else 1 if bare.partition(".")[2].startswith(begun) else 2

    return sorted(holding, key=rank)


def _names(connection: Connection, project_id: str) -> list[tuple[str, str]]:
    found = [(written(section, key), section) for section, keys in known_keys(connection, project_id).items() for key in keys]
    found += [(name, "attribute") for name in sorted(ATTRIBUTE_NAMES)]
    found += [(f"{section}.{key}", section) for section, keys in _FACTS.items() for key in keys]
    return found + [(written(ENVIRONMENT, name), "package") for name in _packages(connection, project_id)]


def _packages(connection: Connection, project_id: str) -> Sequence[str]:
    """Packages of the environments that the newest runs had."""
    newest = select(runs.c.environment).where(runs.c.project_id == project_id).order_by(runs.c.started_at.desc()).limit(200).subquery()
    bodies = connection.execute(select(environments.c.body).where(environments.c.digest.in_(select(newest.c.environment))).limit(20))
    return sorted({"python", *(str(name).lower() for body in bodies.scalars() for name in json.loads(body).get("packages", {}))})


def _values(connection: Connection, project_id: str, typing: Typing) -> Sequence[str]:
    section, key = typing.section, typing.key
    if section in {ANY, ATTRIBUTES} and key == "status":
        return [str(status) for status in RunStatus]
    if section in {ANY, ATTRIBUTES} and key in {"author", "experiment", "name", "host"}:
        column = runs.c[key]
        newest = select(column).where(runs.c.project_id == project_id).order_by(runs.c.started_at.desc()).limit(_LOOKED_AT).subquery()
        return [quoted(text) for text in connection.execute(select(newest.c[0]).distinct().order_by(newest.c[0])).scalars() if text]
    if section == INPUTS and key in {"dataset", "name"}:
        mine = dataset_versions.c.project_id == project_id
        rows = connection.execute(
            select(dataset_versions.c.name, dataset_versions.c.number).where(mine).order_by(dataset_versions.c.name).limit(_LOOKED_AT)
        )
        return sorted({quoted(text) for row in rows for text in (row.name, f"{row.name}@{row.number}")})
    values: list[str] = []
    if section in {ANY, PARAMS}:
        values += _of_key(connection, project_id, params, typing)
    if section in {ANY, TAGS} and not values:
        values += _of_key(connection, project_id, tags, typing)
    return values


def _of_key(connection: Connection, project_id: str, table: Table, typing: Typing) -> list[str]:
    """The values of one name: those behind what is typed, then from the first."""
    found = dict.fromkeys(_leaps(connection, project_id, table, typing.key, typing.begun)) if typing.begun else {}
    found |= dict.fromkeys(_leaps(connection, project_id, table, typing.key, ""))
    return [value if table is params and _number(value) else quoted(value) for value in found if value]


def _leaps(connection: Connection, project_id: str, table: Table, key: str, begin: str) -> Sequence[str]:
    """Leaps along the index from one value to the next."""
    text = head(table.c.text if table is params else table.c.value)
    here = (table.c.project_id == project_id, table.c.key == key)
    leap = select(func.min(text).label("text")).where(*here, text >= storable(begin)).cte(recursive=True)
    following = select(func.min(text)).where(*here, text > leap.c.text).correlate(leap).scalar_subquery()
    leap = leap.union_all(select(following).where(leap.c.text.is_not(None)))
    return list(connection.execute(select(leap.c.text).where(leap.c.text.is_not(None)).limit(_LOOKED_AT)).scalars())


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text in {"true", "false"}
    return True
