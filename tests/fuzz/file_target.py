"""Files from strangers: bundles, their manifests and arrays, exports of galleries."""

from __future__ import annotations

import io
import zipfile
from functools import cache

import numpy as np

from edgeface.bundle import Bundle
from edgeface.errors import BundleError, GalleryError
from edgeface.gallery_file import read_gallery_file, write_gallery_file
from edgeface.gallery_person import PersonRecord
from edgeface.gallery_template import Templates
from edgeface.manifest import parse_manifest
from edgeface.npz import load_npz
from edgeface.signature import format_signatures, parse_signatures
from tests.bundles import npz, rebuilt
from tests.fuzz.places import scratch

MODEL, DIM = "1201ffab7fa28f63", 4


@cache
def bundle_seeds() -> tuple[bytes, ...]:
    """The default bundle with members of a few bytes; its manifest; signatures; arrays."""
    bundle = Bundle.open()
    small = {name: name.encode() for name in bundle.manifest["members"]}
    small["selftest.npz"] = arrays = npz({"a": np.zeros(2, np.float32)})
    path = rebuilt(bundle, scratch("bundle-seed") / "small.efb", members=small)
    signatures = format_signatures({"0123456789abcdef": bytes(64)})
    return path.read_bytes(), bundle.manifest_bytes, arrays, signatures, b"PK\5\6" + bytes(18)


def check_bundle(data: bytes) -> None:
    """A bundle, its parts: opened, or refused as a bundle."""
    path = scratch("bundle") / "fuzzed.efb"
    path.write_bytes(data)
    attempts = (
        lambda: _read_all(Bundle.open(path, board=None)),
        lambda: parse_manifest(data, source="fuzzed"),
        lambda: parse_signatures(data, source="fuzzed"),
    )
    for attempt in attempts:
        try:
            attempt()
        except BundleError:
            continue
    try:
        load_npz(data)
    except ValueError:
        pass


def _read_all(bundle: Bundle) -> None:
    for member in bundle.manifest["members"]:
        bundle.read(member)
    bundle.describe()


@cache
def gallery_seeds() -> tuple[bytes, ...]:
    """An export of two people, and its index."""
    people = (
        PersonRecord(name="Ada", enrolled_at="2030-01-01T00:00:00Z"),
        PersonRecord(name="Zoë", enrolled_at="2030-01-01T00:00:00Z", groups=("staff",)),
    )
    rows = np.eye(3, DIM, dtype=np.float32)
    path = scratch("gallery-seed") / "people.efg"
    write_gallery_file(path, Templates(people, np.array([0, 1, 1]), rows), model_id=MODEL)
    with zipfile.ZipFile(path) as archive:
        return path.read_bytes(), b"\1" + archive.read("gallery.json")


def check_gallery(data: bytes) -> None:
    """An export is read whole or refused; a first byte of 1 means: this is the index of one."""
    path = scratch("gallery") / "fuzzed.efg"
    path.write_bytes(_with_index(data[1:]) if data[:1] == b"\1" else data)
    try:
        templates = read_gallery_file(path, model_id=MODEL, dim=DIM)
    except GalleryError:
        return
    assert len(templates.owners) == len(templates.embeddings)
    assert np.isfinite(templates.embeddings).all()


def _with_index(index: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("gallery.json", index)
        archive.writestr("templates.f32", np.eye(3, DIM, dtype="<f4").tobytes())
    return buffer.getvalue()
