"""Variations of a sound bundle, written anew: other members, another manifest."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from edgeface.bundle import Bundle, write_bundle


def rebuilt(
    bundle: Bundle,
    path: Path,
    *,
    members: Mapping[str, bytes | None],
    change: Callable[[dict], object] = lambda manifest: None,
) -> Path:
    """Write `bundle` with some members replaced (None: left out), its manifest changed in place."""
    manifest = copy.deepcopy(bundle.manifest)
    change(manifest)
    files = {name: bundle.read(name) for name in bundle.manifest["members"]}
    files.update(members)
    write_bundle(path, manifest, {name: data for name, data in files.items() if data is not None})
    return path


def whole_only(bundle: Bundle, path: Path) -> Path:
    """Write `bundle` with its whole ONNX embedder alone: no split, no other runtime."""
    stage = bundle.stage("embedder")
    gone = [stage["split"]["file"], stage["split"]["head"]["file"]]
    gone += [entry["file"] for entry in stage.get("artefacts", ())]

    def forget(manifest: dict) -> None:
        for key in ("split", "artefacts", "default_variant"):
            manifest["stages"]["embedder"].pop(key, None)

    return rebuilt(bundle, path, members=dict.fromkeys(gone), change=forget)


def npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return arrays as the bytes of an .npz file."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()
