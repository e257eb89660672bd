"""``python -m export``: train, convert, verify and pack, on the training host."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from edgeface.errors import EdgeFaceError
from export.errors import ExportError

# Each module has add_arguments(parser) and run(args) -> exit code; only the named one is imported.
# A step of the build has add_options(parser) and make(work, args) instead.
COMMANDS = {
    "build": ("export.build.command", "checkpoint to verified bundle: all of the steps below"),
    "float": ("export.build.reference", "step: trained weights to float32 ONNX"),
    "calibrate": ("export.build.calibrate", "step: choose the photos that INT8 ranges come from"),
    "quantise": ("export.build.quantise", "step: INT8 ONNX, whole and split"),
    "convert": ("export.build.convert", "step: TFLite, RKNN for RK3576, kit for T527"),
    "verify": ("export.build.verify", "step: measure and judge every artefact against float"),
    "report": ("export.build.report", "step: one HTML page and JSON of what was measured"),
    "pack": ("export.build.pack", "step: what passed its gates into one .efb bundle"),
    "import": ("export.importers.command", "an embedder of others: EdgeFace, FaceNet, any ONNX"),
    "sensitivity": ("export.sensitivity", "which layers INT8 costs most"),
    "tflite-layers": ("export.tflite.layer_errors", "error of an int8 .tflite, layer by layer"),
    "latency": ("export.verify.latency", "time of each INT8 artefact over its float twin"),
    "emulate": ("export.verify.qemu", "the split head on emulated ARM cores"),
    "rknn-check": ("export.rknn.header", "what an .rknn file says of itself; refuse another SoC"),
    "nbg-check": ("export.nbg.header", "what an .nb file says of itself; refuse another chip"),
    "train embedder": ("export.distil_train", "distil DSA-Net from the teacher"),
    "train int8": ("export.int8_train", "teach a trained DSA-Net to survive INT8"),
    "train identity": ("export.identity", "train DSA-Net on photos of labelled people"),
    "ablation": ("export.ablation", "which part does what: train variants, write one table"),
    "label detector": ("export.detector_labels", "the teacher's median labels, to train on"),
    "train detector": ("export.detector_train", "train the detector on composed scenes"),
    "quantise detector": ("export.detector_quantise", "detector to float and INT8 ONNX"),
    "train liveness": ("export.liveness_train", "train liveness on simulated attacks"),
    "quantise liveness": ("export.liveness_quantise", "liveness to float and INT8 ONNX"),
    "liveness": ("export.liveness_stage", "add the liveness stage to a bundle"),
    "liveness-report": ("export.liveness_report", "APCER and BPCER per attack and camera"),
    "split": ("export.split", "add backbone and head to a bundle, beside the whole embedder"),
    "keygen": ("export.keygen", "make a key that signs bundles"),
    "sign": ("export.sign", "sign a bundle"),
    "verify-signature": ("export.verify_signature", "(or verify X.efb) sound, signed by that key?"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code: 0 done, 1 an error, 2 usage."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["verify"] and words[1:2] and words[1].endswith(".efb"):
        words[0] = "verify-signature"  # "verify door.efb" asks about the bundle, not about a build
    fitting = (n for n in COMMANDS if words[: len(n.split())] == n.split())
    name = max(fitting, key=len, default=None)  # "quantise detector" before "quantise"
    if name is None:
        listed = "\n".join(f"  {n:20} {text}" for n, (_, text) in COMMANDS.items())
        print(f"usage: python -m export COMMAND [--help]\n\ncommands:\n{listed}")
        return 0 if words in (["-h"], ["--help"]) else 2
    command = load(COMMANDS[name][0])
    parser = argparse.ArgumentParser(
        f"python -m export {name}",
        description=command.__doc__,
        conflict_handler="resolve",  # steps of the build that read the same option declare it alike
    )
    command.add_arguments(parser)
    try:
        return command.run(parser.parse_args(words[len(name.split()) :]))
    except (ExportError, EdgeFaceError, OSError) as error:
        print(f"export {name}: {error}", file=sys.stderr)
        return 1


def load(module_name: str):
    """Return what has add_arguments and run: the module, or a step of the build as a command."""
    module = importlib.import_module(module_name)
    if hasattr(module, "make"):
        return importlib.import_module("export.build.command").alone(module)
    return module


if __name__ == "__main__":
    sys.exit(main())
