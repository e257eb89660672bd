"""DSA-Net as TFLite files: full-integer int8, or float32 to compare with.

The network is written directly, through LiteRT's published schema, without a converter: seconds
instead of minutes, no operator that old runtimes lack, and every scale is ours to choose. The files
load in ai-edge-litert and in tflite-runtime from 2.9 on.
"""

from export.tflite.convert import convert, run

__all__ = ["convert", "run"]
