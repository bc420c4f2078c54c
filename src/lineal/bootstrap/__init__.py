"""The one place that reads settings and picks parts."""
