"""The work folder of a build: where each step leaves what the next one reads, and its stamps.

::

    WORK/
    ├── float/        whole.onnx, source.json (+ checkpoint.pt of a DSA-Net): the reference
    ├── tuned/        the same of the weights that INT8 starts from, where they are others
    ├── calibration/  crops.npy (N, 112, 112, 3) uint8 RGB, list.json: which photos they are
    ├── onnx/ tflite/ rk3576/ t527/      artefacts, each with <file>.json; the head in onnx/
    ├── verify/       embeddings, figures.json, report.html, report.json
    └── steps/        <step>.json: what it was made from, how long it took, hashes of what it made
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path

import numpy as np

from export.artefact import TARGETS, Artefact, file_hash
from export.errors import ExportError
from export.source import Source


class Work:
    """One build's folder; made on first use.

    Parameters
    ----------
    folder : where it is.
    fresh : do every step again, whatever the stamps say.
    """

    def __init__(self, folder: Path, *, fresh: bool = False) -> None:
        self.folder, self.fresh = Path(folder), fresh
        (self.folder / "steps").mkdir(parents=True, exist_ok=True)
        (self.folder / ".gitignore").write_text("*\n")  # faces lie here

    def __truediv__(self, name: str) -> Path:
        return self.folder / name

    def once(self, step: str, *, key: dict, make: Callable[[], Iterable[Path]]) -> bool:
        """Run ``make`` unless this step's stamp says that the same was made before.

        Parameters
        ----------
        step : name of the step, for instance "convert tflite split".
        key : all that the result depends on, as plain JSON: options, and hashes of what is read.
        make : does the work and returns the files it made, all below the work folder.

        Returns
        -------
        bool
            Whether anything was done.
        """
        stamp = self.folder / "steps" / f"{step.replace(' ', '-')}.json"
        if not self.fresh and self._holds(stamp, key):
            print(f"{step}: done before ({json.loads(stamp.read_text())['seconds']} s then)")
            return False
        self._forget(stamp)
        print(f"{step} ...", flush=True)
        begun = time.monotonic()
        made = {str(path.relative_to(self.folder)): file_hash(path) for path in make()}
        seconds = round(time.monotonic() - begun, 1)
        stamp.write_text(json.dumps({"key": key, "seconds": seconds, "made": made}, indent=1))
        sizes = ", ".join(f"{name} {(self / name).stat().st_size:,} bytes" for name in made)
        print(f"{step}: {seconds} s; {sizes}", flush=True)
        return True

    def _forget(self, stamp: Path) -> None:
        """Remove what the step made before: nothing stale may be taken for its result."""
        if stamp.exists():
            for name in json.loads(stamp.read_text())["made"]:
                (self / name).unlink(missing_ok=True)
            stamp.unlink()

    def _holds(self, stamp: Path, key: dict) -> bool:
        if not stamp.exists():
            return False
        saved = json.loads(stamp.read_text())
        return saved["key"] == json.loads(json.dumps(key)) and all(
            (self / name).is_file() and file_hash(self / name) == digest
            for name, digest in saved["made"].items()
        )

    def seconds(self) -> dict[str, float]:
        """How long each step took when it was last done."""
        stamps = sorted((self / "steps").glob("*.json"), key=lambda path: path.stat().st_mtime)
        return {path.stem: json.loads(path.read_text())["seconds"] for path in stamps}

    def reference(self) -> Source:
        """The float embedder that everything is measured against."""
        return Source.load(self._needed("float", "source.json", step="float"))

    def tuned(self) -> Source:
        """The float embedder that INT8 starts from: fine-tuned weights, or the reference."""
        if (self / "tuned" / "source.json").exists():
            return Source.load(self / "tuned")
        return self.reference()

    def calibration(self) -> np.ndarray:
        """The calibration crops, (N, 112, 112, 3) uint8 RGB."""
        return np.load(self._needed("calibration", "crops.npy", step="calibrate") / "crops.npy")

    def artefacts(self) -> list[tuple[Artefact, Path]]:
        """Every artefact that was made of these weights and these photos, with its folder."""
        sources = {source_hash(self / name) for name in ("float", "tuned")}
        photos = file_hash(self._needed("calibration", "crops.npy", step="calibrate") / "crops.npy")
        made = set()
        for stamp in (self / "steps").glob("*.json"):
            saved = json.loads(stamp.read_text())
            if saved["key"].get("calibration") == photos and saved["key"]["source"] in sources:
                made.update(saved["made"])
        return [
            (Artefact.load(self / f"{name}.json"), self / target)
            for target in TARGETS
            for name in sorted(made)
            if name.startswith(f"{target}/") and f"{name}.json" in made
        ]

    def _needed(self, folder: str, file: str, *, step: str) -> Path:
        if not (self / folder / file).exists():
            raise ExportError(
                f"{self / folder} has no {file}: first run 'python -m export {step} --work "
                f"{self.folder}', or 'python -m export build' for all steps"
            )
        return self / folder


def source_hash(folder: Path) -> str | None:
    """SHA-256 over a source's files: weights, and how they are fed; None where there is none."""
    files = [folder / "whole.onnx", folder / "source.json"]
    if not all(path.is_file() for path in files):
        return None
    return sha256("".join(map(file_hash, files)).encode()).hexdigest()
