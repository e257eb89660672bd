"""What a manifest says, in short: the model's id, a threshold, what a person asks first."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from hashlib import sha256

_KEYS = ("name", "version", "format", "compatible", "quality", "thresholds", "accuracy",
         "peak_memory_mb", "licences", "tools")  # fmt: skip
_STAGE_KEYS = ("file", "format", "precision", "default_variant", "threshold", "bpcer", "source")


def summarise(manifest: Mapping) -> dict:
    """Return the manifest's entries that people read, with the length of every file.

    Parameters
    ----------
    manifest
        A checked manifest.
    """
    members = {name: entry["bytes"] for name, entry in manifest["members"].items()}
    stages = manifest["stages"].items()
    return {
        "members": members,
        "stages": {name: _stage(stage, members) for name, stage in stages},
        **{key: manifest[key] for key in _KEYS},
    }


def model_id(manifest: Mapping) -> str:
    """Return 16 hex digits that name the exact embedder: docs/bundle-format.md has the rule."""
    stage = manifest["stages"]["embedder"]
    spec = json.loads(json.dumps(stage["input"]), parse_int=float)  # 127 and 127.0 are one spec
    file_hash = manifest["members"][stage["file"]]["sha256"]
    text = file_hash + json.dumps(spec, sort_keys=True, separators=(",", ":"))
    return sha256(text.encode("utf-8")).hexdigest()[:16]


def threshold_at(thresholds: Mapping, far: float | None) -> float:
    """Return the cosine for a false accept rate; ``ValueError`` lists the rates there are."""
    wanted = thresholds["default_far"] if far is None else far
    for row in thresholds["by_far"]:
        if math.isclose(row["far"], wanted, rel_tol=1e-9):
            return float(row["cosine"])
    listed = ", ".join(f"{row['far']:g}" for row in thresholds["by_far"])
    raise ValueError(f"no threshold for a false accept rate of {far}: there are {listed}")


def _stage(stage: Mapping, members: Mapping[str, int]) -> dict:
    summary = {key: stage[key] for key in _STAGE_KEYS if key in stage}
    inside = {key: _stage(stage[key], members) for key in ("split", "head") if key in stage}
    summary = {**summary, "bytes": members[stage["file"]], **inside}
    listed = [
        {**_stage(entry, members), "variant": entry["variant"], "boards": entry["boards"]}
        for entry in stage.get("artefacts", ())
    ]
    return {**summary, "artefacts": listed} if listed else summary
