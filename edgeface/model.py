"""A bundle's models, opened: one backend per stage."""

from __future__ import annotations

from contextlib import ExitStack

from edgeface.align import TEMPLATE_SIZE
from edgeface.artefact import Artefact
from edgeface.backends import Backend, open_backend
from edgeface.bundle import Bundle
from edgeface.errors import BundleIncompatibleError
from edgeface.split import open_embedder

__all__ = ["open_stages"]


def open_stages(
    bundle: Bundle, artefact: Artefact, *, threads: int, liveness: bool, opened: ExitStack
) -> dict[str, Backend]:
    """Open the detector, the embedder and, where asked for, the liveness network, by stage.

    Parameters
    ----------
    bundle, artefact
        The open bundle, and which file of its embedder runs.
    threads
        CPU threads of one inference, at least 1.
    liveness
        Whether the liveness network is wanted.
    opened
        What closes the models again when something fails, or when the caller is done.

    Raises
    ------
    BundleError
        No liveness network, an embedder for other crops, or a damaged member.
    BackendError
        The inference runtime is missing or refused a model.
    """
    _require_crop_size(artefact, bundle)
    if liveness:
        _require_liveness(bundle)
    models = {}
    for name in ("detector", "liveness") if liveness else ("detector",):
        stage = bundle.stage(name)
        model = open_backend(stage, bundle.read(stage["file"]), threads=threads, name=name)
        models[name] = opened.enter_context(model)
    models["embedder"] = opened.enter_context(open_embedder(bundle, artefact, threads=threads))
    return models


def _require_crop_size(artefact: Artefact, bundle: Bundle) -> None:
    size = (artefact.input["height"], artefact.input["width"])
    if size != (TEMPLATE_SIZE, TEMPLATE_SIZE):
        raise BundleIncompatibleError(
            f"bundle {bundle.path}: its embedder takes crops of {size[0]}x{size[1]}, this edgeface "
            f"cuts {TEMPLATE_SIZE}x{TEMPLATE_SIZE}: export the network with a resize in front"
        )


def _require_liveness(bundle: Bundle) -> None:
    if "liveness" not in bundle.manifest["stages"]:
        raise BundleIncompatibleError(
            f"bundle {bundle.path} ({bundle.version}) has no liveness network: use edgeface's own "
            "bundle, or add one with: python -m export liveness"
        )
