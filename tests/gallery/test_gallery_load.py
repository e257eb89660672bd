"""What encryption costs: at loading, and nothing when somebody is identified."""

from __future__ import annotations

import statistics
import sys
import time

import pytest

from edgeface.gallery import Gallery
from edgeface.gallery_person import PersonRecord
from tests.gallery.conftest import KEY, MODEL

PEOPLE, EACH, RUNS = 1000, 10, 5


@pytest.fixture
def pair(tmp_path, unit):
    """10 000 templates in a plain gallery and in an encrypted one."""
    rows = unit(PEOPLE * EACH).reshape(PEOPLE, EACH, 512)
    galleries = []
    for name, key in (("plain.db", None), ("sealed.db", KEY)):
        gallery = Gallery.open(tmp_path / name, model_id=MODEL, key=key)
        with gallery._store.writing():
            for i in range(PEOPLE):
                record = PersonRecord(f"p{i:04}", "2026-01-31T12:00:00Z")
                gallery._store.add(record.name, rows[i], record=record)
        galleries.append(gallery)
    yield galleries
    for gallery in galleries:
        gallery.close()


def seconds(action) -> float:
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return min(times)


def test_loading_an_encrypted_gallery_takes_little_longer(pair, capsys):
    plain, sealed = (seconds(gallery._store.load) for gallery in pair)
    with capsys.disabled():
        sys.stdout.write(
            f"\nloading {PEOPLE * EACH} templates: plain {plain * 1000:.0f} ms, encrypted "
            f"{sealed * 1000:.0f} ms, ratio {sealed / plain:.2f}\n"
        )
    assert sealed < 3 * plain


def test_identifying_costs_the_same_in_an_encrypted_gallery(pair, unit):
    probes = unit(100, seed=1)

    def identify(gallery) -> None:
        for probe in probes:
            gallery.identify(probe, threshold=0.5, margin=0.05)

    ratios = []
    for gallery in pair:
        identify(gallery)  # the first makes the index
    for _ in range(RUNS):
        plain, sealed = (seconds(lambda g=gallery: identify(g)) for gallery in pair)
        ratios.append(sealed / plain)
    assert statistics.median(ratios) < 1.3
