"""ONNX operators (opset 17 and 18) as PyTorch functions: inputs in order, attributes by name."""

from __future__ import annotations

import operator

import torch
from torch import Tensor
from torch.nn import functional


def _text(value) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _symmetric(pads: list, kind: str) -> list:
    half = len(pads) // 2
    if pads[:half] != pads[half:]:
        raise NotImplementedError(f"{kind} with unequal pads {pads}")
    return pads[:half]


def _padded(x: Tensor, pads: list) -> tuple[Tensor, list]:
    """Return x padded by hand where ONNX's pads are unequal, and the padding left to do."""
    half = len(pads) // 2
    if pads[:half] == pads[half:]:
        return x, pads[:half]
    flat = [p for i in reversed(range(half)) for p in (pads[i], pads[half + i])]
    return functional.pad(x, flat), [0] * half


def conv(x, weight, bias=None, *, pads=(0,) * 4, strides=(1, 1), dilations=(1, 1), group=1, **more):
    if _text(more.get("auto_pad", "NOTSET")) != "NOTSET":
        raise NotImplementedError("Conv with auto_pad")
    x, padding = _padded(x, list(pads))
    return functional.conv2d(x, weight, bias, list(strides), padding, list(dilations), group)


def gemm(a, b, c=None, *, alpha=1.0, beta=1.0, transA=0, transB=0):
    if alpha != 1 or transA:
        raise NotImplementedError("Gemm with alpha or transA")
    bias = None if c is None else c * beta if beta != 1 else c
    return functional.linear(a, b if transB else b.t(), bias)


def clip(x, low=None, high=None):
    return functional.relu6(x) if (low, high) == (0.0, 6.0) else torch.clamp(x, low, high)


def max_pool(x, *, kernel_shape, pads=(0,) * 4, strides=(1, 1), ceil_mode=0, **more):
    if more.get("dilations", [1, 1]) != [1, 1] or _text(more.get("auto_pad", "NOTSET")) != "NOTSET":
        raise NotImplementedError("MaxPool with dilations or auto_pad")
    padding = _symmetric(list(pads), "MaxPool")
    return functional.max_pool2d(x, kernel_shape, list(strides), padding, 1, bool(ceil_mode))


def average_pool(x, *, kernel_shape, pads=(0,) * 4, strides=(1, 1), count_include_pad=0, **more):
    if more.get("ceil_mode", 0) or _text(more.get("auto_pad", "NOTSET")) != "NOTSET":
        raise NotImplementedError("AveragePool with ceil_mode or auto_pad")
    padding = _symmetric(list(pads), "AveragePool")
    counted = bool(count_include_pad)
    return functional.avg_pool2d(x, kernel_shape, list(strides), padding, False, counted)


def reshape(x, shape, **_):
    return x.reshape([x.shape[i] if size == 0 else size for i, size in enumerate(shape)])


def flatten(x, *, axis=1):
    return x.flatten(axis) if axis == 1 else x.reshape(x.shape[:axis].numel(), -1)


def slice_(x, starts, ends, axes=None, steps=None):
    axes = axes if axes is not None else list(range(len(starts)))
    steps = steps if steps is not None else [1] * len(starts)
    for axis, start, end, step in zip(axes, starts, ends, steps):
        length = x.shape[axis]
        first, last = (min(v + length if v < 0 else v, length) for v in (start, end))
        if step < 1:
            raise NotImplementedError("Slice with a negative step")
        x = x[(slice(None),) * (axis % x.ndim) + (slice(first, last, step),)]
    return x


def split(x, sizes=None, *, axis=0, num_outputs=None):
    if sizes is None:
        sizes = -(-x.shape[axis] // num_outputs)
    return torch.split(x, sizes, dim=axis)


def squeeze(x, axes):
    for axis in sorted((a % x.ndim for a in axes), reverse=True):
        x = x.squeeze(axis)
    return x


def unsqueeze(x, axes):
    for axis in sorted(a % (x.ndim + len(axes)) for a in axes):
        x = x.unsqueeze(axis)
    return x


def gather(x, index, *, axis=0):
    if isinstance(index, list):
        return torch.index_select(x, axis, torch.tensor(index))
    return x.select(axis, index)


def batch_norm(x, scale, bias, mean, var, *, epsilon=1e-5, **_):
    return functional.batch_norm(x, mean, var, scale, bias, False, 0.0, epsilon)


def layer_norm(x, scale, bias=None, *, axis=-1, epsilon=1e-5, **_):
    return functional.layer_norm(x, x.shape[axis:], scale, bias, epsilon)


def pad(x, pads, value=None, axes=None, *, mode="constant"):
    if _text(mode) != "constant" or axes is not None:
        raise NotImplementedError("Pad with a mode or axes")
    half = len(pads) // 2
    flat = [p for i in reversed(range(half)) for p in (pads[i], pads[half + i])]
    return functional.pad(x, flat, value=0.0 if value is None else float(value))


def prelu(x, slope):
    return functional.prelu(x, slope.flatten())


def reduce_mean(x, axes=None, *, keepdims=1, **more):
    return x.mean(more.get("axes", axes), keepdim=bool(keepdims))


def reduce_sum(x, axes=None, *, keepdims=1, **_):
    return x.sum(axes, keepdim=bool(keepdims))


def hard_sigmoid(x, *, alpha=0.2, beta=0.5):
    return torch.clamp(x * alpha + beta, 0.0, 1.0)


def softmax(x, *, axis=-1):
    """Over the last axis always: over another, converters write it out as EXP and DIV."""
    return x.transpose(axis, -1).softmax(-1).transpose(axis, -1)


def unit_length(x, *, axes, eps):
    """x / max(‖x‖, eps) without square root or division, which old runtimes lack in INT8."""
    return x * torch.rsqrt(torch.clamp((x * x).sum(axes, keepdim=True), min=eps * eps))


OPERATORS = {
    "Add": operator.add,
    "AveragePool": average_pool,
    "BatchNormalization": batch_norm,
    "Clip": clip,
    "Concat": lambda *parts, axis: torch.cat(parts, axis),
    "Conv": conv,
    "Div": operator.truediv,
    "Dropout": lambda x, *_, **__: x,
    "Expand": lambda x, shape: x.expand(torch.broadcast_shapes(x.shape, tuple(shape))),
    "Flatten": flatten,
    "Gather": gather,
    "Gelu": functional.gelu,
    "GeluTanh": lambda x: functional.gelu(x, approximate="tanh"),
    "Gemm": gemm,
    "GlobalAveragePool": lambda x: x.mean((2, 3), keepdim=True),
    "HardSigmoid": hard_sigmoid,
    "HardSwish": functional.hardswish,
    "Identity": lambda x: x,
    "LayerNormalization": layer_norm,
    "LeakyRelu": lambda x, *, alpha=0.01: functional.leaky_relu(x, alpha),
    "MatMul": torch.matmul,
    "MaxPool": max_pool,
    "Mul": operator.mul,
    "PRelu": prelu,
    "Pad": pad,
    "ReduceMean": reduce_mean,
    "ReduceSum": reduce_sum,
    "Relu": torch.relu,
    "Reshape": reshape,
    "Sigmoid": torch.sigmoid,
    "Slice": slice_,
    "Softmax": softmax,
    "Split": split,
    "Squeeze": squeeze,
    "Sub": operator.sub,
    "Tanh": torch.tanh,
    "Transpose": lambda x, *, perm: x.permute(perm),
    "UnitLength": unit_length,
    "Unsqueeze": unsqueeze,
}
