"""Texts that SQLite and PostgreSQL look into differently: patterns in which case counts, and fields of JSON."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Boolean, ColumnElement, String, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


def like_case(column: ColumnElement[Any], pattern: str) -> ColumnElement[bool]:
    """SQL's LIKE, in which case counts and nothing but ``%`` and ``_`` stands for anything; SQLite has that only as GLOB."""
    return _LikeCase(column, literal(pattern), literal(_as_glob(pattern)))


def json_text(column: ColumnElement[Any], key: str) -> ColumnElement[str]:
    """A text in a column of JSON objects."""
    return _JsonText(column, literal(key), literal(f"$.{key}"))


class _LikeCase(FunctionElement[bool]):
    """Column, pattern, and the pattern as GLOB reads it."""

    inherit_cache = True
    name = "like_case"
    type = Boolean()


class _JsonText(FunctionElement[str]):
    """Column, key, and the key as SQLite's path."""

    inherit_cache = True
    name = "json_text"
    type = String()


@compiles(_LikeCase)
def _like_of_postgresql(element: _LikeCase, compiler: SQLCompiler, **words: Any) -> str:
    column, pattern, _glob = (compiler.process(clause, **words) for clause in element.clauses)
    return f"{column} LIKE {pattern} ESCAPE ''"


@compiles(_LikeCase, "sqlite")
def _like_of_sqlite(element: _LikeCase, compiler: SQLCompiler, **words: Any) -> str:
    column, _pattern, glob = (compiler.process(clause, **words) for clause in element.clauses)
    return f"{column} GLOB {glob}"


@compiles(_JsonText)
def _json_of_postgresql(element: _JsonText, compiler: SQLCompiler, **words: Any) -> str:
    column, key, _path = (compiler.process(clause, **words) for clause in element.clauses)
    return f"(CASE WHEN {column} LIKE '{{%%}}' THEN ({column})::json ->> {key} END)"


@compiles(_JsonText, "sqlite")
def _json_of_sqlite(element: _JsonText, compiler: SQLCompiler, **words: Any) -> str:
    column, _key, path = (compiler.process(clause, **words) for clause in element.clauses)
    return f"CASE WHEN json_valid({column}) THEN json_extract({column}, {path}) END"


def _as_glob(pattern: str) -> str:
    return "".join({"%": "*", "_": "?"}.get(letter, f"[{letter}]" if letter in "*?[" else letter) for letter in pattern)
