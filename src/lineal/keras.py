"""``from lineal.keras import LinealCallback``: records trainings of Keras."""

from __future__ import annotations

from lineal.interfaces.sdk.frameworks.keras import LinealCallback

__all__ = ["LinealCallback"]
