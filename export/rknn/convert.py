"""Build an .rknn file: quantised by the toolkit, checked layer by layer, measured on a sample.

Presets, for precision None: the split backbone in INT8 with ranges found here ("qdq"); the whole
network in INT8 with the toolkit's, or with the layers that it proposes in float16 ("hybrid") when
INT8 comes out below `MIN_COSINE`. Why: docs/decisions/0015.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import onnxruntime

from export.artefact import Artefact
from export.rknn import layers as table
from export.rknn.header import check_target, read_header
from export.rknn.qdq import write_qdq
from export.rknn.toolkit import run_job
from export.source import INPUT, OUTPUT, Source
from export.static_graph import STEMS, write_static
from export.to_onnx import FEATURE

PLATFORM = "rk3576"
PRECISIONS = (None, "int8", "hybrid", "float16", "qdq")
ALGORITHMS = ("normal", "mmse", "kl_divergence")
PRESET = {"split": "qdq", "whole": "int8"}
BEST_ALGORITHM = {"split": "kl_divergence", "whole": "normal"}  # where the toolkit finds ranges
SUFFIXES = {"float16": "_float16", "qdq": "_qdq"}  # of files that are no preset's
MIN_COSINE = 0.99  # mean, on the sample; below it a whole network becomes a hybrid
SAMPLE_FACES = 32
PROPOSAL_IMAGES = 4
MODEL, CALIBRATION, SAMPLE, BUILT = "model.onnx", "calibration.npy", "sample.npy", "built.rknn"
NEEDS = {"rknpu": "0.9.6", "librknnrt": "2.3.0"}


def convert(
    source: Source,
    *,
    variant: str,
    calibration: np.ndarray,
    folder: Path,
    seed: int = 0,
    precision: str | None = None,
    algorithm: str | None = None,
    environment: Path | None = None,
) -> Artefact:
    """Write ``backbone.rknn`` (split) or ``embedder.rknn`` (whole), its JSON and its layer table.

    ``<stem>.build`` beside it keeps what `export.rknn.simulate.run` builds again from, calibration
    faces included, and the toolkit's log. The file takes uint8 NHWC pixels: mean and std are
    inside. "float16", the reference, and "qdq", when asked for, are named ``<stem>_float16`` and
    ``<stem>_qdq``.

    Parameters
    ----------
    calibration : RGB uint8 crops (N, 112, 112, 3), 8 or more. A quarter of them, 32 at most,
        drawn by ``seed``, is kept out of the calibration to measure the result on.
    precision : "int8", "hybrid", "float16", "qdq" (int8 with ranges found here, at the 99.99th
        percentile, and not by the toolkit), or None for the variant's preset.
    algorithm : how ranges are chosen: "normal", "mmse" (minutes) or "kl_divergence"; None for the
        variant's preset.
    environment : folder of the toolkit's virtual environment; None for ``$RKNN_VENV``.

    Raises
    ------
    ValueError
        No such variant, precision or algorithm, or too few calibration crops.
    ExportError
        The toolkit is missing, refused or died; a layer landed on the CPU; the file is for
        another platform than asked.
    """
    _check_options(precision, algorithm, calibration)
    stem = STEMS[variant] + SUFFIXES.get(precision or "", "")
    build = folder / f"{stem}.build"
    _prepare(build, source, variant, calibration, seed)
    chosen = precision or PRESET[variant]
    if chosen == "qdq":
        _insert_ranges(build, source)
    job = {
        "onnx": MODEL,
        "rknn": BUILT,
        "platform": PLATFORM,
        "mean": list(source.preprocessing.mean),
        "std": list(source.preprocessing.std),
        "precision": chosen,
        "algorithm": algorithm or BEST_ALGORITHM[variant],
        "calibration": CALIBRATION,
        "proposal_images": PROPOSAL_IMAGES,
    }
    tried = [_attempt(build, job, environment)]
    if precision is None and variant == "whole" and tried[0]["cosine_mean"] < MIN_COSINE:
        job["precision"] = "hybrid"
        tried.append(_attempt(build, job, environment))
    artefact = _artefact(source, variant, f"{stem}.rknn", job, tried)
    shutil.move(build / BUILT, folder / artefact.file)
    shutil.move(build / "layers.csv", folder / f"{stem}.layers.csv")
    artefact.details.update(seed=seed, build=build.name, files=_digests(build))
    artefact.save(folder)
    return artefact


def pixels(inputs: np.ndarray, *, mean: list, std: list) -> np.ndarray:
    """Turn network inputs (N, 3, S, S) float32 back into the uint8 NHWC pixels they came from.

    Raises
    ------
    ValueError
        They are not whole numbers from 0 to 255: not made with this mean and std.
    """
    values = inputs.transpose(0, 2, 3, 1) * np.float32(std) + np.float32(mean)
    whole = np.rint(values)
    if np.abs(values - whole).max(initial=0) > 0.05 or (whole.clip(0, 255) != whole).any():
        raise ValueError(
            f"inputs span {values.min():.2f} to {values.max():.2f} in pixels with mean {mean}, std "
            f"{std}; expected whole numbers from 0 to 255: make them with this source's "
            "Preprocessing.apply"
        )
    return np.ascontiguousarray(whole.astype(np.uint8))


def _check_options(precision: str | None, algorithm: str | None, calibration: np.ndarray) -> None:
    if precision not in PRECISIONS:
        raise ValueError(f"precision {precision!r}, expected one of {PRECISIONS}")
    if algorithm not in (None, *ALGORITHMS):
        raise ValueError(f"algorithm {algorithm!r}, expected one of {', '.join(ALGORITHMS)}")
    if calibration.ndim != 4 or calibration.shape[3] != 3 or calibration.dtype != np.uint8:
        raise ValueError(
            f"calibration {calibration.dtype} {calibration.shape}, expected uint8 (N, 112, 112, 3)"
        )
    if len(calibration) < 8:
        raise ValueError(f"{len(calibration)} calibration crops, expected 8 or more, better 100")


def _prepare(build: Path, source: Source, variant: str, calibration: np.ndarray, seed: int) -> None:
    """Write the build folder: float graph, calibration and sample pixels, the float outputs."""
    shutil.rmtree(build, ignore_errors=True)
    build.mkdir(parents=True)
    write_static(source, build / MODEL, variant=variant)
    inputs = source.preprocessing.apply(calibration)
    mean, std = source.preprocessing.mean, source.preprocessing.std
    shuffled = np.random.default_rng(seed).permutation(len(calibration))
    held = min(SAMPLE_FACES, len(calibration) // 4)
    sample, rest = np.sort(shuffled[:held]), np.sort(shuffled[held:])
    np.save(build / SAMPLE, pixels(inputs[sample], mean=mean, std=std))
    np.save(build / CALIBRATION, pixels(inputs[rest], mean=mean, std=std))
    session = onnxruntime.InferenceSession(build / MODEL, providers=["CPUExecutionProvider"])
    outputs = [session.run(None, {INPUT: inputs[i : i + 1]})[0] for i in sample]
    np.save(build / "float.npy", np.concatenate(outputs))


def _insert_ranges(build: Path, source: Source) -> None:
    """Replace the float graph with its QDQ twin."""
    crops = np.load(build / CALIBRATION)
    mean, std = source.preprocessing.mean, source.preprocessing.std
    inputs = (crops.astype(np.float32) - np.float32(mean)) / np.float32(std)
    write_qdq(build / MODEL, build / "qdq.onnx", inputs=inputs.transpose(0, 3, 1, 2))
    (build / "qdq.onnx").replace(build / MODEL)


def _attempt(build: Path, job: dict, environment: Path | None) -> dict:
    """Build once; returns what came of it, after checking the layers and the file's header."""
    name = f"convert_{job['precision']}"
    sampled = {**job, "inputs": SAMPLE, "outputs": "simulated.npy"}
    result = run_job(sampled, folder=build, name=name, environment=environment)
    header = read_header((build / BUILT).read_bytes(), name=BUILT)
    check_target(header, target=job["platform"], name=BUILT)
    log = (build / f"{name}.log").read_text(errors="replace")
    layers = table.read_layers(log)
    table.refuse_cpu(layers)
    sums = table.summary(layers, log)
    table.write_csv(layers, build / "layers.csv")
    print(table.render(layers, sums))
    cosines = _cosines(np.load(build / "float.npy"), np.load(build / "simulated.npy"))
    return {
        "precision": job["precision"],
        "cosine_mean": float(cosines.mean()),
        "cosine_min": float(cosines.min()),
        "sample_faces": len(cosines),
        "layers": sums,
        **result,
    }


def _cosines(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    one, other = one.reshape(len(one), -1), other.reshape(len(other), -1)
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return (one * other).sum(1) / lengths


def _artefact(source: Source, variant: str, file: str, job: dict, tried: list[dict]) -> Artefact:
    return Artefact(
        target=PLATFORM,
        variant=variant,
        precision="int8" if job["precision"] == "qdq" else job["precision"],
        file=file,
        format="rknn",
        input=source.preprocessing.manifest(name=INPUT, layout="NHWC", dtype="uint8"),
        outputs=[FEATURE if variant == "split" else OUTPUT],
        boards=[PLATFORM],
        built_with={"rknn-toolkit2": tried[-1]["toolkit"]},
        details={"needs": NEEDS, "job": job, "tried": tried},
    )


def _digests(build: Path) -> dict[str, str]:
    """Return the SHA-256 of what `run` builds from; a hybrid's list of layers included."""
    stem = Path(MODEL).stem
    hybrid = [f"{stem}.model", f"{stem}.data", f"{stem}.quantization.cfg"]
    names = [name for name in (MODEL, CALIBRATION, *hybrid) if (build / name).exists()]
    return {name: hashlib.sha256((build / name).read_bytes()).hexdigest() for name in names}
