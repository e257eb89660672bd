"""What a bundle's manifest must say: the JSON schema, then what no schema can."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from edgeface.errors import BundleFormatError
from edgeface.schema import JsonError, first_problem, parse_json

SCHEMA_PATH = Path(__file__).with_name("bundle_schema.json")
MANIFEST_NAME = "manifest.json"
SIGNATURE_NAME = "signature"
_PROBLEM_LIMIT = 500  # characters: a field's name may be a megabyte long
VARIANTS = ("whole", "split")
"""How an embedder can run: one network, or a backbone and the native head."""

RUNTIMES = ("onnx", "tflite", "rknn", "nbg")
"""The formats that this version has a backend for."""


@lru_cache(maxsize=1)
def manifest_schema() -> dict:
    """Return the parsed ``bundle_schema.json``; shared, so do not change it."""
    return json.loads(SCHEMA_PATH.read_text(encoding="utf-8"))


def parse_manifest(data: bytes, *, source: str) -> dict:
    """Parse and check the bytes of a manifest.

    Parameters
    ----------
    data : bytes
        UTF-8 JSON.
    source : str
        What to call the bundle in error texts, usually its path.

    Raises
    ------
    BundleFormatError
        The JSON is not strict, or ``check_manifest`` refuses it.
    """
    try:
        manifest = parse_json(data)
    except JsonError as error:
        raise BundleFormatError(
            f"bundle {source}: {MANIFEST_NAME} is not strict JSON ({error}): pack it again"
        ) from error
    check_manifest(manifest, source=source)
    return manifest


def check_manifest(manifest: Any, *, source: str) -> None:
    """Raise ``BundleFormatError`` naming the first field that is wrong, or return."""
    problem = _format_problem(manifest) or first_problem(manifest, manifest_schema())
    problem = problem or _member_problem(manifest) or _variant_problem(manifest["stages"])
    problem = problem or _detector_problem(manifest["stages"]["detector"])
    problem = problem or _threshold_problem(manifest["thresholds"])
    if problem:
        short = problem if len(problem) <= _PROBLEM_LIMIT else f"{problem[:_PROBLEM_LIMIT]}…"
        raise BundleFormatError(f"bundle {source}: {MANIFEST_NAME}: {short}")


def _format_problem(manifest: Any) -> str | None:
    # First of all: a newer manifest would also break other rules, and they would mislead.
    found = manifest.get("format") if isinstance(manifest, dict) else None
    if isinstance(found, int) and not isinstance(found, bool) and found > 1:
        return f"format: found {found}, this edgeface reads 1: upgrade edgeface"
    return None


def _member_problem(manifest: dict) -> str | None:
    members = manifest["members"]
    for where, file in _files("stages", manifest["stages"]):
        if file not in members:
            return (
                f"{where}: found {file!r}, expected one of the members {', '.join(sorted(members))}"
            )
    for name in (MANIFEST_NAME, SIGNATURE_NAME):
        if name in members:
            return f"members: {name} cannot be listed, its content follows from the list: remove it"
    return None


def _files(where: str, fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every "file" of the stages, with its place in the manifest."""
    for key, value in fields.items():
        if key == "file":
            yield f"{where}.file", value
        elif isinstance(value, Mapping):
            yield from _files(f"{where}.{key}", value)
        elif key == "artefacts":
            for number, entry in enumerate(value):
                yield from _files(f"{where}.artefacts[{number}]", entry)


def _variant_problem(stages: dict) -> str | None:
    stage = stages["embedder"]
    if stage.get("default_variant") == "split" and "split" not in stage:
        return (
            "stages.embedder.default_variant: found 'split', but there is no field 'split': "
            "add it or choose 'whole'"
        )
    for index, entry in enumerate(stage.get("artefacts", ())):
        if entry["variant"] == "split" and "split" not in stage:
            return (
                f"stages.embedder.artefacts[{index}]: found a split file, but there is no field "
                "'split' with the head for it: add that, or leave the file out"
            )
    return None


def _detector_problem(stage: dict) -> str | None:
    wanted = {f"{kind}_{s}" for s in stage["strides"] for kind in ("score", "box", "landmark")}
    lacking = sorted(wanted - set(stage["outputs"]))
    if lacking:
        return (
            f"stages.detector.outputs: found no {lacking[0]!r}, expected score, box and landmark "
            f"for each of the strides {stage['strides']}"
        )
    return None


def _threshold_problem(thresholds: dict) -> str | None:
    by_far = sorted(thresholds["by_far"], key=lambda row: row["far"])
    fars = [row["far"] for row in by_far]
    cosines = [row["cosine"] for row in by_far]
    if len(set(fars)) != len(fars):
        return f"thresholds.by_far: found a rate twice in {fars}, expected each once"
    if thresholds["default_far"] not in fars:
        return f"thresholds.default_far: found {thresholds['default_far']}, expected one of {fars}"
    if cosines != sorted(cosines, reverse=True):
        return (
            f"thresholds.by_far: found cosines {cosines} for rates {fars}; a lower rate needs a "
            "cosine at least as high"
        )
    return None
