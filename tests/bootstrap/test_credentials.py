from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from lineal.bootstrap import credentials
from lineal.bootstrap.credentials import drop_token, find_token, keep_token, known_servers, origin
from lineal.errors import InvalidInput

SERVER = "https://lineal.example"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    for name in ("LINEAL_TOKEN", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_a_token_is_kept_for_its_server_alone_where_nobody_else_reads_it() -> None:
    place = Path(keep_token(f"{SERVER}/projects/flights", "ln_secret"))
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert find_token(SERVER) == "ln_secret"
    for other in ("https://evil.example", "http://lineal.example", "https://lineal.example:8443", "https://lineal.example.evil.example"):
        assert find_token(other) == ""
    assert known_servers() == (SERVER,)


def test_a_forgotten_token_is_gone() -> None:
    keep_token(SERVER, "ln_secret")
    keep_token("https://other.example", "ln_other")
    assert drop_token(SERVER)
    assert not drop_token(SERVER)
    assert (find_token(SERVER), find_token("https://other.example")) == ("", "ln_other")


def test_the_environment_goes_first_and_netrc_before_the_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_token(SERVER, "ln_of_file")
    netrc = home / ".netrc"
    netrc.write_text("machine lineal.example login ann password ln_of_netrc\n")
    netrc.chmod(0o600)
    assert find_token(SERVER) == "ln_of_netrc"
    monkeypatch.setenv("LINEAL_TOKEN", "ln_of_environment")
    assert find_token(SERVER) == "ln_of_environment"


def test_a_damaged_file_is_as_none_and_can_be_written_anew() -> None:
    place = Path(keep_token(SERVER, "ln_secret"))
    for damage in ("", "{", "[1]", "\xff"):
        place.write_text(damage, encoding="latin-1")
        assert find_token(SERVER) == ""
    keep_token(SERVER, "ln_again")
    assert json.loads(place.read_text()) == {SERVER: "ln_again"}


def test_a_file_that_others_could_read_is_closed_when_it_is_written() -> None:
    place = Path(keep_token(SERVER, "ln_secret"))
    place.chmod(0o644)
    keep_token(SERVER, "ln_secret")
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert [path.name for path in place.parent.iterdir()] == [credentials._file().name]


@pytest.mark.parametrize("url", ["", "lineal.example", "ftp://lineal.example", "https://", "https://ann:secret@lineal.example", "file:///etc"])
def test_what_is_no_address_of_a_server_is_told(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        origin(url)
    assert caught.value.kind == "bad-address"
