"""Add the liveness stage to a bundle: its network, its manifest entry, its self-test pair.

``python -m export liveness --bundle IN.efb --network FOLDER --out OUT.efb``. Every other model
stays as it is to the byte, and so does the model id: nobody is enrolled again.
"""

from __future__ import annotations

import argparse
import copy
import json
from pathlib import Path

import numpy as np

from edgeface.bundle import Bundle, write_bundle
from export import card
from export.errors import ExportError
from export.liveness_data import stacked
from export.liveness_golden import golden_pair
from export.liveness_quantise import FILE, network_inputs, opened, scored
from export.split import packed, unpacked

RECIPE = Path(__file__).parent / "recipes" / "liveness_stage.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``python -m export liveness``."""
    parser.add_argument("--bundle", type=Path, required=True, metavar="IN.efb")
    parser.add_argument(
        "--network", type=Path, required=True, help="folder of 'quantise liveness': INT8 and stage"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="OUT.efb")
    parser.add_argument(
        "--recipe", type=Path, default=RECIPE, help="version, sources, what was measured: JSON"
    )


def run(args: argparse.Namespace) -> int:
    """Write the bundle with its liveness stage, in place of one that it may have; the exit code."""
    source = Bundle.open(args.bundle, board=None)
    recipe = json.loads(args.recipe.read_text())
    files = {name: source.read(name) for name in source.manifest["members"]}
    manifest = copy.deepcopy(source.manifest)
    stage = json.loads((args.network / "stage.json").read_text())
    manifest["stages"]["liveness"] = stage
    files[FILE] = (args.network / "liveness_int8.onnx").read_bytes()
    vectors = {
        name: rows
        for name, rows in unpacked(files["selftest.npz"]).items()
        if not name.startswith("liveness_")
    }
    files["selftest.npz"] = packed({**vectors, **golden_vectors(stage, args.network)})
    say(manifest, recipe)
    del files["MODEL_CARD.md"]  # it lists the other files
    files["MODEL_CARD.md"] = card.render(manifest, files).encode()
    bundle = write_bundle(args.out, manifest, files)
    if bundle.model_id != source.model_id:
        raise ExportError(
            f"{args.out}: model {bundle.model_id}, expected {source.model_id} as in {args.bundle}: "
            "adding liveness must not change the embedder"
        )
    print(f"{args.out}: {args.out.stat().st_size:,} bytes, {bundle.version}, {bundle.model_id}")
    return 0


def say(manifest: dict, recipe: dict) -> None:
    """Put version, sources and measured figures of the liveness stage into a manifest."""
    manifest["version"] = recipe["version"]
    manifest["peak_memory_mb"] = recipe["peak_memory_mb"]
    manifest["accuracy"]["liveness"] = recipe["accuracy"]
    for kind in ("data", "teachers"):
        known = manifest["licences"][kind]
        manifest["licences"][kind] = known + [one for one in recipe[kind] if one not in known]


def golden_vectors(stage: dict, folder: Path) -> dict[str, np.ndarray]:
    """The self-test's pair, live first: inputs by view, and the logits (2, 1) they gave.

    Raises
    ------
    ExportError
        The network does not tell a drawn face from its print.
    """
    liveness = opened(stage, folder / "liveness_int8.onnx")
    pair = golden_pair(lambda frame: scored(liveness, [frame])[0], threshold=stage["threshold"])
    inputs = network_inputs(stacked([(frame, 1, 0) for frame in pair]))
    logits = np.concatenate([liveness.logits(_row(inputs, i)) for i in range(len(pair))])
    return {
        **{f"liveness_{name}": rows for name, rows in inputs.items()},
        "liveness_output": logits,
    }


def _row(inputs: dict[str, np.ndarray], index: int) -> dict[str, np.ndarray]:
    return {name: rows[index : index + 1] for name, rows in inputs.items()}
