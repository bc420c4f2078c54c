from __future__ import annotations

import importlib.metadata
import sys
import time
from pathlib import Path

import pytest

from lineal.capture import hardware
from lineal.capture.environment import describe_environment, list_packages


def test_packages_are_what_python_itself_says_is_installed() -> None:
    found = list_packages(sys.path)
    expected = {dist.metadata["Name"].lower().replace("_", "-").replace(".", "-"): dist.version for dist in importlib.metadata.distributions()}
    assert {name: version for name, version in found.items() if name in expected} == found
    assert expected.keys() <= found.keys()
    assert all(found[name] == version for name, version in expected.items())


def test_the_first_on_the_path_counts_as_for_imports(tmp_path: Path) -> None:
    for place, version in (("a", "2.0"), ("b", "1.0")):
        (tmp_path / place / f"Some_Thing-{version}.dist-info").mkdir(parents=True)
    (tmp_path / "b" / "old.egg-info").mkdir()
    (tmp_path / "b" / "old.egg-info" / "PKG-INFO").write_text("Name: old\nVersion: 0.9\n")
    assert list_packages([str(tmp_path / "a"), str(tmp_path / "b"), "/nowhere"]) == {"old": "0.9", "some-thing": "2.0"}


def test_only_allowed_variables_are_recorded() -> None:
    variables = {"OMP_NUM_THREADS": "4", "AWS_SECRET_ACCESS_KEY": "x", "MY_FLAG": "1", "PATH": "/bin"}
    found = describe_environment(interpreter="", python="", search=(), variables=variables, extra=("MY_FLAG",))
    assert found.variables == {"MY_FLAG": "1", "OMP_NUM_THREADS": "4"}
    assert (found.packages, found.cpu_count > 0, found.memory_bytes > 0, bool(found.cpu)) == ({}, True, True, True)


def test_equal_environments_have_one_digest() -> None:
    def digest(threads: str) -> str | None:
        return describe_environment(interpreter="", python="3", search=(), variables={"OMP_NUM_THREADS": threads}).digest

    assert digest("4") == digest("4") != digest("8")


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for NVIDIA's tool, where no card is."""
    program = tmp_path / "nvidia-smi"
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    hardware.gpus.cache_clear()
    return program


def test_graphics_cards_are_named_as_the_driver_does(driver: Path) -> None:
    driver.write_text("#!/bin/sh\necho 'NVIDIA H100 80GB HBM3, 81559 MiB, 550.54'\n")
    driver.chmod(0o755)
    assert hardware.gpus() == ("NVIDIA H100 80GB HBM3, 81559 MiB, driver 550.54",)
    hardware.gpus.cache_clear()


def test_a_driver_that_hangs_costs_two_seconds_at_most(driver: Path) -> None:
    driver.write_text("#!/bin/sh\nexec sleep 60\n")
    driver.chmod(0o755)
    begun = time.monotonic()
    assert hardware.gpus() == ()
    assert time.monotonic() - begun < 10
    hardware.gpus.cache_clear()
