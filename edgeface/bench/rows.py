"""What a benchmark ran on, and its rows in the columns of every performance table of edgeface."""

from __future__ import annotations

import csv
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgeface import _native
from edgeface.artefact import Artefact
from edgeface.backends import onnx, tflite
from edgeface.bundle import Bundle

_COLUMNS = (
    "date,commit,board,os,runtime,model,precision,threads,batch,warmup,runs,"
    "p50_ms,p95_ms,p99_ms,peak_mb,cosine_vs_fp32"
).split(",")


def circumstances(bundle: Bundle, artefacts: Sequence[Artefact], *, threads: int) -> dict[str, Any]:
    """Return what the times of a bundle with these embedder files depend on, as plain JSON."""
    versions = {"onnxruntime": onnx.runtime_version(), "numpy": np.__version__}
    if any(artefact.runtime == "tflite" for artefact in artefacts):
        versions = {"tflite": tflite.runtime_version(), **versions}
    return {
        "bundle": f"{bundle.name} {bundle.version}",
        "model_id": bundle.model_id,
        "precision": "/".join(sorted({artefact.precision for artefact in artefacts})),
        "machine": platform.machine(),
        "isa": _native.active_isa(),
        "runtime": versions,
        "threads": threads,
    }


def print_csv(report: Mapping[str, Any], *, board: str | None, commit: str) -> None:
    """Print the report's rows in the columns that every performance table of edgeface has."""
    setting = report["setting"]
    common = {
        "date": time.strftime("%Y-%m-%d"),
        "commit": commit,
        "board": board or setting["machine"],
        "os": platform.system().lower(),
        "runtime": _runtimes(setting),
        "precision": setting["precision"],
        "threads": setting["threads"],
        "batch": report["batch"],
        "warmup": report["warmup"],
        "runs": report["runs"],
        "peak_mb": round(_peak_bytes() / 2**20, 1),
    }
    writer = csv.DictWriter(sys.stdout, _COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for name, row in report["rows"].items():
        writer.writerow({**common, "model": f"{setting['bundle']} {name}", **row})


def _runtimes(setting: Mapping[str, Any]) -> str:
    versions = setting["runtime"]
    named = [versions["tflite"]] if "tflite" in versions else []
    return " + ".join([*named, f"onnxruntime {versions['onnxruntime']}", setting["isa"]])


def _peak_bytes() -> int:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
