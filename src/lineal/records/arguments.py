"""Parameters read from a command's arguments, for programs that record nothing themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lineal.records.redaction import REDACTED, is_secret_name
from lineal.records.values import parse_text_value

_ASSIGNMENT = re.compile(r"[+~]{0,2}([A-Za-z_][\w.@/-]*)=(.*)\Z", re.DOTALL)
_NUMBER = re.compile(r"[+-]?(\d[\d_]*\.?\d*|\.\d+)([eE][+-]?\d+)?\Z")
_PYTHON = re.compile(r"python(\d+(\.\d+)*)?[a-z]?\Z")
_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh", "fish"})
_PYTHON_OPTIONS_WITH_VALUE = frozenset({"-W", "-X", "--check-hash-based-pycs"})


def parse_arguments(command: Sequence[str]) -> Mapping[str, Any]:
    """The named parameters in a command, with types; a name given twice becomes a list. Values under secret-looking names are taken out.

    >>> parse_arguments(["python", "-u", "train.py", "--lr", "0.3", "--layers", "64", "32", "model.depth=4", "--fast", "data.csv"])
    {'lr': 0.3, 'layers': [64, 32], 'model.depth': 4, 'fast': 'data.csv'}
    >>> parse_arguments(["train", "--learning-rate=0.1", "-v", "--api-key", "abc"])
    {'learning_rate': 0.1, 'v': True, 'api_key': '[redacted]'}
    """
    found: dict[str, Any] = {}
    for name, value in _pairs(program_arguments(command)):
        kept = REDACTED if is_secret_name(name) else value
        found[name] = kept if name not in found else [*_as_list(found[name]), kept]
    return found


def program_arguments(command: Sequence[str]) -> tuple[str, ...]:
    """The arguments that belong to the program itself: without the interpreter, its options and the script's name.

    >>> program_arguments(["/usr/bin/python3.11", "-X", "dev", "-m", "pkg.train", "-x"])
    ('-x',)
    >>> program_arguments(["bash", "-euc", "make all --fast", "name", "--lr=3"])
    ('--lr=3',)
    """
    program = command[0].rpartition("/")[2] if command else ""
    if program in _SHELLS:
        return _shell_arguments(command[1:])
    if not _PYTHON.match(program):
        return tuple(command[1:])
    rest = list(command[1:])
    while rest and rest[0].startswith("-") and rest[0] != "-":
        option = rest.pop(0)
        if option in {"-m", "-c"}:
            return tuple(rest[1:])
        if option in _PYTHON_OPTIONS_WITH_VALUE and rest:
            rest.pop(0)
    return tuple(rest[1:])


def _shell_arguments(words: Sequence[str]) -> tuple[str, ...]:
    """What follows a shell's own options and its script, or its ``-c``, the commands and the name that they are given."""
    rest = list(words)
    while rest and rest[0][:1] in {"-", "+"} and rest[0] != "--":
        option = rest.pop(0)
        if not option.startswith("--") and "c" in option:
            return tuple(rest[2:])
        if option in {"-o", "+o", "-O", "+O", "--rcfile", "--init-file"}:
            rest = rest[1:]
    return tuple(rest[1:])


def _pairs(words: Sequence[str]) -> Iterator[tuple[str, Any]]:
    place = 0
    while place < len(words):
        word = words[place]
        place += 1
        if word == "--":
            continue
        if not _is_option(word):
            if match := _ASSIGNMENT.match(word):
                yield match[1], parse_text_value(match[2])
            continue
        name, equals, text = word.lstrip("-").partition("=")
        if equals:
            yield _param_name(name), parse_text_value(text)
            continue
        values = _values_after(words, place)
        place += len(values)
        parsed = [parse_text_value(value) for value in values]
        yield _param_name(name), True if not parsed else parsed[0] if len(parsed) == 1 else parsed


def _values_after(words: Sequence[str], place: int) -> list[str]:
    """The words that are an option's value: the next one, or a row of numbers."""
    if place >= len(words) or _is_option(words[place]) or words[place] == "--" or _ASSIGNMENT.match(words[place]):
        return []
    end = place + 1
    if _NUMBER.match(words[place]):
        while end < len(words) and _NUMBER.match(words[end]):
            end += 1
    return list(words[place:end])


def _is_option(word: str) -> bool:
    return len(word) > 1 and word.startswith("-") and not _NUMBER.match(word) and word != "--"


def _param_name(option: str) -> str:
    """The option as a name; bytes that are not UTF-8 are shown as escapes."""
    return option.replace("-", "_").encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]
