"""What the machine's owner configured: which bundle, and whose signature it must carry."""

from __future__ import annotations

import os

from edgeface.bundle import Bundle

PUBLIC_KEY_VARIABLE = "EDGEFACE_PUBLIC_KEY"


def open_bundle(
    bundle: str | os.PathLike[str] | Bundle | None = None,
    *,
    public_key: str | os.PathLike[str] | None = None,
) -> Bundle:
    """Open a bundle as this machine is configured.

    Parameters
    ----------
    bundle
        An ``.efb`` file, or an open `Bundle`, whose signature is then checked here. None takes
        EDGEFACE_BUNDLE's file, else the one shipped in the package.
    public_key
        PEM file, or folder of them, as ``Bundle.open`` says. None takes EDGEFACE_PUBLIC_KEY's;
        without that nothing is asked of signatures. Set but empty is an error.

    Raises
    ------
    BundleError
        Missing, damaged or unsuitable.
    BundleSignatureError
        A public key is configured, and no signature by it holds, or it cannot be read.
    """
    key = public_key if public_key is not None else os.environ.get(PUBLIC_KEY_VARIABLE)
    if isinstance(bundle, Bundle):
        return bundle if key is None else bundle.checked_with(key)
    chosen = bundle if bundle is not None else os.environ.get("EDGEFACE_BUNDLE") or None
    return Bundle.open(chosen, public_key=key)
