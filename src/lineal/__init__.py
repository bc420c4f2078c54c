"""Lineal: DevOps for machine learning in one package."""
