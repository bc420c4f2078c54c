import socket
from contextlib import suppress
from pathlib import Path

from lineal.bootstrap.compose import create_workspace
from lineal.workspace.health import LIMITED, MISSING, STATES, WORKS, Finding, examine


def by_name(findings: tuple[Finding, ...]) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings}


def test_a_sound_project_works(tmp_path: Path) -> None:
    made = create_workspace(tmp_path, name="birds")
    found = by_name(examine(made.site))
    made.close()
    assert [found[name].state for name in ("project", "ledger", "store", "writing", "git")] == [WORKS] * 5
    assert "birds" in found["project"].detail


def test_a_broken_ledger_is_named_with_its_reason(tmp_path: Path) -> None:
    made = create_workspace(tmp_path)
    (tmp_path / ".lineal" / "ledger.db").write_bytes(b"no database" * 1000)
    found = by_name(examine(made.site))
    assert (found["ledger"].state, found["store"].state) == (MISSING, WORKS)
    assert "damaged" in found["ledger"].detail


def test_without_a_project_the_trouble_is_told_and_the_machine_is_looked_at() -> None:
    found = by_name(examine(None, trouble="no project here"))
    assert (found["project"].state, found["project"].detail) == (MISSING, "no project here")
    assert found["Python"].state == WORKS


def test_a_port_in_use_is_a_limit_and_no_failure() -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):  # somebody else's pages
            taken.bind(("127.0.0.1", 8400))
            taken.listen()
        assert by_name(examine(None))["port of the pages"].state == LIMITED


def test_what_does_not_work_says_what_follows() -> None:
    findings = examine(None, trouble="none")
    assert {finding.state for finding in findings} <= set(STATES)
    assert all(finding.detail for finding in findings)
