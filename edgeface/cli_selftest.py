"""``edgeface selftest``: check models and native code on this machine."""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from typing import Any

import numpy as np

from edgeface import _native, _reference
from edgeface.cli_open import open_pipeline
from edgeface.cli_output import print_json, signature_text
from edgeface.configured import open_bundle
from edgeface.selftest import SelfTest

_EPILOG = """\
Runs the bundle's own test vectors through its models and compares the native search with its
NumPy twin. Opening a Pipeline always runs the first part.

exit codes: 0 everything agrees, 1 it does not
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.epilog = _EPILOG


def run(args: argparse.Namespace) -> int:
    """Run the checks, print what was measured, and return 0 or 1."""
    start = time.perf_counter()
    bundle = open_bundle(args.bundle, public_key=args.public_key)
    liveness = "liveness" in bundle.manifest["stages"]
    with open_pipeline(args, bundle=bundle, liveness=liveness) as pipeline:
        report: dict[str, Any] = {
            "bundle": f"{pipeline.bundle.name} {pipeline.bundle.version}",
            "model_id": pipeline.bundle.model_id,
            "signature": signature_text(pipeline.bundle.describe()["signature"]),
            "variant": pipeline.variant,
            "runtime": pipeline.runtime,
            "open_ms": round((time.perf_counter() - start) * 1000, 1),
            **_measured(pipeline.selftest),
        }
    report.update(isa=_native.active_isa(), native_search_agrees=_native_agrees())
    report["ok"] = report["native_search_agrees"]
    if args.json:
        print_json(report)
    else:
        for key, value in report.items():
            print(f"  {key.replace('_', ' ')}: {value}")
        print("self-test passed" if report["ok"] else "self-test FAILED: reinstall edgeface")
    return 0 if report["ok"] else 1


def _measured(selftest: SelfTest) -> dict[str, float]:
    """What the self-test measured; nothing of stages that the bundle does not have."""
    found = asdict(selftest).items()
    return {key: round(value, 5) for key, value in found if value is not None}


def _native_agrees() -> bool:
    generator = np.random.default_rng(0)
    rows = generator.standard_normal((97, 512), np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    probe = rows[13].copy()
    found, found_scores = _native.cosine_topk(rows, probe, 5)
    expected, expected_scores = _reference.cosine_topk(rows, probe, 5)
    close = np.allclose(found_scores, expected_scores, atol=1e-5)
    return bool(close and (found == expected).all())
