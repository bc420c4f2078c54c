"""Reading back a random share: the same seed reads the same, what is damaged is found in time, and the confidence is what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from lineal.records.sampling import share_ruled_out
from lineal.workspace.site import Site
from lineal.workspace.versioning import LocalDatasets


@pytest.fixture
def datasets(site: Site, tmp_path: Path) -> LocalDatasets:
    (tmp_path / "data").mkdir()
    for number in range(300):
        (tmp_path / "data" / f"{number:03}.txt").write_bytes(b"%d " % number * 50)
    made = LocalDatasets(site)
    made.add(tmp_path / "data", name="d")
    return made


def test_a_share_is_read_and_the_same_seed_reads_the_same(datasets: LocalDatasets) -> None:
    [once] = datasets.verify_sample("d", share=0.1, seed=7)
    [again] = datasets.verify_sample("d", share=0.1, seed=7)
    [other] = datasets.verify_sample("d", share=0.1, seed=8)
    assert (once.objects, once.chosen_from, once.seed, once.sound) == (30, 300, 7, True)
    assert once == again
    assert once.bytes != other.bytes
    assert once.damaged_below == share_ruled_out(30, 300)
    [least] = datasets.verify_sample("d", share=0.000001, seed=1)
    assert least.objects == 1
    [everything] = datasets.verify_sample("", share=1.0, seed=1)
    assert (everything.objects, everything.damaged_below) == (300, 0.0)


def test_samples_that_change_find_what_is_damaged(datasets: LocalDatasets, site: Site) -> None:
    for pack in site.layout.store.glob("packs/*/*.pack"):
        data = bytearray(pack.read_bytes())
        if len(data) > 3000:
            data[len(data) // 3] ^= 1
            pack.write_bytes(data)
    site.close()
    found = [report for seed in range(20) for report in datasets.verify_sample("d", share=0.2, seed=seed) if not report.sound]
    assert found
    assert all(report.damaged_below is None for report in found)


def test_reading_the_sample_reads_only_what_leads_there(datasets: LocalDatasets, site: Site) -> None:
    root = datasets.get("d").digest
    entries = list(site.store.entries(root))
    places = [0, 17, 18, 150, 299]
    assert list(site.store._trees.at(bytes.fromhex(root.removeprefix("blake3:")), places)) == [entries[place] for place in places]
