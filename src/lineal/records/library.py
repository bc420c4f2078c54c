"""Models as MLflow's clients keep them: what a run logged, and named versions of it with stages, tags and descriptions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

STAGES = ("None", "Staging", "Production", "Archived")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedModel:
    """A model that a run logged, before anybody named it.

    Attributes:
        id: ``m-`` and 32 hex digits; experiment: the number of its experiment.
        run: id of the run that keeps its files; source_run: of the run that logged it, which is the same unless there was none.
        status: ``PENDING``, ``READY`` or ``UPLOAD_FAILED``.
        body: what the client said of it: ``type params tags message``.
    """

    id: str
    name: str
    experiment: int
    run: str
    source_run: str = ""
    status: str = "PENDING"
    created_at: int = 0
    updated_at: int = 0
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedModel:
    """A registered model.

    Attributes:
        aliases: number by alias.
    """

    name: str
    created_at: int = 0
    updated_at: int = 0
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedVersion:
    """A version of a registered model.

    Attributes:
        source: where the client said that its files are; location: where they are, if that is a version that this one was copied from.
        run: id of the run that made it, or empty.
        model: id of the logged model, or empty.
    """

    name: str
    number: int
    created_at: int = 0
    updated_at: int = 0
    author: str = ""
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    stage: str = STAGES[0]
    source: str = ""
    location: str = ""
    run: str = ""
    run_link: str = ""
    model: str = ""
    aliases: tuple[str, ...] = ()
