"""What a benchmark ran on, and its rows in the columns of every performance table of edgeface."""

from __future__ import annotations

import csv
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
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


def circumstances(bundle: Bundle, artefacts: Sequence[Artefact]) -> dict[str, Any]:
    """Return what the times of a bundle with these embedder files depend on, as plain JSON."""
    versions = {"onnxruntime": onnx.runtime_version(), "numpy": np.__version__}
    if any(artefact.runtime == "tflite" for artefact in artefacts):
        versions = {"tflite": tflite.runtime_version(), **versions}
    return {
        "edgeface": _native.__version__,
        "bundle": f"{bundle.name} {bundle.version}",
        "model_id": bundle.model_id,
        "precision": "/".join(sorted({artefact.precision for artefact in artefacts})),
        "machine": platform.machine(),
        "isa": _native.active_isa(),
        "runtime": versions,
    }


def comparison_records(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of a `compare` report, both files in one process."""
    common = {
        "precision": report["setting"]["precision"],
        "threads": report["setting"]["threads"],
        "runs": report["runs"],
        "batch": report["batch"],
        "warmup": report["warmup"],
        "peak_mb": peak_mb(),
    }
    return [{**common, "model": name, **row} for name, row in report["rows"].items()]


def report_records(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a row for every configuration that was measured, and each of its stages."""
    return [
        {
            "model": f"{one['runtime']} {one['variant']} {stage}",
            "place": one["place"],
            "warmup": report["method"]["warmup"],
            "batch": 1,
            **{key: one[key] for key in ("precision", "threads", "runs", "peak_mb")},
            **row,
        }
        for one in report["configurations"]
        if one["status"] == "measured"
        for stage, row in one["rows"].items()
    ]


def print_csv(
    records: Sequence[Mapping[str, Any]],
    setting: Mapping[str, Any],
    *,
    board: str,
    commit: str,
) -> None:
    """Print rows in the columns that every performance table of edgeface has."""
    common = {
        "date": time.strftime("%Y-%m-%d"),
        "commit": commit,
        "os": platform.system().lower(),
        "runtime": _runtimes(setting),
    }
    writer = csv.DictWriter(
        sys.stdout, _COLUMNS, restval="", lineterminator="\n", extrasaction="ignore"
    )
    writer.writeheader()
    for record in records:
        model = f"{setting['bundle']} {record['model']}"
        where = " ".join(filter(None, (board, record.get("place"))))  # a board has several clusters
        writer.writerow({**common, **record, "model": model, "board": where})


def _runtimes(setting: Mapping[str, Any]) -> str:
    versions = setting["runtime"]
    named = [versions["tflite"]] if "tflite" in versions else []
    return " + ".join([*named, f"onnxruntime {versions['onnxruntime']}", setting["isa"]])


def peak_mb() -> float:
    """Return the most memory this process ever had, in MB.

    VmHWM, not getrusage's ru_maxrss: a child inherits that from the parent it was forked from.
    """
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return round(int(line.split()[1]) * 1024 / 1e6, 1)
    raise OSError("/proc/self/status has no VmHWM; expected a Linux of this century")
