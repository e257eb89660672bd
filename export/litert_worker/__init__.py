"""Runs inside litert-torch's own environment (``make litert-env``): ONNX to TFLite, quantised.

Imports nothing else of ``export``; `export.litert` starts it with a job and reads what it wrote.
"""
