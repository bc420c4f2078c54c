"""Whole version stores above bytes: one file per brand behind `interface.py`."""
