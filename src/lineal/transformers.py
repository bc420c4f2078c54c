"""``from lineal.transformers import LinealCallback``: records trainings of Hugging Face's Trainer."""

from __future__ import annotations

from lineal.interfaces.sdk.frameworks.transformers import LinealCallback

__all__ = ["LinealCallback"]
