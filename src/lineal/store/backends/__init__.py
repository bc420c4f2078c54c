"""Where the bytes lie: one file per brand behind `interface.py`."""
