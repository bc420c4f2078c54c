from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lineal.errors import Conflict, InvalidInput, InvalidState, NotFound
from lineal.records.access import Role
from lineal.records.hosting import PERSONAL, SERVICE
from lineal.workspace.hosting import Hosting
from lineal.workspace.people import IDLE_SECONDS, INVITATION_SECONDS, SECOND, LocalPeople


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000_000_000

    def __call__(self) -> int:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += int(seconds * SECOND)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite", "postgres"])
def hosting(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Hosting]:
    create: Callable[[], str] = request.getfixturevalue("new_database") if request.param == "postgres" else str
    made = Hosting(folder=tmp_path / "server", database=create(), settings={}, actor="root", clock=clock)
    yield made
    made.close()


@pytest.fixture
def people(hosting: Hosting) -> LocalPeople:
    hosting.people.add_user("ann", admin=True)
    hosting.people.add_user("bob")
    return hosting.people


def test_a_fresh_server_has_one_project_and_keeps_it(hosting: Hosting) -> None:
    assert [(project.name, project.runs) for project in hosting.projects()] == [("default", 0)]
    assert hosting.workspace("default").project == "default"
    assert hosting.workspace("default") is hosting.workspace("default")
    assert hosting.problems() == {}


def test_projects_have_stores_of_their_own(hosting: Hosting, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("the same bytes")
    other = hosting.create("other")
    first = hosting.workspace("other").datasets.add(tmp_path / "a.txt", name="a")
    assert list(hosting.workspace("default").datasets.list()) == []
    with pytest.raises(NotFound):
        hosting.workspace("default").datasets.open("a@1", "")
    assert (hosting.folder / "store" / other.id / "packs").exists()
    assert first.number == 1


@pytest.mark.parametrize("name", ["", "A", "a/b", "../x", "a" * 65, "a b", "-a", "ä"])
def test_a_project_has_a_name_that_can_stand_in_an_address(name: str, hosting: Hosting) -> None:
    with pytest.raises(InvalidInput) as caught:
        hosting.create(name)
    assert caught.value.kind == "bad-name"


def test_a_name_is_given_once(hosting: Hosting) -> None:
    hosting.create("flights")
    with pytest.raises(Conflict) as caught:
        hosting.create("flights")
    assert caught.value.kind == "name-taken"
    with pytest.raises(NotFound):
        hosting.workspace("none")


def test_an_archived_project_comes_back(hosting: Hosting) -> None:
    assert hosting.archive("default").archived_at is not None
    assert hosting.archive("default").archived_at is not None
    assert hosting.unarchive("default").archived_at is None


def test_two_servers_do_not_share_a_folder(tmp_path: Path) -> None:
    first = Hosting(folder=tmp_path, settings={}, actor="root")
    with pytest.raises(Conflict) as caught:
        Hosting(folder=tmp_path, settings={}, actor="root")
    assert caught.value.kind == "server-running"
    first.close()
    again = Hosting(folder=tmp_path, settings={}, actor="root")
    assert again.id == first.id
    again.close()


def test_a_newer_data_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "server.json").write_text('{"format": 99, "server": "00"}')
    with pytest.raises(InvalidState) as caught:
        Hosting(folder=tmp_path, settings={}, actor="root")
    assert caught.value.kind == "newer-format"


def test_a_code_signs_in_once_and_not_for_ever(people: LocalPeople, clock: Clock) -> None:
    code = people.invite("bob").code
    session = people.sign_in(code)
    assert session is not None
    assert people.sign_in(code) is None
    late = people.invite("bob").code
    clock.wait(INVITATION_SECONDS + 1)
    assert people.sign_in(late) is None
    old = people.invite("bob").code
    people.invite("bob")
    assert people.sign_in(old) is None


def test_a_session_ends_when_it_is_left_alone_or_ended(people: LocalPeople, clock: Clock) -> None:
    session = people.begin_session("bob")
    assert people.session(session) is not None
    for _day in range(6):
        clock.wait(24 * 3600)
        assert people.session(session) is not None
    clock.wait(IDLE_SECONDS + 1)
    assert people.session(session) is None
    another = people.begin_session("bob")
    people.sign_out_everywhere("bob")
    assert people.session(another) is None


def test_a_role_counts_in_its_project_only(people: LocalPeople, hosting: Hosting) -> None:
    other = hosting.create("other")
    people.set_role(other, "bob", Role.CONTRIBUTOR)
    secret = people.create_token("bob", seconds=None).secret
    proof = people.prove(secret)
    assert proof is not None
    assert proof.principal(hosting.project("default").id) is None
    principal = proof.principal(other.id)
    assert principal is not None
    assert (principal.name, principal.role, principal.admin) == ("bob", Role.CONTRIBUTOR, False)
    people.set_role(other, "bob", None)
    proof = people.prove(secret)
    assert proof is not None
    assert proof.principal(other.id) is None


def test_a_token_may_less_than_its_owner(people: LocalPeople, hosting: Hosting) -> None:
    project = hosting.project("default")
    proof = people.prove(people.create_token("ann", project=project, role=Role.READER, seconds=None).secret)
    assert proof is not None
    principal = proof.principal(project.id)
    assert principal is not None
    assert (principal.role, principal.admin, proof.whole) == (Role.READER, False, False)
    assert proof.principal(hosting.create("other").id) is None
    assert not proof.server_admin


def test_a_service_acts_as_itself_in_one_project(people: LocalPeople, hosting: Hosting) -> None:
    with pytest.raises(InvalidInput) as caught:
        people.create_token("ci", kind=SERVICE, seconds=None)
    assert caught.value.kind == "which-project"
    project = hosting.project("default")
    proof = people.prove(people.create_token("ci", kind=SERVICE, project=project, role=Role.CONTRIBUTOR, seconds=None).secret)
    assert proof is not None
    principal = proof.principal(project.id)
    assert principal is not None
    assert (principal.name, principal.role) == ("ci", Role.CONTRIBUTOR)


def test_tokens_expire_and_are_revoked(people: LocalPeople, clock: Clock) -> None:
    short = people.create_token("bob", seconds=60)
    assert people.prove(short.secret) is not None
    clock.wait(61)
    assert people.prove(short.secret) is None
    long = people.create_token("bob", seconds=None, kind=PERSONAL)
    assert people.prove(long.secret) is not None
    assert people.revoke(long.token.id).revoked_at is not None
    assert people.prove(long.secret) is None
    with pytest.raises(NotFound):
        people.revoke("none")


@pytest.mark.parametrize("secret", ["", "ln_", "ln_000000000000_", "x" * 4096, "ln_%_%", "\x00", "ln_' OR 1=1 --_x"])
def test_what_is_no_secret_proves_nothing(secret: str, people: LocalPeople) -> None:
    assert people.prove(secret) is None
    assert people.session(secret) is None
    assert people.sign_in(secret) is None


def test_a_secret_with_the_right_beginning_proves_nothing(people: LocalPeople) -> None:
    secret = people.create_token("bob", seconds=None).secret
    assert people.prove(secret[:-1] + ("0" if secret[-1] != "0" else "1")) is None


def test_secrets_are_not_kept(people: LocalPeople, hosting: Hosting) -> None:
    secret = people.create_token("bob", seconds=None).secret
    code = people.invite("bob").code
    session = people.begin_session("bob")
    with hosting.ledger.read() as connection:
        rows = [str(row) for table in ("tokens", "sessions", "sign_ins", "events") for row in connection.exec_driver_sql(f"SELECT * FROM {table}")]
    assert rows
    assert not any(part in row for row in rows for part in (secret, secret.rpartition("_")[2], code, session))


def test_who_was_removed_comes_in_by_nothing(people: LocalPeople) -> None:
    secret, session, code = people.create_token("bob", seconds=None).secret, people.begin_session("bob"), people.invite("bob").code
    assert people.remove_user("bob").removed_at is not None
    assert people.prove(secret) is None
    assert people.session(session) is None
    assert people.sign_in(code) is None
    with pytest.raises(NotFound):
        people.invite("bob")
    people.add_user("bob")
    assert people.prove(secret) is None


def test_the_last_admin_stays(people: LocalPeople) -> None:
    with pytest.raises(InvalidInput) as caught:
        people.remove_user("ann")
    assert caught.value.kind == "last-admin"
    people.add_user("cleo", admin=True)
    people.remove_user("ann")


def test_a_service_has_no_persons_name_and_a_person_no_services(hosting: Hosting, people: LocalPeople) -> None:
    default = hosting.project("default")
    with pytest.raises(Conflict, match="bob is a person"):
        people.create_token("bob", kind=SERVICE, project=default, seconds=None)
    people.create_token("ci", kind=SERVICE, project=default, seconds=None)
    with pytest.raises(Conflict, match="ci is a service"):
        people.add_user("ci")


def test_what_is_known_of_a_project_is_not_asked_again_at_once_and_archiving_shows_at_once(hosting: Hosting, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not hosting.is_at_hand("default")
    hosting.workspace("default")
    assert hosting.is_at_hand("default")
    hosting.archive("default")
    assert hosting.project("default").archived_at is not None
    hosting.unarchive("default")
    assert hosting.project("default").archived_at is None
    monkeypatch.setattr("lineal.workspace.hosting._KNOWN_SECONDS", -1.0)
    assert not hosting.is_at_hand("default")
