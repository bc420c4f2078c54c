from __future__ import annotations

import pytest

from lineal.records.arguments import parse_arguments, program_arguments
from lineal.records.redaction import REDACTED


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["--lr", "0.3"], {"lr": 0.3}),
        (["--lr=0.3"], {"lr": 0.3}),
        (["lr=0.3"], {"lr": 0.3}),
        (["--flag", "--other", "x"], {"flag": True, "other": "x"}),
        (["--offset", "-3", "-1.5"], {"offset": [-3, -1.5]}),
        (["model.depth=4", "+data.n=10"], {"model.depth": 4, "data.n": 10}),
        (["--layers", "64", "32", "file.csv"], {"layers": [64, 32]}),
        (["-x", "1", "--", "positional"], {"x": 1}),
        (["--tag", "a", "--tag", "b"], {"tag": ["a", "b"]}),
        (["data.csv", "out.csv"], {}),
        (["--features", '["a","b"]'], {"features": ["a", "b"]}),
        (["--empty="], {"empty": ""}),
        (["--url", "http://x/?a=1"], {"url": "http://x/?a=1"}),
    ],
)
def test_parameters_are_read_with_their_types(words: list[str], found: object) -> None:
    assert parse_arguments(["train", *words]) == found


def test_a_secret_is_not_a_parameter() -> None:
    assert parse_arguments(["train", "--hf-token", "abc", "password=x"]) == {"hf_token": REDACTED, "password": REDACTED}


def test_the_interpreter_and_its_options_are_not_the_programs() -> None:
    assert program_arguments(["/v/bin/python3.12", "-u", "-W", "error", "train.py", "--lr", "1"]) == ("--lr", "1")
    assert program_arguments(["python", "-c", "code", "a"]) == ("a",)
    assert program_arguments(["python"]) == ()
    assert program_arguments(["./train", "a"]) == ("a",)
    assert program_arguments(["/bin/sh", "-c", "kill -9 $$"]) == ()
    assert program_arguments(["bash", "-o", "pipefail", "-ec", "x", "name", "a"]) == ("a",)
    assert program_arguments(["zsh", "-x", "train.sh", "--lr", "1"]) == ("--lr", "1")
    assert program_arguments([]) == ()
