"""What the numbers were measured on."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from edgeface import _native

PACKAGES = (
    "numpy",
    "faiss-cpu",
    "usearch",
    "simsimd",
    "numkong",
    "torch",
    "onnxruntime",
)
BANDWIDTH_BYTES = 1 << 30


def installed(package: str) -> str | None:
    """A package's version, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def facts() -> dict[str, str]:
    """CPU, ISA, library versions, date and commit, as printed."""
    return {
        "date": datetime.date.today().isoformat(),
        "commit": _output("git", "describe", "--always", "--dirty", "--exclude=*"),
        "CPU": f"{_cpu()}, {os.cpu_count()} cores, {platform.machine()}",
        "edgeface": f"{_native.__version__}, ISA {_native.active_isa()}",
        "NumPy's BLAS": _blas(),
        **{name: installed(name) or "not installed" for name in PACKAGES},
    }


def _output(*command: str) -> str:
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return result.stdout.strip()


def _cpu() -> str:
    described = dict(line.split(":", 1) for line in _output("lscpu").splitlines() if ":" in line)
    return described.get("Model name", "unknown CPU").strip()


def _blas() -> str:
    """Which kernels NumPy's matrix products run, by threadpoolctl."""
    if installed("threadpoolctl") is None:
        return "unknown: threadpoolctl is not installed"
    from threadpoolctl import threadpool_info

    pools = [pool for pool in threadpool_info() if "numpy" in pool["filepath"]]
    return ", ".join(
        f"{pool['internal_api']} {pool['version']} {pool.get('architecture', '')}" for pool in pools
    )


def read_bandwidth(threads: int) -> float:
    """GB/s at which memory far larger than the caches is read: the best of ten times."""
    memory = np.ones(BANDWIDTH_BYTES, np.uint8)
    return memory.nbytes / min(_native.read_seconds(memory, threads) for _ in range(10)) / 1e9
