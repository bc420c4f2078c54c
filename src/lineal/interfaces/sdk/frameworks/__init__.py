"""Callbacks for training frameworks. Each module imports its framework, so none is imported before it is asked for."""
