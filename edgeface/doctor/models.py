"""The bundle: its state, what of it runs here, and whether that computes what it must."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np

from edgeface.artefact import Artefact, artefacts, choose
from edgeface.backends.ready import missing
from edgeface.board import Board
from edgeface.bundle import Bundle
from edgeface.cli_output import signature_text
from edgeface.configured import open_bundle, settings
from edgeface.doctor.finding import FAIL, OK, WARN, Finding
from edgeface.errors import EdgeFaceError
from edgeface.pipeline import Pipeline
from edgeface.selftest import selftest_embeddings
from edgeface.split import open_embedder

LEAST_AGREEMENT = 0.95
"""Least cosine between the embeddings of two sound runtimes, both INT8, for one picture."""

_WRONG = (
    "do not open a door with it: update driver and library to the versions of docs/npu.md, and "
    "run on the CPU (--runtime onnx) until they agree"
)


def check_bundle(path: str | None, *, public_key: str | None) -> tuple[Bundle | None, Finding]:
    """Open the bundle that this machine is configured for."""
    try:
        bundle = open_bundle(path, public_key=public_key)
    except EdgeFaceError as error:
        remedy = "copy it again, or use a bundle for this board (EDGEFACE_BUNDLE, --bundle)"
        return None, Finding("bundle", FAIL, str(error), remedy)
    state = signature_text(bundle.describe()["signature"])
    return bundle, Finding("bundle", OK, f"{bundle.name} {bundle.version}, {state}")


def check_choice(bundle: Bundle, board: Board) -> Finding:
    """Say what runs the embedder, and whether something better is kept from it."""
    try:
        wanted = settings()
        choice = choose(bundle, board, variant=wanted.variant, runtime=wanted.runtime)
    except EdgeFaceError as error:
        return Finding("runtime", FAIL, str(error), "correct the settings, or use another bundle")
    text = f"{choice.artefact.title}: {'set' if wanted.runtime else choice.because}"
    lost = {
        name: reason
        for name, reason in choice.passed_over.items()
        if any(one.runtime == name and one.runs_on(board) for one in artefacts(bundle))
    }
    if not lost:
        return Finding("runtime", OK, text)
    listed = "; ".join(f"not {name}: {reason}" for name, reason in lost.items())
    status = FAIL if missing(choice.artefact.runtime) else WARN
    return Finding("runtime", status, f"{text}; {listed}", "install it to use this board's best")


def check_selftest(bundle: Bundle, *, public_key: str | None) -> Finding:
    """Load the models as every command does, which runs the bundle's self-test."""
    try:
        live = "liveness" in bundle.manifest["stages"]
        with Pipeline.open(bundle, public_key=public_key, liveness=live) as pipeline:
            found, title = pipeline.selftest, pipeline.artefact.title
    except EdgeFaceError as error:
        return Finding(
            "self-test", FAIL, str(error), "nothing of this bundle may be used until then"
        )
    return Finding("self-test", OK, f"{title}: cosine {found.embedding_cosine:.4f} to the bundle's")


def check_agreement(bundle: Bundle, board: Board) -> list[Finding]:
    """Compare each runtime that this board has with the CPU's onnx, on the self-test's pictures.

    A simulator that was right says nothing about the chip. This runs on it.
    """
    reference = artefacts(bundle)[0]
    if missing(reference.runtime):
        return []
    others = [
        one
        for one in artefacts(bundle)
        if one.runtime != reference.runtime
        and one.runtime in board.runtimes
        and one.runs_on(board)
        and not missing(one.runtime)
    ]
    return [_agreement(bundle, one, reference) for one in others]


def _agreement(bundle: Bundle, artefact: Artefact, reference: Artefact) -> Finding:
    check = f"{artefact.title} against the CPU"
    try:
        found, expected = (_embeddings(bundle, one) for one in (artefact, reference))
    except EdgeFaceError as error:
        return Finding(check, FAIL, str(error), "see the lines above, and docs/npu.md")
    cosine = float((found * expected).sum(axis=1).min())
    text = f"least cosine {cosine:.4f} on {len(found)} pictures"
    if cosine >= LEAST_AGREEMENT:
        return Finding(check, OK, text)
    return Finding(check, FAIL, f"{text}, expected {LEAST_AGREEMENT}", _WRONG)


def _embeddings(bundle: Bundle, artefact: Artefact) -> np.ndarray:
    with ExitStack() as opened:
        embedder = opened.enter_context(open_embedder(bundle, artefact))
        return selftest_embeddings(bundle, embedder=embedder, artefact=artefact)
