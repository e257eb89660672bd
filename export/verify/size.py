"""How large an artefact is beside its float twin, counting what a board loads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from export.artefact import TARGETS, Artefact
from export.source import Source
from export.split import head_weights, packed
from export.verify.embed import Candidate
from export.verify.figures import Size

BACKBONE = "backbone.onnx"  # the float one of export.build, in WORK/float


def find_artefacts(work: Path, targets: Sequence[str] = TARGETS) -> list[Artefact]:
    """Return the artefacts that lie in ``WORK/<target>``, each file with its JSON."""
    notes = (path for target in targets for path in sorted((work / target).glob("*.json")))
    return [Artefact.load(path) for path in notes if path.with_suffix("").is_file()]


def measure_size(candidate: Candidate, *, work: Path, source: Source) -> Size:
    """Return the bytes of a candidate and of its float twin, each with the head it runs with.

    The twin is the same target's float32 file of the same variant where there is one, else the
    float ONNX file; its head is float32. What is only simulated has no file of its own to compare.
    """
    if candidate.simulated:
        return Size(candidate.file.stat().st_size, None, None, None)
    twin = float_file(candidate.artefact, work=work, source=source)
    own, theirs = candidate.file.stat().st_size, twin.stat().st_size if twin else None
    if candidate.head is not None:
        own += head_bytes(source, candidate.head)
        theirs = theirs and theirs + head_bytes(source, "float32")
    name = f"{twin.parent.name}/{twin.name}" if twin else None
    return Size(own, theirs, name, own / theirs if theirs else None)


def head_bytes(source: Source, precision: str) -> int:
    """Return the size of the head's file."""
    return len(packed(head_weights(source.net, precision)))


def float_file(artefact: Artefact, *, work: Path, source: Source) -> Path | None:
    """Return the float file of the same variant; None where the build has none."""
    for other in find_artefacts(work, [artefact.target]):
        if (other.variant, other.precision) == (artefact.variant, "float32"):
            return work / artefact.target / other.file
    if artefact.variant == "whole":
        return source.onnx
    backbone = source.onnx.with_name(BACKBONE)
    return backbone if backbone.is_file() else None
