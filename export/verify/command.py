"""Measure every artefact of a build against the float network, and judge it.

The step ``python -m export verify --work WORK --data DATA`` (export/build/verify.py). Reads
``WORK/float`` and the artefacts in ``WORK/<target>``; writes ``WORK/verify/figures.json`` and, for
what is slow, embeddings that a second run takes up again. ``python -m export report --work WORK``
makes a page of it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from tqdm import tqdm

from export.artefact import TARGETS, Artefact
from export.errors import VerifyError
from export.source import CHECKPOINT, Source
from export.verify.door import door_agreement
from export.verify.embed import Candidate, candidates, door_inputs, embed, embed_float, file_hash
from export.verify.figures import Result
from export.verify.gates import judge, judge_source, refuse
from export.verify.inputs import source_figures
from export.verify.measure import measure
from export.verify.sets import FaceSet, folder_set, load_sets, sample
from export.verify.size import find_artefacts, measure_size

FOLDER, FIGURES = "verify", "figures.json"
FEW = 8  # photos to compare inputs and a door's own code on

LIMITS = {"rk3576": {"people": 1000}, "t527": {"people": 1000}}
"""Target → set → about how many photos of it, where the runtime is a slow simulation."""

TOOLS = ("onnx", "onnxruntime", "torch", "numpy", "ai-edge-litert", "tflite-runtime")


def run(args: argparse.Namespace) -> int:
    """Measure, print the rows, and return 0 when all passed, else 1."""
    sets = load_sets(args.data) if args.data else {}
    if args.people:
        sets["folder"] = folder_set(args.people)
    rows = verify(
        args.work,
        source=Source.load(args.work / "float"),
        artefacts=find_artefacts(args.work, args.targets.split(",")),
        sets=sets,
        limits=parse_limits(args.limit),
        gate_limits={k: float(v) for k, v in (word.split("=") for word in args.gate)},
        seed=args.seed,
    )
    for row in rows:
        print(
            f"{'ok    ' if row['passed'] else 'FAILED'} {row['artefact']}: {row['name']}: "
            f"{row['measured']} (limit {row['limit']:g})"
        )
    try:
        refuse(rows)
    except VerifyError as error:
        print(error)
        return 1
    return 0


def parse_limits(words: Sequence[str]) -> dict[str, dict[str, int]]:
    """Turn ``people=1000`` (all targets) and ``rk3576:people=500`` into `verify`'s ``limits``."""
    limits: dict[str, dict[str, int]] = {}
    for word in words:
        name, _, count = word.partition("=")
        target, _, named = name.rpartition(":")
        for each in (target,) if target else TARGETS:
            limits.setdefault(each, {})[named] = int(count)
    return limits


def verify(
    work: Path,
    *,
    source: Source,
    artefacts: Sequence[Artefact],
    sets: Mapping[str, FaceSet],
    limits: Mapping[str, Mapping[str, int]] | None = None,
    gate_limits: Mapping[str, float] | None = None,
    head: str = "int8",
    seed: int = 0,
) -> list[dict]:
    """Measure artefacts and return the manifest's ``gates``; figures go to ``WORK/verify``.

    Parameters
    ----------
    work : folder of the build; artefacts lie in ``work/<target>``.
    source : the float network.
    artefacts : what to measure; a split one is measured with an INT8 and a float32 head.
    head : precision of the head that ships; the rows of a split artefact are with it.
    sets : from `export.verify.sets.load_sets`, at least one.
    limits : target → set → about how many photos; `LIMITS` where it says nothing.
    gate_limits : gate name → limit, in place of the documented one.
    seed : of samples, enrolment and bootstrap.

    Raises
    ------
    ValueError
        No set or no artefact, or a name that no set or gate has.
    VerifyError
        Most embeddings of an artefact are not finite.
    """
    if not sets or not artefacts:
        raise ValueError(
            f"{len(sets)} evaluation sets and {len(artefacts)} artefacts: expected at least one "
            "of each; give --data or --people, and convert first"
        )
    cache = work / FOLDER
    rows = judge_source(source_figures(source, dict(sets), cache=cache, seed=seed))
    results = []
    for candidate in candidates(artefacts, work):
        sampled = sampled_sets(sets, candidate.artefact.target, limits or {}, seed=seed)
        result = measure_one(candidate, sampled, source=source, work=work, seed=seed)
        results.append(result)
        if candidate.head in (None, head) or candidate.artefact.precision == "float32":
            rows += judge(result, limits=gate_limits)
    note = {
        "source": {"name": source.name, "dim": source.dim, "licence": source.licence},
        "provenance": provenance(work, source, sets, seed=seed),
        "artefacts": [asdict(artefact) for artefact in artefacts],
        "results": [asdict(result) for result in results],
        "gates": rows,
    }
    cache.mkdir(parents=True, exist_ok=True)
    (cache / FIGURES).write_text(json.dumps(note, indent=1, allow_nan=False) + "\n")
    return rows


def sampled_sets(
    sets: Mapping[str, FaceSet],
    target: str,
    limits: Mapping[str, Mapping[str, int]],
    *,
    seed: int,
) -> dict[str, FaceSet]:
    """Return the sets as one target gets them: sampled where a limit says so."""
    own = {**LIMITS.get(target, {}), **limits.get(target, {})}
    return {
        name: sample(faces, own[name], seed=seed) if name in own else faces
        for name, faces in sets.items()
    }


def measure_one(
    candidate: Candidate,
    sets: Mapping[str, FaceSet],
    *,
    source: Source,
    work: Path,
    seed: int = 0,
) -> Result:
    """Embed the sets with one candidate and return its figures."""
    artefact, cache, figures = candidate.artefact, work / FOLDER, {}
    some = next(iter(sets.values())).crops[:FEW]
    door = None
    for name, faces in tqdm(sets.items(), desc=candidate.title, mininterval=5):
        wanted = embed_float(source, faces, cache=cache)
        found = embed(candidate, faces, source=source, cache=cache)
        figures[name] = measure(found, wanted, faces, seed=seed)
        if len(figures) == 1:
            door = door_agreement(candidate, some, source=source, found=found[:FEW])
    fed = door_inputs(artefact, some, source=source)
    return Result(
        title=candidate.title,
        target=artefact.target,
        variant=artefact.variant,
        precision=artefact.precision,
        head=candidate.head,
        file=artefact.file,
        size=measure_size(candidate, work=work, source=source),
        input_error=float(np.abs(fed - source.preprocessing.apply(some)).max()),
        door_cosine=door,
        sets=figures,
    )


def provenance(
    work: Path, source: Source, sets: Mapping[str, FaceSet], *, seed: int
) -> dict[str, object]:
    """Return what the figures rest on: hashes, seeds, sets and tools."""
    files = {
        "float network": source.onnx,
        "checkpoint": source.onnx.with_name(CHECKPOINT),
        "calibration list": work / "calibration" / "list.json",
    }
    return {
        "seed": seed,
        "sha256": {name: file_hash(path) for name, path in files.items() if path.is_file()},
        "sets": {name: {"source": s.source, "sha256": s.digest} for name, s in sets.items()},
        "tools": {name: found for name in TOOLS if (found := installed(name))},
    }


def installed(package: str) -> str | None:
    """Return a package's version, None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
