"""Training-host side of edgeface: train, distil, quantise, pack. Never part of the wheel."""

from __future__ import annotations

import os

# Its Linux wheels send telemetry since 1.29 unless this is set before onnxruntime is imported,
# and no module of this package comes before its package. Children inherit it.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
