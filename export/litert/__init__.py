"""TFLite of any embedder through Google's converter; of our own networks as a cross-check.

litert-torch and ai-edge-quantizer live in an environment of their own (``make litert-env``, 2.1 GB)
and run as a subprocess, `export.litert_worker`. DSA-Net has a direct writer, `export.tflite`.
"""

from export.litert.convert import convert, run

__all__ = ["convert", "run"]
