"""Ways to measure how far a distribution moved: one file per brand behind `interface.py`."""
