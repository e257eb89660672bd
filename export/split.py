"""Add the split embedder to a bundle: the backbone as a file of its own, the head as plain weights.

``python -m export split --bundle IN.efb --checkpoint dsanet_s.pt --out OUT.efb``. The backbone is
cut out of the bundle's own network, bit for bit, so that ranges, thresholds and templates stay
valid. The head's weights come from the checkpoint, and not through the network's INT8 ranges.
"""

from __future__ import annotations

import argparse
import copy
import io
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx.utils import Extractor
from torch import nn

from edgeface.bundle import Bundle, write_bundle
from export import card
from export.checkpoint import load_checkpoint
from export.dsanet import GRID, DsaNet, Head

BACKBONE_FILE, HEAD_FILE = "backbone.onnx", "head.npz"
FEATURE = "feature"
POOLING = "attention"  # the one that the runtime's head has
FLOAT_LAYERS = ("gate", "pool.scores")
SPLIT_OUTPUT = "embedder_split_output"
MIN_COSINE = 0.97  # of both variants on the self-test's pictures, which are no faces


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``export split``."""
    parser.add_argument("--bundle", type=Path, required=True, metavar="IN.efb")
    parser.add_argument(
        "--checkpoint", type=Path, required=True, help="of the bundle's embedder (train embedder)"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="OUT.efb")
    parser.add_argument("--head-precision", choices=("int8", "float32"), default="int8")
    parser.add_argument("--measured", type=Path, help="JSON object for the manifest and the card")


def run(args: argparse.Namespace) -> int:
    """Write the bundle with both variants; returns the exit code."""
    source = Bundle.open(args.bundle)
    files = {name: source.read(name) for name in source.manifest["members"]}
    manifest = copy.deepcopy(source.manifest)
    measured = json.loads(args.measured.read_text()) if args.measured else {}
    manifest["accuracy"].update(measured.get("accuracy", {}))
    net, stage = load_checkpoint(args.checkpoint), manifest["stages"]["embedder"]
    files[BACKBONE_FILE] = cut_backbone(files[stage["file"]], stage["input"]["name"])
    files[HEAD_FILE] = packed(head_weights(net, args.head_precision))
    add_split(stage, files, net, args.head_precision)
    del files["MODEL_CARD.md"]  # it lists the other files
    files["MODEL_CARD.md"] = card.render(manifest, files).encode()
    bundle = write_bundle(args.out, manifest, files)
    if bundle.model_id != source.model_id:
        raise ValueError(
            f"{args.out}: model {bundle.model_id}, expected {source.model_id} as in {args.bundle}: "
            "adding the split variant must not change the model"
        )
    print(f"{args.out}: {args.out.stat().st_size} bytes, model {bundle.model_id}")
    return 0


def add_split(stage: dict, files: dict, net: DsaNet, precision: str) -> None:
    """Say in the embedder's manifest entry that backbone and head are there, and what they give.

    Parameters
    ----------
    stage : the manifest's "embedder"; gets the field "split".
    files : the members by name, `BACKBONE_FILE` and `HEAD_FILE` among them; the self-test gets the
        split variant's vectors.
    net : the embedder that ``files`` holds as ONNX.
    precision : "int8" or "float32", of the head's matrices.

    Raises
    ------
    ValueError
        The head is not the head of that network.
    """
    files["selftest.npz"] = with_expected(stage, files, net)
    stage["split"] = {
        "file": BACKBONE_FILE,
        "format": stage["format"],
        "precision": stage["precision"],
        "outputs": [FEATURE],
        "head": {
            "file": HEAD_FILE,
            "precision": precision,
            "heads": net.config.heads,
            "channels": net.config.feature_channels[-1],
            "tokens": GRID * GRID,
        },
    }


def cut_backbone(whole: bytes, image: str) -> bytes:
    """Return the part of an exported network from ``image`` up to the last feature map."""
    model = onnx.shape_inference.infer_shapes(onnx.load_model_from_string(whole))
    seam = feature_tensor(model.graph)
    backbone = Extractor(model).extract_model([image], [seam])
    del backbone.graph.value_info[:]
    for node in backbone.graph.node:
        node.output[:] = [FEATURE if name == seam else name for name in node.output]
    backbone.graph.output[0].name = FEATURE
    onnx.checker.check_model(backbone, full_check=True)
    return backbone.SerializeToString(deterministic=True)


def feature_tensor(graph: onnx.GraphProto) -> str:
    """Return the name of the one tensor that goes from the backbone's nodes to the head's.

    Raises
    ------
    ValueError
        There is none, or more than one.
    """
    made = {
        name for node in graph.node if node.name.startswith("/backbone/") for name in node.output
    }
    used = {name for node in graph.node if node.name.startswith("/head/") for name in node.input}
    if len(made & used) != 1:
        raise ValueError(
            f"tensors from /backbone/ to /head/: found {sorted(made & used)}, expected one; "
            "export the network with export.to_onnx"
        )
    return (made & used).pop()


def head_weights(net: DsaNet, precision: str) -> dict[str, np.ndarray]:
    """Return the head's weights by their PyTorch names.

    For "int8" the large matrices are int8 with a scale per row in ``<name>.scale`` (float32):
    weight = int8 * scale. All others stay float32, the pooling's scores too: softmax follows them.
    """
    if net.config.pooling != POOLING:
        raise ValueError(
            f"head with pooling {net.config.pooling!r}, expected {POOLING!r}, which is what the "
            "runtime's head has: pack this network whole"
        )
    weights = {name: value.numpy() for name, value in net.head.state_dict().items()}
    if precision == "float32":
        return weights
    for module, layer in net.head.named_modules():
        if isinstance(layer, nn.Linear) and module not in FLOAT_LAYERS:
            name = f"{module}.weight"
            weights[name], weights[f"{name}.scale"] = rows_as_int8(weights[name])
    return weights


def rows_as_int8(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return int8 rows in -127…127 and the float32 scale of each: matrix ≈ rows * scale."""
    scale = np.maximum(np.abs(matrix).max(axis=1), np.finfo(np.float32).tiny) / np.float32(127)
    return np.rint(matrix / scale[:, None]).astype(np.int8), scale.astype(np.float32)


def packed(arrays: dict[str, np.ndarray]) -> bytes:
    """Return the arrays as the bytes of an .npz file; the same every time."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def unpacked(archive: bytes) -> dict[str, np.ndarray]:
    """Return the arrays of an .npz file."""
    with np.load(io.BytesIO(archive), allow_pickle=False) as arrays:
        return dict(arrays)


def head_precision(head_file: bytes) -> str:
    """Return the precision of a ``head.npz``: "int8" if any matrix has a scale per row."""
    names = unpacked(head_file)
    return "int8" if any(name.endswith(".scale") for name in names) else "float32"


def restored(head_file: bytes, net: DsaNet) -> Head:
    """Return the PyTorch head with the weights of a ``head.npz``, in float."""
    weights = {
        name: torch.from_numpy(values.astype(np.float32))
        for name, values in unpacked(head_file).items()
    }
    for name in [name for name in weights if name.endswith(".scale")]:
        weights[name[: -len(".scale")]] *= weights.pop(name)[:, None]
    head = Head(net.config).eval()
    head.load_state_dict(weights)
    return head


def with_expected(stage: dict, files: dict, net: DsaNet) -> bytes:
    """Return selftest.npz with what backbone and head give for its inputs, computed in PyTorch.

    Raises
    ------
    ValueError
        Those embeddings are not nearly the whole network's.
    """
    vectors = unpacked(files["selftest.npz"])
    session = onnxruntime.InferenceSession(files[BACKBONE_FILE], providers=["CPUExecutionProvider"])
    inputs = {stage["input"]["name"]: vectors["embedder_input"]}
    found = head_output(files[HEAD_FILE], net, session.run([FEATURE], inputs)[0])
    rows = [values / np.linalg.norm(values, axis=1, keepdims=True)
            for values in (found, vectors["embedder_output"])]  # fmt: skip
    cosine = float((rows[0] * rows[1]).sum(1).min())
    if not cosine >= MIN_COSINE:
        raise ValueError(
            f"split embedder: cosine {cosine:.3f} to the whole one's self-test vectors, expected "
            f"at least {MIN_COSINE}: is this the checkpoint that the bundle was packed from?"
        )
    return packed({**vectors, SPLIT_OUTPUT: found})


def head_output(head_file: bytes, net: DsaNet, feature: np.ndarray) -> np.ndarray:
    """Return what a ``head.npz`` makes of feature maps (N, C, 7, 7), by PyTorch and in float."""
    with torch.no_grad():
        return restored(head_file, net)(torch.from_numpy(feature)).numpy()
