"""Whose a saved view is: a contributor's own, and a maintainer's are all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lineal.bootstrap.compose import create_workspace
from lineal.errors import PermissionDenied
from lineal.workspace.acting import acting_as


def test_only_who_saved_a_view_changes_it_unless_they_may_change_all(tmp_path: Path) -> None:
    space = create_workspace(tmp_path, name="views")
    with acting_as("ada"):
        space.views.save("best", "order=name")
    with acting_as("bob"):
        views = space.views
        changes: list[Callable[[], object]] = [lambda: views.save("best", ""), lambda: views.rename("best", "x"), lambda: views.delete("best")]
        for change in changes:
            with pytest.raises(PermissionDenied) as caught:
                change()
            assert caught.value.kind == "not-yours"
        assert space.views.get("best").query == "order=name"
        changed = space.views.save("best", "order=number", others=True)
        assert (changed.author, changed.query) == ("ada", "order=number")
        assert space.views.delete("best", others=True).author == "ada"
    assert [event["actor"] for event in space.audit.events(limit=3)] == ["bob", "bob", "ada"]
    space.close()
