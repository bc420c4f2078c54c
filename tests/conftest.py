"""What every test stands on."""

from __future__ import annotations

from hypothesis import settings

# A shared machine stalls now and then: how long one example took says nothing about the code.
settings.register_profile("lineal", deadline=None)
settings.load_profile("lineal")
