"""Take the .nb file that the user's ACUITY made, as an artefact to pack."""

from __future__ import annotations

import json
import math
from pathlib import Path

from export.artefact import Artefact
from export.dsanet import GRID
from export.errors import ExportError
from export.nbg.header import check_chip, read_header
from export.nbg.kit import NEEDS, SIMULATED_FROM
from export.source import INPUT, Source

META = "nbg_meta.json"
CHIP = "t527"


def accept(file: Path, source: Source, variant: str) -> Artefact:
    """Check an .nb file against the network that it should be, and describe it.

    ``nbg_meta.json``, which ACUITY writes with it, lies beside it: only that tells the input's and
    the output's type and size.

    Raises
    ------
    ExportError
        Not an .nb file, for another chip, without ``nbg_meta.json``, or with another input or
        output than the kit's.
    """
    header = read_header(file.read_bytes(), name=file.name)
    check_chip(header, chip=CHIP, name=file.name)
    tensors = _read_meta(file.with_name(META))
    if (header.inputs, header.outputs) != (len(tensors["Inputs"]), len(tensors["Outputs"])):
        raise ExportError(
            f"{file.name}: {header.inputs} inputs and {header.outputs} outputs, {META} lists "
            f"{len(tensors['Inputs'])} and {len(tensors['Outputs'])}: they are of two networks"
        )
    _check_tensor(file, "input", tensors["Inputs"], 3 * source.preprocessing.size**2)
    output = _check_tensor(file, "output", tensors["Outputs"], _output_size(source, variant))
    dtype = tensors["Inputs"][0].get("dtype")
    if dtype != "uint8":
        raise ExportError(
            f"{file.name}: takes {dtype}, expected uint8 pixels: export it with add_preproc_node "
            "true, as the kit's inputmeta.yml says"
        )
    return Artefact(
        target=CHIP,
        variant=variant,
        precision="int8",
        file=file.name,
        format="nbg",
        input=source.preprocessing.manifest(name=INPUT, layout="NHWC", dtype="uint8"),
        outputs=[SIMULATED_FROM[variant]],
        output_layout="NHWC" if output.get("format") == "nhwc" else "NCHW",
        boards=[CHIP],
        built_with={"ACUITY": "the user's", "nbg format": f"0x{header.version:08x}"},
        details={
            "chip": header.chip_text,
            "needs": NEEDS,
            "layers": header.layers,
            "operations": header.operations,
            "output_quantiser": output.get("quantizer"),
        },
    )


def _read_meta(path: Path) -> dict[str, list[dict]]:
    try:
        fields = json.loads(path.read_text())
        return {end: list(fields[end].values()) for end in ("Inputs", "Outputs")}
    except FileNotFoundError as error:
        raise ExportError(
            f"{path} is missing: ACUITY writes it beside network_binary.nb; keep both together"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ExportError(
            f"{path}: not what ACUITY writes ({type(error).__name__}: {error}), expected an object "
            "with Inputs and Outputs; copy it again"
        ) from error


def _output_size(source: Source, variant: str) -> int:
    if variant == "whole":
        return source.dim
    return source.net.config.feature_channels[-1] * GRID * GRID


def _check_tensor(file: Path, end: str, tensors: list[dict], size: int) -> dict:
    shapes = [tensor.get("shape") for tensor in tensors]
    if len(shapes) != 1 or not isinstance(shapes[0], list) or math.prod(shapes[0]) != size:
        raise ExportError(
            f"{file.name}: {end} of {shapes}, expected one of {size} numbers: it is another "
            "network, or another variant of it"
        )
    return tensors[0]
