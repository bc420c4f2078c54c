"""Distributions, drift and quality of what a deployment saw and said."""
