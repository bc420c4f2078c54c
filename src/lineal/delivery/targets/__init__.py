"""Where services run: one file per brand behind `interface.py`."""
