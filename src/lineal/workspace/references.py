"""What a reference names.

A prefix (``run: data: model: deployment: prediction: path: id:``) always works; a bare text is tried as each of them, and refused where it
fits two things. Only the ledger is asked, and for predictions and files inside datasets what lies behind it.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress

from lineal.errors import Conflict, InvalidInput, LinealError, NotFound
from lineal.ledger import lookup
from lineal.ledger.nodes import load_nodes
from lineal.records.digest import Digest
from lineal.records.graph import Node
from lineal.records.standing_in import stand_in
from lineal.workspace.lines import tip
from lineal.workspace.site import Site

KINDS = ("run", "data", "model", "deployment", "prediction", "path")
"""What a reference can be restricted to; ``path`` is any occurrence of a file or folder."""

_NODE_KINDS = {"data": "dataset"}
_LISTS = {"data": "lineal data log", "model": "lineal show"}
_SHOWN = 8


def resolve(site: Site, text: str, *, kinds: Sequence[str] = ()) -> Node:
    """The one thing that ``text`` names and that is not deleted.

    Args:
        kinds: any of `KINDS`; empty for all. A bare text is only tried as these.

    Raises:
        NotFound: kind ``unknown-reference``, with close matches; kind ``deleted``, where only a deleted thing has that name.
        Conflict: kind ``ambiguous-reference``, with the candidates.
        InvalidInput: kind ``bad-reference``, if it is empty; kind ``wrong-kind``, if its prefix is none of ``kinds``.
    """
    matches = _matches(site, text, kinds)
    alive = [node for node in matches if "deleted" not in node.marks]
    if not alive and matches:
        raise NotFound(f"{text!r} is deleted", kind="deleted", hint=f"Bring it back with: lineal undelete {matches[0].reference}")
    return _only(site, text, alive, kinds)


def resolve_deleted(site: Site, text: str) -> Node:
    """The one deleted thing that ``text`` names; raises as `resolve` does, InvalidState's place taken by NotFound kind ``not-deleted``."""
    matches = _matches(site, text, ())
    deleted = [node for node in matches if "deleted" in node.marks]
    if matches and not deleted:
        raise NotFound(f"{matches[0].label} is not deleted", kind="not-deleted", hint=f"See it with: lineal show {matches[0].reference}")
    return _only(site, text, deleted, ())


def _matches(site: Site, text: str, kinds: Sequence[str]) -> list[Node]:
    """Every node that the text fits, deleted ones too, each once."""
    prefix, body = _split(text)
    if not body:
        raise InvalidInput(
            "a reference is empty", kind="bad-reference", hint="References look like run:3f2a, data:flights@1, model:delay or path:data/a.csv."
        )
    tried = _tried(text, prefix, kinds)
    bodies = {"data": stand_in(body, site.stand_ins)} if site.stand_ins else {}
    seen: dict[str, Digest] = {}
    nodes = _named(site, tried, bodies, body, seen)
    if _brought_in(site, seen):
        nodes = _named(site, tried, bodies, body, seen)
    if "prediction" in tried and (prediction := _prediction(site, body)):
        nodes.append(prediction)
    if not nodes and "path" in tried and (inside := _inside_dataset(site, body)):
        nodes.append(inside)
    return nodes


def _named(site: Site, tried: Collection[str], bodies: Mapping[str, str], body: str, seen: dict[str, Digest]) -> list[Node]:
    """What the ledger has of that name; notes in ``seen`` which datasets' lines were asked for, and where they are."""

    def noted(name: str, line: str) -> str | None:
        found = _tip(site, name, line)
        return None if found is None else seen.setdefault(name, found)

    with site.ledger.read() as connection:
        query = lookup.Query(connection=connection, project_id=site.project_id, root=site.layout.root, tip=noted)
        identifiers = [identifier for kind in tried for identifier in _FINDERS[kind](query, bodies.get(kind, body))]
        return list(load_nodes(connection, site.project_id, identifiers).values())


def _brought_in(site: Site, tips: Mapping[str, Digest]) -> bool:
    """Gives versions their rows that have none, because who made them died before that, or works with a ledger of its own; whether there were any."""
    from lineal.ledger.datasets import occurrences_of_commits
    from lineal.workspace import projection

    added = False
    for name, commit in tips.items():
        with site.ledger.read() as connection:
            known = occurrences_of_commits(connection, project_id=site.project_id, name=name, commits=[commit])
        if not known:
            with suppress(LinealError):
                added = bool(projection.project(site, name, (commit,))) or added
    return added


def _tip(site: Site, name: str, line: str) -> Digest | None:
    """A line's newest commit; None too where its ref is damaged, which `lineal fsck` says, and which keeps nobody from older versions."""
    with suppress(LinealError):
        return tip(site, name, line)
    return None


def _split(text: str) -> tuple[str, str]:
    prefix, colon, body = text.strip().partition(":")
    return (prefix, body.strip()) if colon and prefix in _FINDERS else ("", text.strip())


def _tried(text: str, prefix: str, kinds: Sequence[str]) -> Collection[str]:
    unknown = [kind for kind in kinds if kind not in _FINDERS]
    if unknown:
        raise InvalidInput(f"{unknown[0]!r} is no kind of thing", kind="wrong-kind", hint=f"There are {', '.join(KINDS)}.")
    allowed = tuple(kinds) or tuple(_FINDERS)
    if not prefix:
        return allowed
    if prefix not in allowed and prefix != "id":
        raise InvalidInput(
            f"{text!r} names a {_NODE_KINDS.get(prefix, prefix)}, but a {' or '.join(_NODE_KINDS.get(kind, kind) for kind in kinds)} is wanted here",
            kind="wrong-kind",
        )
    return (prefix,)


def _only(site: Site, text: str, nodes: Sequence[Node], kinds: Sequence[str]) -> Node:
    if len(nodes) == 1:
        return nodes[0]
    if not nodes:
        raise NotFound(f"nothing here is called {text!r}", kind="unknown-reference", hint=_advice(site, text, kinds))
    shown = ", ".join(node.reference for node in nodes[:_SHOWN])
    more = f" and {len(nodes) - _SHOWN} more" if len(nodes) > _SHOWN else ""
    raise Conflict(f"{text!r} fits {len(nodes)} things", kind="ambiguous-reference", hint=f"Say which: {shown}{more}")


def _advice(site: Site, text: str, kinds: Sequence[str]) -> str:
    prefix, body = _split(text)
    wanted = (prefix,) if prefix else kinds
    with site.ledger.read() as connection:
        names = lookup.known_names(connection, site.project_id)
    spellings = {name: f"{kind}:{name}" for kind, name in names if not wanted or kind in wanted}
    name, at, _version = body.partition("@")
    if at and name in spellings:
        kind = spellings[name].partition(":")[0]
        return f"{name} is there; see its versions with: {_LISTS.get(kind, 'lineal show')} {name}"
    close = difflib.get_close_matches(name, list(spellings), n=3, cutoff=0.6)
    if close:
        return f"Did you mean {' or '.join(spellings[name] for name in close)}?"
    return "See what there is with: lineal runs, lineal data log, lineal model list or lineal deployments"


def _prediction(site: Site, body: str) -> Node | None:
    if not lookup.UUID.match(body) or not site.layout.deployments.is_dir():
        return None
    from lineal.serving.predictions import PredictionLog  # reads numpy columns; only predictions need it

    with site.ledger.read() as connection:
        deployments = lookup.all_deployments(connection, site.project_id)
    for deployment in deployments:
        folder = site.layout.deployments / deployment.id / "predictions"
        if folder.is_dir() and (found := PredictionLog(folder).find(body)) is not None:
            detail = {"deployment": deployment.name, "deployment_id": deployment.id, "model": deployment.model}
            at = int(getattr(found, "recorded_at", 0))
            return Node(id=body, kind="prediction", label=f"prediction {body}", reference=f"prediction:{body}", detail=detail, at=at)
    return None


def _inside_dataset(site: Site, body: str) -> Node | None:
    """The latest version of the dataset that holds that path, where no run ever touched the file itself."""
    with site.ledger.read() as connection:
        query = lookup.Query(connection=connection, project_id=site.project_id, root=site.layout.root)
        for digest, identifier, inner in lookup.holders(query, body):
            if site.store.entry(digest, inner) is not None:
                return load_nodes(connection, site.project_id, [identifier])[identifier]
    return None


_FINDERS: dict[str, Callable[[lookup.Query, str], Sequence[str]]] = {
    "run": lookup.run_ids,
    "data": lookup.dataset_occurrences,
    "model": lookup.model_occurrences,
    "deployment": lookup.deployment_ids,
    "prediction": lambda _query, _body: (),
    "path": lookup.path_occurrences,
    "id": lookup.node_ids,
}
