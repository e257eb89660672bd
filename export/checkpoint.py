"""A trained DSA-Net on disk: its configuration and its weights, nothing else."""

from __future__ import annotations

from pathlib import Path

import torch

from export.dsanet import DsaNet, DsaNetConfig


def save_checkpoint(net: DsaNet, path: Path) -> None:
    """Write configuration and weights; :func:`load_checkpoint` reads them."""
    torch.save({"config": net.config.to_dict(), "weights": net.state_dict()}, path)


def load_checkpoint(path: Path) -> DsaNet:
    """Rebuild a network from its checkpoint, in evaluation mode."""
    saved = torch.load(path, map_location="cpu", weights_only=True)
    net = DsaNet(DsaNetConfig.from_dict(saved["config"]))
    net.load_state_dict(saved["weights"])
    return net.eval()
