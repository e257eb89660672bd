"""``python -m export.litert_worker JOB.json``: one conversion; paths in a job are in its folder.

A job has ``onnx`` (fixed shapes, batch 1, NCHW), ``float`` (the TFLite file to write, NHWC), and
for INT8 ``int8`` (to write), ``calibration`` (.npy, (N, H, W, 3) float32 network inputs) and
``keep_float`` (TFLite operators that stay in float; "after_gelu": linear layers behind a GELU).
``result.json`` says with which versions.
"""

from __future__ import annotations

import json
import os
import sys
from importlib.metadata import version
from pathlib import Path

import flatbuffers
import litert_torch
import numpy as np
import onnx
import torch
from ai_edge_litert import schema_py_generated as schema
from ai_edge_quantizer import quantizer, recipe_manager
from ai_edge_quantizer.qtyping import TFLOperationName

from export.litert_worker.onnx_torch import OnnxModule

SIGNATURE, INPUT, OUTPUT = "serving_default", "image", "embedding"
WITH_BIAS = (
    schema.BuiltinOperator.FULLY_CONNECTED,
    schema.BuiltinOperator.CONV_2D,
    schema.BuiltinOperator.DEPTHWISE_CONV_2D,
)
AFTER_GELU = "after_gelu"
TOOLS = ("litert-torch", "ai-edge-quantizer", "ai-edge-litert", "torch", "onnx")


class ChannelsLast(torch.nn.Module):
    """The network fed with (1, H, W, 3), as TFLite's convolutions want it."""

    def __init__(self, network: torch.nn.Module):
        super().__init__()
        self.network = network

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.network(image.permute(0, 3, 1, 2))


def convert(source: Path, target: Path) -> None:
    """Write a float32 TFLite file of an ONNX file."""
    network = ChannelsLast(OnnxModule(onnx.load(str(source)))).eval()
    shape = [d.dim_value for d in onnx.load(str(source)).graph.input[0].type.tensor_type.shape.dim]
    image = torch.zeros(shape[0], shape[2], shape[3], shape[1])
    litert_torch.convert(network, (image,)).export(str(target))
    tidy(target)


def mark_after_gelu(model, graph) -> None:
    """Name the output of each linear layer behind a GELU, for the recipe to leave it in float.

    What goes in has outliers of 28 standard deviations in EdgeFace: most of its INT8 error.
    """
    made = {int(out): op for op in graph.operators for out in op.outputs}
    kinds = [code.builtinCode for code in model.operatorCodes]
    for i, operator in enumerate(graph.operators):
        if kinds[operator.opcodeIndex] != schema.BuiltinOperator.FULLY_CONNECTED:
            continue
        before = made.get(int(operator.inputs[0]))
        while before is not None and kinds[before.opcodeIndex] == schema.BuiltinOperator.RESHAPE:
            before = made.get(int(before.inputs[0]))
        if before is not None and kinds[before.opcodeIndex] == schema.BuiltinOperator.GELU:
            graph.tensors[operator.outputs[0]].name = f"{AFTER_GELU}_{i}".encode()


def tidy(file: Path) -> None:
    """Name input and output as the ONNX file does, and make every bias one-dimensional.

    The converter folds a scale behind a linear layer into it and leaves its bias as (1, 1, C); the
    quantiser then gives it C scales for an axis of length 1, which runtimes refuse. This is done
    before quantising: a quantised file has its weights behind the tables, where `Pack` loses them.
    """
    model = schema.ModelT.InitFromPackedBuf(file.read_bytes(), 0)
    graph = model.subgraphs[0]
    ends = {int(graph.inputs[0]): INPUT, int(graph.outputs[0]): OUTPUT}
    for index, name in ends.items():
        graph.tensors[index].name = name
    for signature in model.signatureDefs:
        for entry in (*signature.inputs, *signature.outputs):
            entry.name = ends[entry.tensorIndex]
    for operator in graph.operators:
        if model.operatorCodes[operator.opcodeIndex].builtinCode in WITH_BIAS:
            for index in list(operator.inputs)[2:3]:
                tensor = graph.tensors[index]
                tensor.shape = [int(np.prod(tensor.shape))]
    mark_after_gelu(model, graph)
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    file.write_bytes(bytes(builder.Output()))


def quantise(source: Path, target: Path, *, calibration: np.ndarray, keep_float: list) -> None:
    """Write the static INT8 twin of a float TFLite file: per-channel weights, INT8 activations.

    Never dynamic ranges: tflite-runtime 2.14 loads such files and computes something else.
    """
    recipe = recipe_manager.RecipeManager()
    recipe.add_static_config(
        regex=".*",
        operation_name=TFLOperationName.ALL_SUPPORTED,
        activation_num_bits=8,
        weight_num_bits=8,
    )
    for name in set(keep_float) - {AFTER_GELU}:
        recipe.add_quantization_config(
            regex=".*", operation_name=TFLOperationName[name], algorithm_key="no_quantize"
        )
    if AFTER_GELU in keep_float:
        recipe.add_quantization_config(
            regex=AFTER_GELU,
            operation_name=TFLOperationName.FULLY_CONNECTED,
            algorithm_key="no_quantize",
        )
    made = quantizer.Quantizer(str(source), recipe.get_quantization_recipe())
    images = [{INPUT: image[None]} for image in calibration]
    measured = made.calibrate({SIGNATURE: images}, num_threads=1)
    made.quantize(measured).export_model(str(target), overwrite=True)


def main(job: Path) -> None:
    """Do what a job says."""
    torch.set_num_threads(1)
    asked = json.loads(job.read_text())
    os.chdir(job.parent)
    convert(Path(asked["onnx"]), Path(asked["float"]))
    if "int8" in asked:
        crops = np.load(asked["calibration"], mmap_mode="r", allow_pickle=False)
        quantise(
            Path(asked["float"]),
            Path(asked["int8"]),
            calibration=crops,
            keep_float=asked["keep_float"],
        )
    tools = {name: version(name) for name in TOOLS}
    Path("result.json").write_text(json.dumps({"tools": tools}))


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
