"""Measure every artefact of a build against the float network, and judge it.

The step ``python -m export verify --work WORK --data DATA`` (export/build/verify.py). Reads
``WORK/float`` and the artefacts in ``WORK/<target>``; writes ``WORK/verify/figures.json`` and, for
what is slow, embeddings that a second run takes up again. ``python -m export report --work WORK``
makes a page of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from tqdm import tqdm

from export.artefact import Artefact, file_hash
from export.source import CHECKPOINT, Source
from export.verify.door import door_agreement
from export.verify.embed import (
    Candidate,
    candidates,
    door_inputs,
    embed,
    embed_float,
    installed,
)
from export.verify.figures import Result
from export.verify.gates import judge, judge_source
from export.verify.inputs import source_figures
from export.verify.measure import measure
from export.verify.sets import FaceSet, sample
from export.verify.size import measure_size

FOLDER, FIGURES = "verify", "figures.json"
FEW = 8  # photos to compare inputs and a door's own code on

LIMITS = {"rk3576": {"people": 1000}, "t527": {"people": 1000}}
"""Target → set → about how many photos of it, where the runtime is a slow simulation."""

TOOLS = ("onnx", "onnxruntime", "torch", "numpy", "ai-edge-litert", "tflite-runtime")


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
    (cache / FIGURES).unlink(missing_ok=True)  # what fails on the way leaves no old verdict
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
        "sha256": {a.title: file_hash(work / a.target / a.file) for a in artefacts},
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
