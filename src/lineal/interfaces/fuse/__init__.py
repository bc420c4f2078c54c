"""Versions as read-only folders, for programs that know nothing of Lineal."""
