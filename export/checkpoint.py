"""A trained DSA-Net on disk: its configuration and its weights, nothing else."""

from __future__ import annotations

from pathlib import Path

import torch

from export.dsanet import DsaNet, DsaNetConfig


def save_checkpoint(net: DsaNet, path: Path, *, dtype: torch.dtype = torch.float32) -> None:
    """Write configuration and weights (floating ones as ``dtype``); see :func:`load_checkpoint`."""
    weights = {k: v.to(dtype) if v.is_floating_point() else v for k, v in net.state_dict().items()}
    torch.save({"config": net.config.to_dict(), "weights": weights}, path)


def load_checkpoint(path: Path) -> DsaNet:
    """Rebuild a network from its checkpoint, in float32 and evaluation mode."""
    saved = torch.load(path, map_location="cpu", weights_only=True)
    net = DsaNet(DsaNetConfig.from_dict(saved["config"]))
    net.load_state_dict(
        {k: v.float() if v.is_floating_point() else v for k, v in saved["weights"].items()}
    )
    return net.eval()
