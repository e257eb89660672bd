"""DSA-Net as TFLite layers: from pixels to the feature map, or on to the embedding.

The input is pixels, 0 to 255: the normalisation is part of the first convolution's weights. There
is no padding there, so this is exact, and an int8 input (pixel − 128) loses nothing. In float
arithmetic the graph is the PyTorch network; only the order of sums differs.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor, nn

from export.dsanet import (
    GRID,
    AttentionBlock,
    AveragePooling,
    Block,
    DepthwisePooling,
    DsaNet,
    Head,
    Pointwise,
    QueryPooling,
)
from export.preprocessing import Preprocessing
from export.source import INPUT, OUTPUT
from export.tflite import layers
from export.tflite.graph import Graph
from export.to_onnx import fold

FEATURE = "feature"
VARIANTS = ("whole", "split")
TOKENS = GRID * GRID


def dsanet_graph(net: DsaNet, *, preprocessing: Preprocessing, variant: str) -> Graph:
    """Return the graph of a network.

    Input ``image`` is (1, 112, 112, 3), pixel values in the order of ``preprocessing.colour``. The
    output is ``feature`` (1, 7, 7, C) for "split", ``embedding`` (1, 512), not normalised, for
    "whole".

    Raises
    ------
    ValueError
        Unknown variant, or a convolution whose padding TFLite would place elsewhere.
    """
    if variant not in VARIANTS:
        raise ValueError(f"variant {variant!r}, expected one of {', '.join(VARIANTS)}")
    folded = fold(net)
    graph = Graph()
    x = graph.input(INPUT, shape=(1, preprocessing.size, preprocessing.size, 3))
    parts = [
        (f"segments.{index}.{place}", layer)
        for index, part in enumerate(folded.backbone.segments)
        for place, layer in enumerate(part)
        if not isinstance(layer, nn.Identity)
    ]
    last = parts[-1][0]
    for name, layer in parts:
        x = _backbone_layer(
            graph, x, layer, name=FEATURE if name == last else name, preprocessing=preprocessing
        )
    if variant == "whole":
        x = _head(graph, x, folded.head)
    graph.outputs.append(x)
    return graph


def _backbone_layer(
    graph: Graph, x: str, layer: nn.Module, *, name: str, preprocessing: Preprocessing
) -> str:
    if isinstance(layer, Block):
        return _block(graph, x, layer, name=name)
    if isinstance(layer, Pointwise):
        return _pointwise(graph, x, layer, name=name)
    if layer.padding != (0, 0):
        raise ValueError(f"{name}: padding {layer.padding} with a stride, expected none")
    weight, bias = _array(layer.weight), _array(layer.bias)
    if x == INPUT:
        weight, bias = _on_pixels(weight, bias, preprocessing)
    return layers.conv(graph, x, name=name, weight=weight, bias=bias, stride=layer.stride[0])


def _on_pixels(
    weight: np.ndarray, bias: np.ndarray, preprocessing: Preprocessing
) -> tuple[np.ndarray, np.ndarray]:
    """Make a convolution of (pixel − mean) / std one of pixels."""
    mean = np.asarray(preprocessing.mean)[:, None, None]
    weight = weight.astype(np.float64) / np.asarray(preprocessing.std)[:, None, None]
    return weight, bias - (weight * mean).sum(axis=(1, 2, 3))


def _block(graph: Graph, x: str, block: Block, *, name: str) -> str:
    depthwise = block.depthwise
    if depthwise.padding[0] != depthwise.kernel_size[0] // 2:
        raise ValueError(f"{name}: padding {depthwise.padding}, expected half the kernel")
    inner = layers.depthwise(
        graph,
        x,
        name=f"{name}.depthwise",
        weight=_array(depthwise.weight),
        bias=_array(depthwise.bias),
    )
    inner = _pointwise(graph, inner, block.expand, name=f"{name}.expand", relu=True)
    inner = _pointwise(graph, inner, block.project, name=f"{name}.project")
    return layers.binary(graph, "ADD", x, inner, name=name)


def _pointwise(graph: Graph, x: str, layer: Pointwise, *, name: str, relu: bool = False) -> str:
    weight = _array(layer.weight)[:, :, None, None]
    return layers.conv(graph, x, name=name, weight=weight, bias=_array(layer.bias), relu=relu)


def _head(graph: Graph, feature: str, head: Head) -> str:
    shape = (1, TOKENS, graph.shape(feature)[-1])
    x = layers.reshape(graph, feature, name="head.tokens", shape=shape)
    if head.gate is not None:
        gate = _linear(graph, x, head.gate, name="head.gate")
        gate = layers.unary(graph, "LOGISTIC", gate, name="head.gate.weight_of_token")
        x = layers.binary(graph, "MUL", x, gate, name="head.gated")
    x = _linear(graph, x, head.inlet, name="head.inlet")
    position = graph.constant("head.position", data=_array(head.position)[None])
    x = layers.binary(graph, "ADD", x, position, name="head.placed")
    for index, block in enumerate(head.blocks):
        x = _attention_block(graph, x, block, name=f"head.blocks.{index}")
    return _pool(graph, x, head)


def _attention_block(graph: Graph, x: str, block: AttentionBlock, *, name: str) -> str:
    normal = _layer_norm(graph, x, block.norm1, name=f"{name}.norm1")
    change = _attend(graph, normal, block, name=name)
    x = layers.binary(graph, "ADD", x, change, name=f"{name}.attended")
    normal = _layer_norm(graph, x, block.norm2, name=f"{name}.norm2")
    weight, bias = _after_norm(block.norm2, _array(block.fc1.weight), _array(block.fc1.bias))
    inner = layers.linear(graph, normal, name=f"{name}.fc1", weight=weight, bias=bias)
    inner = layers.unary(graph, "GELU", inner, name=f"{name}.gelu", approximate=True)
    change = _linear(graph, inner, block.fc2, name=f"{name}.fc2")
    return layers.binary(graph, "ADD", x, change, name=name)


def _attend(graph: Graph, normal: str, block: AttentionBlock, *, name: str) -> str:
    """Scaled dot-product attention; 1/√d is in the query's weights, each factor has its range."""
    dim = graph.shape(normal)[-1]
    size = dim // block.heads
    weight, bias = _after_norm(block.norm1, _array(block.qkv.weight), _array(block.qkv.bias))
    factors = {}
    for index, role in enumerate(("query", "key", "value")):
        rows = slice(index * dim, (index + 1) * dim)
        scale = size**-0.5 if role == "query" else 1.0
        part = layers.linear(
            graph,
            normal,
            name=f"{name}.{role}",
            weight=weight[rows] * scale,
            bias=bias[rows] * scale,
        )
        shape = (1, TOKENS, block.heads, size)
        part = layers.reshape(graph, part, name=f"{name}.{role}.heads", shape=shape)
        factors[role] = layers.transpose(
            graph, part, name=f"{name}.{role}.by_head", order=(0, 2, 1, 3)
        )
    query, key, value = factors["query"], factors["key"], factors["value"]
    scores = layers.matmul(graph, query, key, name=f"{name}.scores", transposed=True)
    shares = layers.unary(graph, "SOFTMAX", scores, name=f"{name}.shares", beta=1.0)
    mixed = layers.matmul(graph, shares, value, name=f"{name}.mixed")
    mixed = layers.transpose(graph, mixed, name=f"{name}.mixed.by_token", order=(0, 2, 1, 3))
    mixed = layers.reshape(graph, mixed, name=f"{name}.mixed.joined", shape=(1, TOKENS, dim))
    return _linear(graph, mixed, block.out, name=f"{name}.out")


def _pool(graph: Graph, x: str, head: Head) -> str:
    dim = graph.shape(x)[-1]
    weight, bias = _array(head.project.weight), _array(head.project.bias)
    if isinstance(head.pool, AveragePooling):
        pooled = layers.mean(graph, x, name="head.pool", axis=1, keep=False)
    elif isinstance(head.pool, DepthwisePooling):
        square = layers.reshape(graph, x, name="head.square", shape=(1, GRID, GRID, dim))
        kernel = _array(head.pool.weight).T.reshape(dim, 1, GRID, GRID)
        pooled = layers.depthwise(
            graph, square, name="head.pool", weight=kernel, bias=np.zeros(dim), same=False
        )
        pooled = layers.reshape(graph, pooled, name="head.pooled", shape=(1, dim))
    elif isinstance(head.pool, QueryPooling):
        pooled = _query_pool(graph, x, head.pool)
        # Shares sum to one, so the norm's gain and offset may follow the pooling.
        queries = weight.shape[1] // dim
        gain, offset = (np.tile(_array(v), queries) for v in _gain(head.pool.norm))
        weight, bias = weight * gain, bias + weight @ offset
    else:
        raise ValueError(f"pooling {type(head.pool).__name__} is not written yet")
    return layers.linear(graph, pooled, name=OUTPUT, weight=weight, bias=bias)


def _query_pool(graph: Graph, x: str, pool: QueryPooling) -> str:
    normal = _layer_norm(graph, x, pool.norm, name="head.pool.norm")
    weight, bias = _after_norm(pool.norm, _array(pool.scores.weight), _array(pool.scores.bias))
    scores = layers.linear(graph, normal, name="head.pool.scores", weight=weight, bias=bias)
    scores = layers.transpose(graph, scores, name="head.pool.by_query", order=(0, 2, 1))
    shares = layers.unary(graph, "SOFTMAX", scores, name="head.pool.shares", beta=1.0)
    pooled = layers.matmul(graph, shares, normal, name="head.pool")
    return layers.reshape(
        graph, pooled, name="head.pooled", shape=(1, weight.shape[0] * len(weight[0]))
    )


def _linear(graph: Graph, x: str, layer: nn.Linear, *, name: str) -> str:
    return layers.linear(graph, x, name=name, weight=_array(layer.weight), bias=_array(layer.bias))


def _layer_norm(graph: Graph, x: str, norm: nn.LayerNorm, *, name: str) -> str:
    return layers.layer_norm(graph, x, name=name, epsilon=norm.eps)


def _after_norm(
    norm: nn.LayerNorm, weight: np.ndarray, bias: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Take the gain and offset of a LayerNorm into the linear layer behind it."""
    gain, offset = (_array(v) for v in _gain(norm))
    return weight * gain, bias + weight @ offset


def _gain(norm: nn.LayerNorm) -> tuple[Tensor, Tensor]:
    return norm.weight, norm.bias


def _array(values: Tensor) -> np.ndarray:
    return values.detach().numpy()
