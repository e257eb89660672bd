"""An ONNX graph of fixed shapes as a PyTorch module, which is what litert-torch takes.

Covers the operators that face embedders use; another is refused by name. (onnx2torch 1.5.15 was
tried: LayerNormalization and Clip as this project's files have them fail, and torch.export
does not go through its Reshape.)
"""

from __future__ import annotations

import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn

from export.litert_worker.operators import OPERATORS
from export.litert_worker.patterns import rewritten


class UnsupportedError(Exception):
    """The graph has something that no PyTorch operator here stands for."""


class OnnxModule(nn.Module):
    """The graph of an ONNX model: one tensor in, one out; every shape is a constant.

    Raises
    ------
    UnsupportedError
        An operator that `OPERATORS` lacks; the text names all of them.
    """

    def __init__(self, model: onnx.ModelProto):
        super().__init__()
        graph = model.graph
        self.constants: dict[str, object] = {}
        for tensor in graph.initializer:
            self._add_constant(tensor.name, numpy_helper.to_array(tensor))
        plain = []
        for node in graph.node:
            if node.op_type == "Constant":
                value = helper.get_attribute_value(node.attribute[0])
                self._add_constant(node.output[0], numpy_helper.to_array(value))
            else:
                plain.append(node)
        self.steps = rewritten(plain, self.constants)
        missing = sorted({step.kind for step in self.steps} - set(OPERATORS))
        if missing:
            raise UnsupportedError(f"operators without a PyTorch twin here: {', '.join(missing)}")
        self.input, self.output = graph.input[0].name, graph.output[0].name

    def _add_constant(self, name: str, array) -> None:
        """Weights become buffers; single numbers, shapes and axes stay Python values."""
        if array.dtype.kind == "f" and array.ndim:
            self.register_buffer(f"w{len(self.constants)}", torch.from_numpy(array.copy()))
            self.constants[name] = f"w{len(self.constants)}"
        else:
            self.constants[name] = array.tolist()

    def _value(self, name: str, values: dict):
        if not name:
            return None
        if name in values:
            return values[name]
        constant = self.constants[name]
        return getattr(self, constant) if isinstance(constant, str) else constant

    def forward(self, image: Tensor) -> Tensor:
        values = {self.input: image}
        for step in self.steps:
            arguments = [self._value(name, values) for name in step.inputs]
            made = OPERATORS[step.kind](*arguments, **step.attributes)
            values.update(zip(step.outputs, made if isinstance(made, (tuple, list)) else (made,)))
        return values[self.output]
