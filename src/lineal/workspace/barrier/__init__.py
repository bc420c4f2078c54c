"""The folder that is put on ``PYTHONPATH`` of a rerun where the system cannot hide the originals from it."""
