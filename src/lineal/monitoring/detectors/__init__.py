"""Drift detectors: one file per distance, registered here."""

from __future__ import annotations

from types import MappingProxyType

from lineal.monitoring.detectors.interface import Detector
from lineal.monitoring.detectors.jensen_shannon import JensenShannon
from lineal.monitoring.detectors.psi import PopulationStability

_ALL: tuple[Detector, ...] = (PopulationStability(), JensenShannon())

DETECTORS = MappingProxyType({detector.name: detector for detector in _ALL})
"""Every detector by name."""
