"""The folder that is put on ``PYTHONPATH`` of watched programs; nothing in it imports Lineal, so any Python can be watched."""
