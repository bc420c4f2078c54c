"""Safe model formats: one file per brand behind `interface.py`."""
