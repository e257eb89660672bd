"""Training batches from cached teacher views."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from export import hints
from export.teacher import normalise


class Batches:
    """Draws training batches from the cached views, the same ones for the same seed."""

    def __init__(self, cache: Path, device: torch.device):
        self.views, self.device = hints.views(cache), device
        self.bank = torch.from_numpy(np.array(self.views[0]["embedding"])).to(device)

    def draw(self, phase: dict, seed: tuple) -> dict:
        """Return one batch: image, three teacher features, embedding, rows, bank, bank_rows."""
        rng = np.random.default_rng(seed)
        view = self.views[rng.integers(len(self.views))]
        rows = np.sort(rng.choice(len(view["images"]), phase["batch"], replace=False))
        batch = fetch(view, rows, self.device, image=phase["name"] != "head")
        bank_rows = torch.from_numpy(
            rng.choice(len(self.bank), phase.get("bank", 1), replace=False)
        )
        batch["rows"], batch["bank_rows"] = torch.from_numpy(rows).to(self.device), bank_rows
        batch["bank"] = self.bank[bank_rows]
        return batch


def fetch(view: dict, rows: np.ndarray, device: torch.device, *, image: bool = True) -> dict:
    """Read rows of a view as float tensors; a feature map is NCHW, channels last in memory."""
    wanted = range(3) if image else (2,)
    features = [
        torch.from_numpy(view[f"feature{i}"][rows]).to(device).float().permute(0, 3, 1, 2)
        for i in wanted
    ]
    batch = {
        "features": features,
        "embedding": torch.from_numpy(view["embedding"][rows]).to(device),
    }
    if image:
        batch["image"] = normalise(view["images"][rows]).to(device)
    return batch
