"""``from lineal.lightning import LinealLogger``: records trainings of Lightning."""

from __future__ import annotations

from lineal.interfaces.sdk.frameworks.lightning import LinealLogger

__all__ = ["LinealLogger"]
