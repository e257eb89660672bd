"""``edgeface info``: versions, bundle, thresholds, licences, this CPU."""

from __future__ import annotations

import argparse
import platform
from dataclasses import asdict
from typing import Any

import cv2
import numpy as np

import edgeface
from edgeface import _native
from edgeface.artefact import choose
from edgeface.backends import onnx, tflite
from edgeface.board import Board
from edgeface.bundle import Bundle
from edgeface.cli_output import print_json, signature_text
from edgeface.configured import open_bundle, settings, settings_path
from edgeface.errors import BundleIncompatibleError

_EPILOG = """\
examples:
  edgeface info
  edgeface info --bundle door.efb --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.epilog = _EPILOG


def run(args: argparse.Namespace) -> int:
    """Print what is installed and return 0."""
    bundle = open_bundle(args.bundle, public_key=args.public_key, board=None)
    board = Board.detect()
    report: dict[str, Any] = {
        "version": edgeface.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "runtime": {
            "numpy": np.__version__,
            "opencv": cv2.__version__,
            "onnxruntime": onnx.runtime_version(),
            "tflite": tflite.runtime_version(),
        },
        "native": {"isa": _native.active_isa(), "supported": list(_native.supported_isas())},
        "board": asdict(board),
        "embedder": _choice(args, bundle, board),
        "bundle": bundle.describe(),
    }
    if args.json:
        print_json(report)
    else:
        _print_text(report)
    return 0


def _choice(args: argparse.Namespace, bundle: Bundle, board: Board) -> dict[str, Any]:
    """Say which file of the embedder a command with these options runs here, and why."""
    configured = settings()
    wanted = configured.overridden(runtime=args.runtime, variant=args.variant, threads=args.threads)
    try:
        choice = choose(bundle, board, variant=wanted.variant, runtime=wanted.runtime)
    except BundleIncompatibleError as error:
        return {"runs": None, "because": str(error), "passed_over": {}}
    from_settings = args.runtime is None and configured.runtime is not None
    return {
        "runs": choice.artefact.title,
        "because": f"set in {settings_path()}" if from_settings else choice.because,
        "passed_over": dict(choice.passed_over),
        "threads": wanted.threads or 1,
        "cpus": wanted.cpus,
    }


def _print_text(report: dict[str, Any]) -> None:
    bundle = report["bundle"]
    runtime = ", ".join(
        f"{name} {version or 'missing'}" for name, version in report["runtime"].items()
    )
    native = report["native"]
    print(f"edgeface {report['version']} on Python {report['python']} ({report['machine']})")
    print(f"  runtime    {runtime}")
    print(f"  native     {native['isa']} (this CPU runs {', '.join(native['supported'])})")
    _print_board(report["board"])
    _print_choice(report["embedder"])
    print(f"  bundle     {bundle['name']} {bundle['version']}, {bundle['bytes'] / 1e6:.2f} MB")
    print(f"             {bundle['path']}")
    print(f"  signature  {signature_text(bundle['signature'])}")
    print(f"  model id   {bundle['model_id']} (templates belong to it)")
    for name, stage in bundle["stages"].items():
        print(f"  {name:<10} {stage['precision']} {stage['format']}, {stage['bytes'] / 1e6:.2f} MB")
        _print_variants(stage)
        _print_artefacts(stage)
        _print_live_threshold(stage)
    _print_thresholds(bundle["thresholds"])
    print(f"  licences   weights {bundle['licences']['weights']}")
    for kind in ("data", "teachers"):
        for entry in bundle["licences"][kind]:
            print(f"             {kind}: {entry['name']} ({entry['licence']}): {entry['use']}")


def _print_board(board: dict[str, Any]) -> None:
    npu = board["npu"]
    model = f" ({board['model']})" if board["model"] else ""
    print(f"  board      {board['name']}{model}, {board['memory_bytes'] / 2**30:.1f} GiB")
    for cluster in board["clusters"]:
        clock = f", {cluster['max_khz'] / 1000:.0f} MHz" if cluster["max_khz"] else ""
        governor = f", {cluster['governor']}" if cluster["governor"] else ""
        print(f"             {len(cluster['cpus'])} x {cluster['name']}{clock}{governor}")
    if npu:
        print(f"             NPU {npu['kind']} {npu['driver'] or ''} at {npu['node']}")


def _print_choice(choice: dict[str, Any]) -> None:
    print(f"  runs       {choice['runs'] or 'nothing'}: {choice['because']}")
    for name, reason in choice["passed_over"].items():
        print(f"             not {name}: {reason}")


def _print_variants(stage: dict[str, Any]) -> None:
    if "split" not in stage:
        return
    split, head = stage["split"], stage["split"]["head"]
    default = stage.get("default_variant", "whole")
    print(f"             variants: whole and split (default: {default}); split is the backbone,")
    print(
        f"             {split['precision']} {split['format']}, {split['bytes'] / 1e6:.2f} MB, and "
        f"a native {head['precision']} head, {head['bytes'] / 1e6:.2f} MB"
    )


def _print_artefacts(stage: dict[str, Any]) -> None:
    for entry in stage.get("artefacts", ()):
        print(
            f"             {entry['format']} {entry['variant']}: {entry['precision']}, "
            f"{entry['bytes'] / 1e6:.2f} MB, for {', '.join(entry['boards'])}"
        )


def _print_live_threshold(stage: dict[str, Any]) -> None:
    if "threshold" in stage:
        print(
            f"             live at {stage['threshold']:.3f} or above, which refuses "
            f"{stage['bpcer']:.0%} of live faces ({stage['source']});"
        )
        print("             one frame's score is weak evidence: see the model card")


def _print_thresholds(thresholds: dict[str, Any]) -> None:
    for row in thresholds["by_far"]:
        default = "  (default)" if row["far"] == thresholds["default_far"] else ""
        print(f"  threshold  cosine {row['cosine']:.3f} at --far {row['far']:g}{default}")
    print(f"             margin {thresholds['margin']:g}; from {thresholds['source']}")
