"""The T527's conversion kit: all that ACUITY needs, in one zip, for the user to run.

ACUITY cannot be had without an account, so nothing here runs it. Its int8 is predicted instead by
the same kind of quantisation in ONNX Runtime (`export.nbg.simulate`).
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import onnxruntime

from edgeface.backends.nbg_file import CHIPS
from export.artefact import Artefact
from export.nbg.simulate import PRESET, write_simulation
from export.source import INPUT, OUTPUT, Source
from export.static_graph import STEMS, write_static
from export.to_onnx import FEATURE

HERE = Path(__file__).parent
KIT_FACES = 100
SIMULATED_FROM = {"whole": OUTPUT, "split": FEATURE}
NEEDS = {"viplite": "1.13"}
ZIP_TIME = (2026, 1, 1, 0, 0, 0)  # the same bytes every time
INPUT_META = """\
input_meta:
  databases:
  - path: dataset.txt
    type: TEXT
    ports:
    - lid: '@INPUT@'
      category: image
      dtype: float32
      sparse: false
      tensor_name:
      layout: nchw
      shape: [1, 3, {size}, {size}]
      fitting: scale
      preprocess:
        reverse_channel: false
        mean: [{mean}]
        scale: [{scale}]
        preproc_node_params:
          add_preproc_node: true
          preproc_type: IMAGE_RGB
          preproc_perm: [0, 1, 2, 3]
      redirect_to_output: false
"""


def convert(
    source: Source,
    *,
    variant: str,
    calibration: np.ndarray,
    folder: Path,
    seed: int = 0,
    percentile: float = PRESET.percentile,
) -> Artefact:
    """Write ``backbone_kit.zip`` (split) or ``embedder_kit.zip`` (whole), and its simulation.

    The split backbone is what a T527 should run: published attention networks did not survive
    int8 on it. The kit holds face crops as arrays: it is the user's own folder, and never goes
    into a bundle.

    Parameters
    ----------
    calibration : RGB uint8 crops (N, 112, 112, 3), 16 or more; the simulation's ranges come from
        all of them, the kit holds 100 at most, drawn by ``seed``.
    percentile : share of the values that the simulation's ranges hold, per cent; 100 is ACUITY's
        algorithm "normal".

    Raises
    ------
    ValueError
        This source has no such variant, or too few calibration crops.
    """
    if len(calibration) < 16:
        raise ValueError(f"{len(calibration)} calibration crops, expected 16 or more, better 100")
    folder.mkdir(parents=True, exist_ok=True)
    stem = STEMS[variant]
    members = kit_members(source, variant, calibration, seed, folder)
    write_zip(folder / f"{stem}_kit.zip", members, root=f"{stem}_kit")
    simulation = f"{stem}_simulation.onnx"
    quantisation = write_simulation(
        source, folder / simulation, variant=variant, calibration=calibration, percentile=percentile
    )
    artefact = Artefact(
        target="t527",
        variant=variant,
        precision="int8",
        file=f"{stem}_kit.zip",
        format="nbg",
        input=source.preprocessing.manifest(name=INPUT, layout="NHWC", dtype="uint8"),
        outputs=[SIMULATED_FROM[variant]],
        boards=["t527"],
        built_with={"onnxruntime": onnxruntime.__version__},
        details={
            "simulated": True,
            "simulation": simulation,
            "quantisation": quantisation,
            "chip": f"0x{CHIPS['t527']:08x}",
            "needs": NEEDS,
            "seed": seed,
        },
    )
    artefact.save(folder)
    return artefact


def kit_members(
    source: Source, variant: str, calibration: np.ndarray, seed: int, folder: Path
) -> dict[str, bytes]:
    """Return the kit's files by name."""
    static = folder / f"{STEMS[variant]}_static.onnx"
    write_static(source, static, variant=variant)
    drawn = np.random.default_rng(seed).permutation(len(calibration))[:KIT_FACES]
    inputs = source.preprocessing.apply(calibration[np.sort(drawn)])
    session = onnxruntime.InferenceSession(static, providers=["CPUExecutionProvider"])
    expected = session.run(None, {INPUT: inputs[:1]})[0]
    mean, std = np.float32(source.preprocessing.mean), np.float32(source.preprocessing.std)
    pixels = np.rint(inputs * std[:, None, None] + mean[:, None, None])
    values = {
        "@NAME@": source.name,
        "@VARIANT@": variant,
        "@FACES@": str(len(pixels)),
        "@INPUT_NAME@": INPUT,
        "@OUTPUT_NAME@": session.get_outputs()[0].name,
        "@OUTPUT_SHAPE@": str(expected.shape),
        "@SIZE@": str(source.preprocessing.size),
        "@RESULT@": STEMS[variant],
        "@COLOUR@": source.preprocessing.colour,
    }
    members = {
        "model.onnx": static.read_bytes(),
        "calibration.npy": npy(pixels.astype(np.float32)),
        "expected.npy": npy(expected),
        "inputmeta.yml": input_meta(source).encode(),
        "kit.py": (HERE / "container.py").read_bytes(),
        "convert.sh": filled(HERE / "convert.sh", values),
        "README.md": filled(HERE / "README.kit.md", values),
    }
    static.unlink()
    return members


def input_meta(source: Source) -> str:
    """Return ACUITY's description of the input: x = (pixel - mean) * scale, in this colour order.

    The input's name is left open as ``@INPUT@``, since ACUITY gives it a number when it imports.
    """
    own = source.preprocessing
    return INPUT_META.format(
        size=own.size,
        mean=", ".join(f"{value:.9g}" for value in own.mean),
        scale=", ".join(f"{1 / value:.9g}" for value in own.std),
    )


def filled(path: Path, values: dict[str, str]) -> bytes:
    """Return a template with its ``@NAMES@`` replaced."""
    text = path.read_text()
    for name, value in values.items():
        text = text.replace(name, value)
    return text.encode()


def npy(array: np.ndarray) -> bytes:
    """Return an array as the bytes of an .npy file."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def write_zip(path: Path, members: dict[str, bytes], *, root: str) -> None:
    """Write files below one folder into a zip; the same bytes every time."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(members):
            entry = zipfile.ZipInfo(f"{root}/{name}", ZIP_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o755 if name.endswith(".sh") else 0o644) << 16
            archive.writestr(entry, members[name])
