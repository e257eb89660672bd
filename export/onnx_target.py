"""ONNX artefacts: the float network, or its INT8 twin under a preset, whole or split.

For preset "mixed" the split backbone is cut out of the whole INT8 file, bit for bit, so that both
give the same feature map. For the other presets it is quantised alone. Files run on onnxruntime;
those with 8-bit weights run here without graph optimisation, which computes what the file says on
every CPU: x86 without VNNI would saturate (docs/decisions/0002).
"""

from __future__ import annotations

import hashlib
import time
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import onnxruntime
from tqdm import tqdm

from edgeface import _native
from export.artefact import Artefact
from export.presets import PRESETS, USUAL, preset_named
from export.quantise import described, quantise
from export.source import INPUT, OUTPUT, Source
from export.split import cut_backbone
from export.to_onnx import FEATURE, export_backbone

BATCH = 16
SHOW_AFTER_S = 2.0
VARIANTS, PRECISIONS = ("whole", "split"), ("int8", "float32")
TOOLS = ("onnx", "onnxruntime")


def convert(
    source: Source,
    *,
    variant: str,
    calibration: np.ndarray,
    folder: Path,
    seed: int = 0,
    preset: str = USUAL,
    precision: str = "int8",
) -> Artefact:
    """Write one ONNX file and its description into ``folder``.

    Parameters
    ----------
    source : float embedder.
    variant : "whole", or "split" for the backbone of a DSA-Net.
    calibration : RGB uint8 crops (N, 112, 112, 3), at least 16; the last ones over a multiple of
        16 are left out. Not used for float32.
    folder : exists.
    seed : not used: nothing here is drawn at random.
    preset : one of `export.presets.PRESETS`.
    precision : "int8" or "float32".

    Raises
    ------
    ValueError
        A variant, preset or precision that there is not, or too few calibration crops.
    """
    _check(source, variant, precision, calibration)
    begun, name = time.monotonic(), f"{variant}_{precision}"
    details: dict = {}
    if precision == "int8":
        name += "" if preset == USUAL else f"_{preset}"
        details = {
            "preset": preset,
            "quantisation": described(preset_named(preset)),
            "calibration": {"faces": len(calibration), "sha256": _digest(calibration.tobytes())},
        }
    path = folder / f"{name}.onnx"
    if precision == "float32":
        _write_float(source, variant, path)
    else:
        _write_int8(source, variant, calibration, preset, path)
    details["bytes"], details["seconds"] = path.stat().st_size, round(time.monotonic() - begun, 1)
    artefact = Artefact(
        target="onnx",
        variant=variant,
        precision=precision,
        file=path.name,
        format="onnx",
        input=source.preprocessing.manifest(name=INPUT),
        outputs=[OUTPUT if variant == "whole" else FEATURE],
        built_with={name: version(name) for name in TOOLS},
        details=details,
    )
    artefact.save(folder)
    return artefact


def _check(source: Source, variant: str, precision: str, calibration: np.ndarray) -> None:
    if variant not in source.variants:
        raise ValueError(
            f"variant {variant!r} of {source.name}, expected one of {', '.join(source.variants)}"
        )
    if precision not in PRECISIONS:
        raise ValueError(f"precision {precision!r}, expected one of {', '.join(PRECISIONS)}")
    if precision == "int8" and len(calibration) < BATCH:
        raise ValueError(f"{len(calibration)} calibration crops, expected at least {BATCH}")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _write_float(source: Source, variant: str, path: Path) -> None:
    if variant == "split":
        export_backbone(source.net, path)
    else:
        path.write_bytes(source.onnx.read_bytes())


def _write_int8(
    source: Source, variant: str, calibration: np.ndarray, preset: str, path: Path
) -> None:
    """Quantise the whole network, or the backbone alone, or cut the one from the other."""
    with TemporaryDirectory() as scratch:
        start, whole = source.onnx, Path(scratch) / "whole.onnx"
        if variant == "split" and preset != "mixed":
            start = Path(scratch) / "backbone.onnx"
            export_backbone(source.net, start)
        quantise(
            start,
            target=whole,
            batches=batches(start, source.preprocessing.apply(calibration)),
            preset=PRESETS[preset],
        )
        data = whole.read_bytes()
    cut = variant == "split" and preset == "mixed"
    path.write_bytes(cut_backbone(data, INPUT) if cut else data)


def batches(path: Path, inputs: np.ndarray) -> list[np.ndarray]:
    """Split network inputs into full batches of the size that a graph takes; drop the rest."""
    size = fixed_batch(path) or BATCH
    return np.split(inputs[: len(inputs) // size * size], len(inputs) // size)


def fixed_batch(path: Path) -> int:
    """Return the batch size that a graph is bound to, 0 if it takes any."""
    dim = onnx.load(str(path), load_external_data=False).graph.input[0].type.tensor_type.shape
    return dim.dim[0].dim_value


def session(model: Path | bytes, *, exact: bool = False) -> onnxruntime.InferenceSession:
    """Open a file, or a graph's bytes, on the CPU; idle threads sleep.

    ``exact``: without the optimisations that turn QDQ pairs into integer kernels, so that the
    rounding is what the file says on every CPU.
    """
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if _native.int8_sums_saturate():  # as doors do: edgeface/backends/onnx.py
        options.add_session_config_entry("session.x64quantprecision", "1")
    if exact:
        level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.graph_optimization_level = level
    data = model if isinstance(model, bytes) else str(model)
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def run(artefact: Artefact, folder: Path, inputs: np.ndarray) -> np.ndarray:
    """Run an artefact on network inputs (N, 3, S, S) float32.

    Returns
    -------
    float32 embeddings (N, dim), not normalised, or the feature map (N, C, H, W) of a split one.
    """
    path = folder / artefact.file
    return run_session(session(path), inputs, size=fixed_batch(path) or BATCH)


def run_session(
    opened: onnxruntime.InferenceSession, inputs: np.ndarray, *, size: int = BATCH
) -> np.ndarray:
    """Run a network of one input and one output, ``size`` rows at a time, with progress."""
    name, rows = opened.get_inputs()[0].name, []
    starts = tqdm(range(0, len(inputs), size), desc="onnx", delay=SHOW_AFTER_S)
    for start in starts:
        rows.append(opened.run(None, {name: inputs[start : start + size]})[0])
    return np.concatenate(rows)
