"""What a benchmark ran on, and its rows in the columns of every performance table of edgeface."""

from __future__ import annotations

import csv
import platform
import sys
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeface import _native
from edgeface.backends.onnx import runtime_version
from edgeface.bundle import Bundle

_COLUMNS = (
    "date,commit,board,os,runtime,model,precision,threads,batch,warmup,runs,"
    "p50_ms,p95_ms,p99_ms,peak_mb,cosine_vs_fp32"
).split(",")


def circumstances(bundle: Bundle, *, threads: int) -> dict[str, Any]:
    """Return what the times depend on, as plain JSON values."""
    return {
        "bundle": f"{bundle.name} {bundle.version}",
        "model_id": bundle.model_id,
        "precision": bundle.stage("embedder")["precision"],
        "machine": platform.machine(),
        "isa": _native.active_isa(),
        "runtime": {"onnxruntime": runtime_version(), "numpy": np.__version__},
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
        "runtime": f"onnxruntime {setting['runtime']['onnxruntime']} + {setting['isa']}",
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


def _peak_bytes() -> int:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
