"""What one process of a benchmark runs: which file, how many threads, on which CPUs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from edgeface.artefact import Artefact
from edgeface.board import Board, Cluster
from edgeface.errors import BenchError


@dataclass(frozen=True)
class Place:
    """CPUs to stay on.

    Attributes
    ----------
    name
        For people: "cortex-a72", "CPU 0,2", or "" for any.
    cpus
        Their numbers, or None for any.
    """

    name: str
    cpus: tuple[int, ...] | None


ANYWHERE = Place("", None)


@dataclass(frozen=True)
class Configuration:
    """One way to run a bundle's embedder."""

    artefact: Artefact
    threads: int
    place: Place = ANYWHERE

    @property
    def name(self) -> str:
        """For people, and to find the same one in another report."""
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        return ", ".join(filter(None, (self.artefact.title, threads, self.place.name)))


def sweep(
    artefacts: Sequence[Artefact], *, threads: Sequence[int], places: Sequence[Place]
) -> Iterator[Configuration]:
    """Every file with every number of threads on every place that has so many CPUs."""
    for artefact in artefacts:
        for place in places:
            room = len(place.cpus) if place.cpus is not None else len(allowed_cpus())
            for number in threads:
                if number <= room:
                    yield Configuration(artefact, number, place)


def thread_counts(places: Iterable[Place]) -> tuple[int, ...]:
    """Return 1, 2, 4, ... up to as many as the largest of these places has CPUs."""
    most = max(len(p.cpus) if p.cpus is not None else len(allowed_cpus()) for p in places)
    return tuple(1 << bit for bit in range(most.bit_length()))


def places(board: Board) -> tuple[Place, ...]:
    """Return each cluster of a board that has several, else the one place "anywhere".

    Of a cluster those CPUs that this process may use: a container may have some of them.
    """
    allowed = set(allowed_cpus())
    usable = [(one.name, tuple(sorted(allowed.intersection(one.cpus)))) for one in board.clusters]
    found = tuple(Place(name, cpus) for name, cpus in usable if cpus)
    return found if len(found) > 1 else (ANYWHERE,)


def place_of_cluster(board: Board, name: str) -> Place:
    """Return a cluster's CPUs.

    Raises
    ------
    BenchError
        The board has none of that name; the text lists those it has.
    """
    for cluster in board.clusters:
        if cluster.name == name:
            return require_allowed(Place(name, cluster.cpus))
    there = ", ".join(map(_described, board.clusters)) or "none"
    raise BenchError(
        f"--cluster {name}: {board.name} has {there}; name one of these, or use --cpus"
    )


def place_of(board: Board, cpus: Sequence[int] | None) -> Place:
    """Name a set of CPUs: as the cluster that it is, else by its numbers; None is anywhere."""
    if cpus is None:
        return ANYWHERE
    whole = [one.name for one in board.clusters if set(one.cpus) == set(cpus)]
    listed = "CPU " + ",".join(map(str, cpus))
    return Place(whole[0] if len(board.clusters) > 1 and whole else listed, tuple(cpus))


def require_allowed(place: Place) -> Place:
    """Return the place, or raise `BenchError` where this process may not use all of it."""
    lacking = sorted(set(place.cpus or ()) - set(allowed_cpus()))
    if lacking:
        raise BenchError(
            f"{place.name}: CPU {', '.join(map(str, lacking))} is not there or not allowed to this "
            f"process, expected some of {', '.join(map(str, allowed_cpus()))}"
        )
    return place


def allowed_cpus() -> tuple[int, ...]:
    """Return the CPUs that this process may use."""
    return tuple(sorted(os.sched_getaffinity(0)))


def _described(cluster: Cluster) -> str:
    return f"{cluster.name} ({len(cluster.cpus)} CPUs)"
