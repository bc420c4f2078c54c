from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lineal.records.redaction import REDACTED, Redactor, holds_secret, is_secret_name, secret_values

GITHUB = "ghp_" + "a1B2" * 9
AWS = "AKIA" + "ABCDEFGH12345678"
HUGGING_FACE = "hf_" + "Ab3" * 12
GITLAB = "glpat-" + "x1Y2z3" * 4
SLACK = "xoxb-" + "123456789012-abcdefABCDEF"
OPENAI = "sk-proj-" + "q9W8" * 6
JWT = "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0NTY3ODkwIn0." + "dozjgNryP4J3jVmNHl0w5N"
KEY_BLOCK = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7\nq8Zk\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize("secret", [GITHUB, AWS, HUGGING_FACE, GITLAB, SLACK, OPENAI, JWT, KEY_BLOCK])
def test_a_token_is_known_by_its_shape_wherever_it_stands(secret: str) -> None:
    assert Redactor().text(f"before {secret} after") == f"before {REDACTED} after"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("https://ada:hunter2@example.org/r.git", "hunter2"),
        ("postgresql://svc:p@ss/word@db/x", "p@ss"),
        ("https://example.org/f?token=abc123&x=1", "abc123"),
        ("https://s3/x?X-Amz-Signature=deadbeef&X-Amz-Date=1", "deadbeef"),
        ("Authorization: Bearer abcdef123456", "abcdef123456"),
        ("password=hunter2", "hunter2"),
        ('"api_key": "k-123"', "k-123"),
        ("os.environ['DB_PASSWORD'] = 'hunter2'", "hunter2"),
        ('os.environ.setdefault("API_TOKEN", "tok-en")', "tok-en"),
        ("run --password hunter2 --lr 3", "hunter2"),
        ("AWS_SECRET_ACCESS_KEY=abc/def+ghi", "abc/def+ghi"),
    ],
)
def test_a_secret_is_known_by_what_stands_beside_it(text: str, secret: str) -> None:
    found = Redactor().text(text)
    assert secret not in found
    assert REDACTED in found


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("https://h/f?sig=abc%3D&x=1", "https://h/f?sig=[redacted]&x=1"),
        ("?sig=a?password=b", "?sig=[redacted]"),
        ("[password=abc]", "[password=[redacted]]"),
        ("password=[redacted]more", "password=[redacted]"),
    ],
)
def test_the_mark_stands_once_and_alone(text: str, left: str) -> None:
    assert Redactor().text(text) == left
    assert Redactor().text(left) == left


@pytest.mark.parametrize(
    "text",
    [
        "max_tokens=2048",
        "tokens/sec: 1234",
        "pad_token: [PAD]",
        "git@example.org:ada/r.git",
        "https://example.org/a?page=2",
        "loss=0.31 key=epoch",
        "token = tokenizer(text)",
        "password = getpass()",
        "monkey=3 keyboard: qwerty",
    ],
)
def test_ordinary_words_of_the_trade_stay(text: str) -> None:
    assert Redactor().text(text) == text


def test_values_of_secret_variables_are_taken_out_literally_but_short_ones_are_not() -> None:
    values = secret_values([("HF_TOKEN", "not-a-known-shape"), ("DEBUG_TOKEN", "1"), ("HOME", "/home/ada")])
    redactor = Redactor(values)
    assert redactor.text("login not-a-known-shape 1 /home/ada") == f"login {REDACTED} 1 /home/ada"


def test_the_word_after_a_secret_option_is_taken_out() -> None:
    words = ("train", "--api-key", "abc", "--lr", "0.3", "--token=x1", "--password", "-v")
    assert Redactor().arguments(words) == ("train", "--api-key", REDACTED, "--lr", "0.3", f"--token={REDACTED}", "--password", "-v")


@given(st.lists(st.integers(min_value=1, max_value=40), max_size=30))
def test_a_secret_cut_by_any_border_of_a_stream_is_still_seen(cuts: list[int]) -> None:
    data = f"line one\npassword=hunter2222\n{GITHUB} x\n{KEY_BLOCK}\nlast {AWS}".encode()
    stream = Redactor().stream()
    found, place = b"", 0
    for cut in cuts:
        found += stream.feed(data[place : place + cut])
        place += cut
    found += stream.feed(data[place:]) + stream.close()
    for secret in (b"hunter2222", GITHUB.encode(), AWS.encode(), b"MIIEpAIBAAKCAQEA7", b"q8Zk"):
        assert secret not in found
    assert found.startswith(b"line one\n")


@given(st.binary(max_size=300))
def test_bytes_without_secrets_pass_unchanged_through_a_stream(data: bytes) -> None:
    stream = Redactor().stream()
    assert stream.feed(data) + stream.close() == Redactor().data(data)


def test_a_line_without_an_end_does_not_grow_without_bound() -> None:
    stream = Redactor().stream()
    out = sum(len(stream.feed(b"x" * 10_000)) for _piece in range(100))
    assert out > 900_000


def test_content_with_a_secret_is_recognised() -> None:
    assert holds_secret(f"KEY = '{AWS}'".encode(), Redactor())
    assert holds_secret(b"x literal-secret y", Redactor(["literal-secret"]))
    assert not holds_secret(b"password = getpass()", Redactor())


def test_names_say_what_is_secret() -> None:
    assert all(map(is_secret_name, ("password", "--db-password", "githubToken", "client_secret", "SSH_KEY", "X-Amz-Signature")))
    assert not any(map(is_secret_name, ("max_tokens", "eos_token", "key", "learning_rate", "tokenizer", "", "42")))


def test_the_address_of_a_version_holds_no_user_however_long_its_name() -> None:
    address = "lineal://flights-of-new-york-2013@3/train.csv"
    assert Redactor().text(f"python train.py {address}") == f"python train.py {address}"
    assert Redactor().text("https://flights-of-new-york-2013@host/x") == f"https://{REDACTED}@host/x"
