"""An artefact: one file for one runtime, with all that its manifest entry must say."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path

TARGETS = ("onnx", "tflite", "rk3576", "t527")


@dataclass(frozen=True)
class Artefact:
    """One converted network, beside its file: ``<file>.json`` in the target's folder.

    Attributes
    ----------
    target : one of `TARGETS`.
    variant : "whole" (pixels to embedding) or "split" (pixels to feature map; the head is apart).
    precision : "float32", "float16", "int8" or "hybrid" (int8 with some layers in float).
    file : file name inside the target's folder.
    format : the runtime that runs it: "onnx", "tflite", "rknn" or "nbg".
    input : the manifest's "input" (`Preprocessing.manifest`).
    outputs : names of the outputs.
    output_layout : "NCHW" or "NHWC", of a split artefact's feature map.
    boards : boards that it runs on, or "any".
    built_with : tool and its version.
    details : anything else worth keeping, as plain JSON: quantisation, cycles, header, seconds.
    """

    target: str
    variant: str
    precision: str
    file: str
    format: str
    input: dict
    outputs: list[str]
    output_layout: str = "NCHW"
    boards: list[str] = field(default_factory=lambda: ["any"])
    built_with: dict[str, str] = field(default_factory=dict)
    details: dict = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Its name in reports, such as "tflite split int8"."""
        return f"{self.target} {self.variant} {self.precision}"

    def save(self, folder: Path) -> None:
        """Write ``<file>.json`` beside the file."""
        text = json.dumps(asdict(self), indent=1, sort_keys=True)
        (folder / f"{self.file}.json").write_text(text + "\n")

    @classmethod
    def load(cls, path: Path) -> Artefact:
        """Read a ``<file>.json``."""
        return cls(**json.loads(path.read_text()))


def file_hash(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    return sha256(path.read_bytes()).hexdigest()
