"""A trained DSA-Net on disk: its configuration and its weights, nothing else."""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError

import torch

from export.dsanet import DsaNet, DsaNetConfig
from export.errors import ExportError


def save_checkpoint(net: DsaNet, path: Path) -> None:
    """Write configuration and weights; :func:`load_checkpoint` reads them."""
    torch.save({"config": net.config.to_dict(), "weights": net.state_dict()}, path)


def load_checkpoint(path: Path) -> DsaNet:
    """Rebuild a network from its checkpoint, in evaluation mode.

    Raises
    ------
    ExportError
        Not a file that `save_checkpoint` wrote.
    """
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        net = DsaNet(DsaNetConfig.from_dict(saved["config"]))
        net.load_state_dict(saved["weights"])
    except (UnpicklingError, RuntimeError, KeyError, TypeError, AttributeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise ExportError(
            f"{path} holds no DSA-Net ({reason}): expected a checkpoint of 'python -m export train'"
        ) from error
    return net.eval()
