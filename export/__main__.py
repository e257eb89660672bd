"""``python -m export``: train, quantise, measure and pack, on the training host."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from edgeface.errors import EdgeFaceError
from export.errors import ExportError

# Each module has add_arguments(parser) and run(args) -> exit code; only the named one is imported.
COMMANDS = {
    "train embedder": ("export.distil_train", "distil DSA-Net from the teacher"),
    "train identity": ("export.identity", "train DSA-Net on photos of labelled people"),
    "train int8": ("export.int8_train", "teach a trained DSA-Net to survive INT8"),
    "ablation": ("export.ablation", "which part does what: train variants, write one table"),
    "label detector": ("export.detector_labels", "the teacher's median labels, to train on"),
    "train detector": ("export.detector_train", "train the detector on composed scenes"),
    "quantise detector": ("export.detector_quantise", "detector to float and INT8 ONNX"),
    "import": ("export.importers.command", "an embedder of others: EdgeFace, FaceNet, any ONNX"),
    "sensitivity": ("export.sensitivity", "which layers INT8 costs most"),
    "verify": ("export.verify.command", "measure and judge every artefact against float"),
    "latency": ("export.verify.latency", "time of each INT8 artefact over its float twin"),
    "emulate": ("export.verify.qemu", "the split head on emulated ARM cores"),
    "report": ("export.verify.report", "one HTML page of what verify measured"),
    "tflite-layers": ("export.tflite.layer_errors", "error of an int8 .tflite, layer by layer"),
    "split": ("export.split", "add backbone and head to a bundle, beside the whole embedder"),
    "pack": ("export.pack", "embedder to ONNX, thresholds, self-test, card: one .efb bundle"),
    "keygen": ("export.keygen", "make a key that signs bundles"),
    "sign": ("export.sign", "sign a bundle"),
    "verify-signature": (
        "export.verify_signature",
        "is a bundle sound, and signed by that key?",
    ),
    "rknn-check": (
        "export.rknn.header",
        "what an .rknn file says about itself; refuse another SoC",
    ),
    "nbg-check": ("export.nbg.header", "what an .nb file says about itself; refuse another chip"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    name = next((n for n in COMMANDS if words[: len(n.split())] == n.split()), None)
    if name is None:
        listed = "\n".join(f"  {n:20} {text}" for n, (_, text) in COMMANDS.items())
        print(f"usage: python -m export COMMAND [--help]\n\ncommands:\n{listed}")
        return 0 if words in (["-h"], ["--help"]) else 2
    module = importlib.import_module(COMMANDS[name][0])
    parser = argparse.ArgumentParser(f"python -m export {name}", description=module.__doc__)
    module.add_arguments(parser)
    try:
        return module.run(parser.parse_args(words[len(name.split()) :]))
    except (ExportError, EdgeFaceError) as error:
        print(f"export {name}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
