"""A source to a TFLite artefact through litert-torch, static INT8 or float32, and running one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import onnxruntime
from tqdm import tqdm

from edgeface.backends.tflite import TfliteBackend
from export.artefact import Artefact
from export.errors import ExportError
from export.importers.onnx_graph import folded, set_shapes
from export.litert.environment import python, run_job
from export.litert.flatbuffer import beyond_2_14, operators
from export.source import INPUT, OUTPUT, Source

PRECISIONS = ("int8", "float32")
CONVERTER = "litert"
CHECKED = 8  # calibration crops on which the float file must be the float network
SAME = 0.9999
CHUNK = 32

KEEP_FLOAT = (
    "ADD", "BATCH_MATMUL", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D", "GELU", "MAXIMUM",
    "MEAN", "MUL", "RESHAPE", "RSQRT", "SLICE", "SOFTMAX", "SQUARED_DIFFERENCE", "SUB", "SUM",
    "TRANSPOSE", "after_gelu",
)  # fmt: skip
"""What stays float in a network with LayerNorm: all but linear layers that no GELU feeds."""


def convert(
    source: Source,
    *,
    variant: str,
    calibration: np.ndarray,
    folder: Path,
    seed: int = 0,
    precision: str = "int8",
    keep_float: Sequence[str] | None = None,
    environment: Path | None = None,
) -> Artefact:
    """Write ``<name>_whole_<precision>.litert.tflite`` and its ``.json`` into ``folder``.

    "int8" that keeps something in float is called "hybrid" in the name and in the artefact.

    The file takes the network's input as NHWC, normalised outside, and its embedding is not
    normalised. "int8" is static: ranges are the smallest and largest values seen in calibration,
    averaged over the crops; weights have a scale per channel.

    Parameters
    ----------
    source : any; "whole" only.
    calibration : RGB uint8 crops (N, 112, 112, 3), 32 or more.
    seed : not needed; nothing here is random.
    keep_float : TFLite operators that stay in float, and "after_gelu" for linear layers behind a
        GELU; None for `KEEP_FLOAT` where the network has LayerNorm (EdgeFace in INT8 throughout
        is useless: docs/decisions/0016), else nothing.
    environment : folder of litert-torch's environment; None for ``$LITERT_VENV``.

    Raises
    ------
    ValueError
        No such variant or precision.
    ExportError
        The environment is missing, the converter refused or died, the graph has operators that
        `export.litert_worker` lacks, or the float file is not the float network.
    """
    del seed
    if variant != "whole" or precision not in PRECISIONS:
        raise ValueError(f"{variant!r} in {precision!r}, expected 'whole' in one of {PRECISIONS}")
    python(environment)  # without one, say so before any work
    start = time.perf_counter()
    folder.mkdir(parents=True, exist_ok=True)
    model = fixed_batch(source)
    kept = list(_kept_float(model) if keep_float is None else keep_float)
    label = "hybrid" if precision == "int8" and kept else precision
    file = folder / f"{source.name}_whole_{label}.litert.tflite"
    with TemporaryDirectory(dir=folder, prefix="litert_") as made:
        work = Path(made)
        onnx.save(model, str(work / "network.onnx"))
        inputs = source.preprocessing.apply(calibration)
        log = file.with_name(f"{file.name}.log")
        tools = _build(work, inputs, kept, precision, log=log, at=environment)
        cosine = require_same(work / "float.tflite", source, inputs[:CHECKED])
        (work / f"{precision.removesuffix('32')}.tflite").replace(file)
    details = {
        "kept_float": kept if precision == "int8" else [],
        "calibration_crops": len(calibration) if precision == "int8" else 0,
        "float_file_to_float_network_cosine": cosine,
        "seconds": round(time.perf_counter() - start, 1),
    }
    artefact = _described(file, source, label, tools=tools, details=details)
    artefact.save(folder)
    return artefact


def _described(file: Path, source: Source, precision: str, *, tools: dict, details: dict):
    data = file.read_bytes()
    found = operators(data)
    return Artefact(
        target="tflite",
        variant="whole",
        precision=precision,
        file=file.name,
        format="tflite",
        input=source.preprocessing.manifest(name=INPUT, layout="NHWC"),
        outputs=[OUTPUT],
        built_with=tools,
        details={
            "converter": CONVERTER,
            "operators": found,
            "needs_newer_than_tflite_2_14": beyond_2_14(found),
            "bytes": len(data),
            **details,
        },
    )


def _build(work: Path, inputs: np.ndarray, kept: list, precision: str, *, log: Path, at) -> dict:
    job = {"onnx": "network.onnx", "float": "float.tflite"}
    if precision == "int8":
        np.save(work / "calibration.npy", inputs.transpose(0, 2, 3, 1))
        job.update(int8="int8.tflite", calibration="calibration.npy", keep_float=kept)
    try:
        return run_job(job, folder=work, environment=at)["tools"]
    except ExportError as error:
        if (work / "litert.log").exists():
            (work / "litert.log").replace(log)
        raise ExportError(str(error).replace(str(work / "litert.log"), str(log))) from error


def fixed_batch(source: Source) -> onnx.ModelProto:
    """Return the source's graph for one image, its shapes folded to constants."""
    model = onnx.load(str(source.onnx))
    side = source.preprocessing.size
    set_shapes(model, [1, 3, side, side])
    return folded(model, file=source.onnx)


def _kept_float(model: onnx.ModelProto) -> Sequence[str]:
    normed = any(node.op_type == "LayerNormalization" for node in model.graph.node)
    return KEEP_FLOAT if normed else ()


def require_same(file: Path, source: Source, inputs: np.ndarray) -> float:
    """Return the worst cosine between a float TFLite file and the float network.

    Raises
    ------
    ExportError
        It is below `SAME`.
    """
    session = onnxruntime.InferenceSession(str(source.onnx), providers=["CPUExecutionProvider"])
    wanted = session.run([OUTPUT], {INPUT: inputs})[0]
    found = _run(file.read_bytes(), inputs, input_name=INPUT, title="float check")
    lengths = np.linalg.norm(wanted, axis=1) * np.linalg.norm(found, axis=1)
    worst = float(((wanted * found).sum(1) / lengths).min())
    if not worst > SAME:
        raise ExportError(
            f"{source.name}: the float TFLite file is not the float network: cosine {worst:.5f}, "
            f"expected over {SAME}: a fault of the conversion, please report it with the model"
        )
    return worst


def run(artefact: Artefact, folder: Path, inputs: np.ndarray) -> np.ndarray:
    """Run an artefact on network inputs, through `edgeface.backends.tflite`.

    Parameters
    ----------
    artefact : made by `convert`, its file in ``folder``.
    inputs : (N, 3, S, S) float32, from `Preprocessing.apply` of the source.

    Returns
    -------
    (N, dim) float32 embeddings, not normalised.
    """
    data = (folder / artefact.file).read_bytes()
    return _run(data, inputs, input_name=artefact.input["name"], title=artefact.title)


def _run(data: bytes, inputs: np.ndarray, *, input_name: str, title: str) -> np.ndarray:
    images = np.ascontiguousarray(inputs.transpose(0, 2, 3, 1))
    starts = range(0, max(len(images), 1), CHUNK)
    with TfliteBackend(data, name=title) as backend:
        rows = [
            backend.run({input_name: images[i : i + CHUNK]})[OUTPUT]
            for i in tqdm(starts, desc=title, disable=len(images) < 16 * CHUNK, leave=False)
        ]
    return np.concatenate(rows)
