"""A teacher's embeddings of labelled photos, computed once and kept."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from export.checkpoint import load_checkpoint
from export.errors import ExportError
from export.identity_data import People
from export.identity_measure import embed

CHECKPOINT = Path(__file__).with_name("checkpoints") / "dsanet_s.pt"


class EmbeddingOnly(nn.Module):
    """The embedding of a network that also returns its feature maps."""

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> Tensor:
        """Return (N, 512)."""
        return self.net(image)[1]


def load_teacher(path: Path) -> nn.Module:
    """Return the network of a DSA-Net checkpoint, or EdgeFace-XS of a ``.safetensors`` file.

    Raises
    ------
    ExportError
        EdgeFace-XS without the packages that it needs.
    """
    if path.suffix != ".safetensors":
        return load_checkpoint(path)
    from export.teacher import Teacher

    try:
        return EmbeddingOnly(Teacher(path))
    except ImportError as error:
        raise ExportError(
            f"{path}: EdgeFace-XS needs {error.name}: pip install timm safetensors, or use a "
            "DSA-Net checkpoint as the teacher"
        ) from error


def teacher_embeddings(path: Path, people: People, *, folder: Path) -> np.ndarray:
    """Return unit embeddings (N, 512) of ``people``, kept in ``folder`` for the next time."""
    told = hashlib.sha256(path.read_bytes() + people.crops.tobytes()).hexdigest()[:12]
    file = folder / f"teacher-{told}.npy"
    if not file.exists():
        print(f"{path.name}: embedding {len(people.names)} photos", flush=True)
        np.save(file, embed(load_teacher(path), people.crops))
    return np.load(file)
