"""A small synthetic bundle: true structure, made-up networks."""

from __future__ import annotations

import copy
import io
import json
import warnings
import zipfile
from hashlib import sha256

import numpy as np
import pytest

from edgeface.bundle import write_bundle

_INPUT = {
    "name": "image", "layout": "NCHW", "dtype": "float32", "colour": "RGB",
    "mean": [127.5, 127.5, 127.5], "std": [127.5, 127.5, 127.5], "height": 112, "width": 112,
}  # fmt: skip
_KINDS = ("score", "box", "landmark")
_FREE_SIZE = {"height": None, "width": None, "max_side": 320, "multiple": 32, "colour": "BGR"}
_MANIFEST = {
    "format": 1,
    "name": "synthetic",
    "version": "0.1.0",
    "compatible": ["any"],
    "stages": {
        "detector": {
            "file": "detector.onnx", "format": "onnx", "precision": "int8",
            "input": {**_INPUT, **_FREE_SIZE},
            "outputs": [f"{kind}_{s}" for s in (8, 16, 32) for kind in _KINDS],
            "strides": [8, 16, 32], "score_threshold": 0.6, "nms_iou": 0.4,
        },
        "embedder": {
            "file": "embedder.onnx", "format": "onnx", "precision": "int8", "variant": "whole",
            "input": _INPUT, "outputs": ["embedding"], "dim": 512,
        },
    },
    "quality": {
        "min_eye_distance_px": 16, "min_sharpness": 20.0, "max_yaw": 45,
        "min_brightness": 30, "max_brightness": 230,
    },
    "thresholds": {
        "source": "synthetic: 0 pairs", "default_far": 0.001, "margin": 0.03,
        "by_far": [{"far": 0.01, "cosine": 0.3}, {"far": 0.001, "cosine": 0.4}],
    },
    "accuracy": {"lfw": None, "note": "made up", "nested": {"tar": [0.1, 1]}},
    "peak_memory_mb": 0,
    "licences": {
        "weights": "Apache-2.0",
        "data": [{"name": "none", "licence": "CC0-1.0", "use": "nothing"}],
        "teachers": [],
    },
    "tools": {"numpy": np.__version__},
}  # fmt: skip


@pytest.fixture
def manifest() -> dict:
    """A correct manifest without its "members"."""
    return copy.deepcopy(_MANIFEST)


@pytest.fixture(scope="session")
def members() -> dict[str, bytes]:
    """The files of the synthetic bundle."""
    vectors = io.BytesIO()
    np.savez(vectors, embedder_input=np.zeros((2, 3, 4, 4), np.float32))
    return {
        "detector.onnx": b"not a network, but bytes " * 8,
        "embedder.onnx": bytes(range(256)),
        "selftest.npz": vectors.getvalue(),
        "MODEL_CARD.md": "# Synthetic\n\nNo data was used – none.\n".encode(),
    }


@pytest.fixture
def bundle_path(tmp_path, manifest, members):
    """A sound bundle on disk."""
    path = tmp_path / "good.efb"
    write_bundle(path, manifest, members)
    return path


@pytest.fixture
def forge(tmp_path, manifest, members):
    """Write a zip as asked, with a manifest that lists exactly ``members``."""

    def write(entries=None, *, compression=zipfile.ZIP_STORED, extra=(), **changes):
        path = tmp_path / "forged.efb"
        listed = {
            name: {"sha256": sha256(data).hexdigest(), "bytes": len(data)}
            for name, data in members.items()
        }
        text = json.dumps({**manifest, "members": listed, **changes})
        files = {"manifest.json": text.encode(), **members} if entries is None else entries
        with warnings.catch_warnings(), zipfile.ZipFile(path, "w", compression) as archive:
            warnings.simplefilter("ignore")  # zipfile warns of the duplicates that we want
            for name, data in [*files.items(), *extra]:
                archive.writestr(name, data)
        return path

    return write
