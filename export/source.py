"""A float embedder, wherever it came from: what every converter starts from."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from export.checkpoint import load_checkpoint, save_checkpoint
from export.dsanet import DsaNet
from export.preprocessing import Preprocessing

INPUT, OUTPUT = "image", "embedding"
DESCRIPTION, CHECKPOINT = "source.json", "checkpoint.pt"


@dataclass(frozen=True)
class Source:
    """One float embedder.

    Attributes
    ----------
    name : model name, such as "dsanet_s" or "edgeface_xs".
    onnx : float32 ONNX file, opset 17 or 18, IR 10 at most; input ``image`` (N, 3, S, S), output
        ``embedding`` (N, dim), not normalised.
    preprocessing : what ``image`` must be.
    dim : length of the embedding.
    net : the network itself where it is our DSA-Net: only that can be split and written directly.
    licence : "weights" (SPDX identifier, or what its author says), "source" (who made it).
    notes : what an importer changed on the way, and what to know of it.
    """

    name: str
    onnx: Path
    preprocessing: Preprocessing
    dim: int
    net: DsaNet | None = None
    licence: dict = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def variants(self) -> tuple[str, ...]:
        """The ways in which it can run: "whole", and "split" where backbone and head part."""
        splittable = self.net is not None and self.net.config.pooling == "attention"
        return ("whole", "split") if splittable else ("whole",)

    def save(self, folder: Path) -> list[Path]:
        """Write ``source.json``, and ``checkpoint.pt`` of a DSA-Net, into the ONNX file's folder.

        Returns
        -------
        list of Path
            The files that make the source, the ONNX file among them.
        """
        fields = {
            "name": self.name,
            "onnx": self.onnx.name,
            "preprocessing": asdict(self.preprocessing),
            "dim": self.dim,
            "licence": self.licence,
            "notes": self.notes,
        }
        made = [self.onnx, folder / DESCRIPTION]
        made[-1].write_text(json.dumps(fields, indent=1) + "\n")
        (folder / CHECKPOINT).unlink(missing_ok=True)
        if self.net is not None:
            made.append(folder / CHECKPOINT)
            save_checkpoint(self.net, made[-1])
        return made

    @classmethod
    def load(cls, folder: Path) -> Source:
        """Read what `save` wrote."""
        fields = json.loads((folder / DESCRIPTION).read_text())
        preprocessing = {
            k: tuple(v) if isinstance(v, list) else v for k, v in fields["preprocessing"].items()
        }
        checkpoint = folder / CHECKPOINT
        return cls(
            name=fields["name"],
            onnx=folder / fields["onnx"],
            preprocessing=Preprocessing(**preprocessing),
            dim=fields["dim"],
            net=load_checkpoint(checkpoint) if checkpoint.exists() else None,
            licence=fields["licence"],
            notes=tuple(fields["notes"]),
        )
