"""A TFLite network as plain data, before it has a precision: tensors, operators, their order.

`Graph` is built in float. The same graph is written as float32 or, with a `Quantisation` for each
tensor, as int8 (`export.tflite.flatbuffer`). Activations are NHWC or (1, tokens, channels), and the
batch is one: runtimes run image after image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Tensor:
    """An activation (``data`` is None) or a constant: float32, or int32 for axes and shapes."""

    name: str
    shape: tuple[int, ...]
    data: np.ndarray | None = None

    @property
    def is_index(self) -> bool:
        """Whether it is a constant of integers, which no precision changes."""
        return self.data is not None and self.data.dtype == np.int32


@dataclass(frozen=True)
class Op:
    """One operator: a name of the schema's ``BuiltinOperator``, and fields of its options."""

    kind: str
    inputs: tuple[str, ...]
    output: str
    options: dict = field(default_factory=dict)


@dataclass
class Graph:
    """Operators in the order of execution.

    Methods add one thing each and return the name of the tensor that it gives.
    """

    tensors: dict[str, Tensor] = field(default_factory=dict)
    ops: list[Op] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)

    def input(self, name: str, *, shape: Sequence[int]) -> str:
        """Declare an input."""
        self.inputs.append(name)
        return self._tensor(Tensor(name, tuple(shape)))

    def constant(self, name: str, *, data: np.ndarray) -> str:
        """Add a constant, float32 or int32."""
        if data.dtype not in (np.float32, np.int32):
            raise TypeError(f"constant {name} is {data.dtype}, expected float32 or int32")
        return self._tensor(Tensor(name, data.shape, np.ascontiguousarray(data)))

    def op(
        self, kind: str, *inputs: str, name: str, shape: Sequence[int], options: dict | None = None
    ) -> str:
        """Add an operator whose output is ``name`` of ``shape``."""
        self.ops.append(Op(kind, inputs, name, options or {}))
        return self._tensor(Tensor(name, tuple(shape)))

    def shape(self, name: str) -> tuple[int, ...]:
        """Return a tensor's shape."""
        return self.tensors[name].shape

    @property
    def activations(self) -> list[str]:
        """Names of what is computed, inputs included, in order."""
        return [name for name, tensor in self.tensors.items() if tensor.data is None]

    def _tensor(self, tensor: Tensor) -> str:
        if tensor.name in self.tensors:
            raise ValueError(f"two tensors of one name, {tensor.name!r}: give each its own")
        self.tensors[tensor.name] = tensor
        return tensor.name
