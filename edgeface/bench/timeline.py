"""Temperatures, clocks and energy while something is measured, read five times a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from statistics import median
from typing import Any

from edgeface.board_sensors import Sample, Sensors

INTERVAL_S = 0.2
_MOMENTS = 600  # of a report: a plot shows no more


class Timeline:
    """What the sensors said, from entering the context to leaving it.

    Attributes
    ----------
    moments
        (time.monotonic(), Sample), oldest first. The first is from before anything ran, the last
        from after.
    """

    def __init__(self, sensors: Sensors) -> None:
        self.moments: list[tuple[float, Sample]] = []
        self._sensors = sensors
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="bench sensors", daemon=True)

    def __enter__(self) -> Timeline:
        self._look()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self._look()

    def _watch(self) -> None:
        while not self._done.wait(INTERVAL_S):
            self._look()

    def _look(self) -> None:
        self.moments.append((time.monotonic(), self._sensors.sample()))

    def energy_uj(self, began: float, ended: float) -> dict[str, float]:
        """Return microjoules of each counter between two moments, from the readings around them."""
        found = {}
        for name in self.moments[0][1].energy_uj:
            series = [(t, s.energy_uj[name]) for t, s in self.moments if name in s.energy_uj]
            found[name] = _at(series, ended) - _at(series, began)
        return found

    def conditions(self) -> dict[str, Any]:
        """Return what was so before, during and after, and the series for a plot, as JSON."""
        samples = [sample for _, sample in self.moments]
        during = samples[1:-1] or samples
        return {
            "before": _reading(samples[0]),
            "during": {
                "samples": len(during),
                "temperatures_c": _ranges([s.temperatures_c for s in during]),
                "clocks_khz": _ranges([s.clocks_khz for s in during]),
                "throttled": _throttled(during),
            },
            "after": _reading(samples[-1]),
            "timeline": self._series(),
        }

    def _series(self) -> dict[str, Any]:
        step = -(-len(self.moments) // _MOMENTS)
        kept, start = self.moments[::step], self.moments[0][0]
        kinds = ("temperatures_c", "clocks_khz")
        return {
            "seconds": [round(moment - start, 2) for moment, _ in kept],
            **{kind: _columns([getattr(s, kind) for _, s in kept]) for kind in kinds},
            "throttled": [None if s.throttled is None else int(s.throttled) for _, s in kept],
        }


def _at(series: list[tuple[float, int]], moment: float) -> float:
    """A counter's value at a moment, on the line between its neighbours."""
    for (before, low), (after, high) in zip(series, series[1:]):
        if moment <= after:
            share = (moment - before) / (after - before) if after > before else 1.0
            return low + (high - low) * max(0.0, share)
    return float(series[-1][1])


def _reading(sample: Sample) -> dict[str, Any]:
    return {
        "temperatures_c": dict(sample.temperatures_c),
        "clocks_khz": dict(sample.clocks_khz),
        "governors": dict(sample.governors),
        "throttled": None if sample.throttled is None else int(sample.throttled),
    }


def _ranges(readings: list[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    columns = {name: [r[name] for r in readings if name in r] for name in _names(readings)}
    return {
        name: {"min": min(values), "median": median(values), "max": max(values)}
        for name, values in columns.items()
    }


def _columns(readings: list[Mapping[str, float]]) -> dict[str, list]:
    return {name: [reading.get(name) for reading in readings] for name in _names(readings)}


def _names(readings: list[Mapping[str, float]]) -> list[str]:
    return list(dict.fromkeys(name for reading in readings for name in reading))


def _throttled(samples: list[Sample]) -> int | None:
    """In how many samples; None where the kernel never says."""
    said = [sample.throttled for sample in samples if sample.throttled is not None]
    return sum(said) if said else None
