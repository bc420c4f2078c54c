"""Ways to see which files a process opens: one file per brand behind `interface.py`."""
