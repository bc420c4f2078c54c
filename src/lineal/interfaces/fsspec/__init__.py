"""Versions in every library that reads through fsspec: ``lineal://NAME@VERSION/path``."""

from __future__ import annotations

from lineal.interfaces.fsspec.filesystem import LinealFileSystem

__all__ = ["LinealFileSystem"]
