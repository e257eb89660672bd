"""Edits that bring an ONNX graph into the form of `Source.onnx`, each keeping what it computes."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.utils import Extractor

from export.errors import ExportError
from export.source import INPUT, OUTPUT

OPSETS = (17, 18)
NEWEST_IR = 10
BATCH = "batch"
QUANTISED = {"QuantizeLinear", "DequantizeLinear", "QLinearConv", "ConvInteger", "MatMulInteger"}
SHAPE_BINDING = ("MatMulAddFusion",)  # would write the batch size into new Reshapes
RUNTIME_REFUSES = (
    onnxruntime.capi.onnxruntime_pybind11_state.Fail,
    onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument,
    onnxruntime.capi.onnxruntime_pybind11_state.InvalidGraph,
    onnxruntime.capi.onnxruntime_pybind11_state.NotImplemented,
    onnxruntime.capi.onnxruntime_pybind11_state.RuntimeException,
)


def lower_ir(model: onnx.ModelProto) -> None:
    """Hold the IR version to what old runtimes load; only newer container features differ."""
    model.ir_version = min(model.ir_version, NEWEST_IR)


def image_input(model: onnx.ModelProto, *, file: Path) -> onnx.ValueInfoProto:
    """Return the graph's one input that is not a weight.

    Raises
    ------
    ExportError
        There is none, or more than one, or it is not float32.
    """
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs) or "none"
        raise ExportError(f"{file}: inputs {names}, expected one image: export it without the rest")
    kind = inputs[0].type.tensor_type.elem_type
    if kind != TensorProto.FLOAT:
        raise ExportError(
            f"{file}: input {inputs[0].name} is {TensorProto.DataType.Name(kind)}, expected FLOAT: "
            "export the float32 network"
        )
    return inputs[0]


def with_one_output(model: onnx.ModelProto, output: str | None, *, file: Path) -> onnx.ModelProto:
    """Return the model cut to the one output that is the embedding.

    Raises
    ------
    ExportError
        Several outputs and none chosen, or no such output, or a graph that is no float network.
    """
    refuse_foreign(model, file=file)
    names = [value.name for value in model.graph.output]
    if output is None and len(names) != 1:
        raise ExportError(
            f"{file}: outputs {', '.join(names)}: say which is the embedding, --output NAME"
        )
    chosen = output or names[0]
    if chosen not in names:
        raise ExportError(f"{file}: no output {chosen}; it has {', '.join(names)}")
    image = image_input(model, file=file)
    try:
        typed = onnx.shape_inference.infer_shapes(model)
        return Extractor(typed).extract_model([image.name], [chosen])
    except (ValueError, onnx.shape_inference.InferenceError, onnx.checker.ValidationError) as error:
        raise ExportError(f"{file}: not a sound graph: {error}") from error


def refuse_foreign(model: onnx.ModelProto, *, file: Path) -> None:
    """Refuse operators outside the ONNX standard, and networks that are quantised already."""
    foreign = {
        f"{n.domain}.{n.op_type}" for n in model.graph.node if n.domain not in ("", "ai.onnx")
    }
    if foreign:
        raise ExportError(
            f"{file}: operators outside the ONNX standard: {', '.join(sorted(foreign))}. Only one "
            "runtime has them: export without its optimisations"
        )
    quantised = {node.op_type for node in model.graph.node} & QUANTISED
    if quantised:
        raise ExportError(
            f"{file}: quantised already ({', '.join(sorted(quantised))}): import the float network"
        )


def normal_form(
    model: onnx.ModelProto, *, size: int, file: Path
) -> tuple[onnx.ModelProto, list[str]]:
    """Return the model with opset 17 or 18, NCHW input ``image`` of any batch, constants folded.

    Parameters
    ----------
    model : one input, one output.
    size : side of the input in pixels.

    Returns
    -------
    model, notes : a new model, and what was changed.
    """
    notes = []
    layout = input_layout(image_input(model, file=file), size=size, file=file)
    batch = batch_of(model) or 1
    model = with_opset(model, notes, file=file)
    set_shapes(model, [batch, 3, size, size] if layout == "NCHW" else [batch, size, size, 3])
    if layout == "NHWC":
        take_nchw(model)
        notes.append("takes NHWC; a transposition was put before it")
    rename(model)
    return free_batch(folded(model, file=file), batch=batch), notes


def batch_of(model: onnx.ModelProto) -> int:
    """Return the fixed batch size of the input, 0 if it is free."""
    return model.graph.input[0].type.tensor_type.shape.dim[0].dim_value


def input_layout(image: onnx.ValueInfoProto, *, size: int, file: Path) -> str:
    """Return "NCHW" or "NHWC" by the place of the three colours.

    Raises
    ------
    ExportError
        Neither or both places have three, or the side is another than the preprocessing's.
    """
    dims = [dim.dim_value for dim in image.type.tensor_type.shape.dim]
    layouts = {"NCHW": (1, (2, 3)), "NHWC": (3, (1, 2))}
    found = [n for n, (colours, _) in layouts.items() if len(dims) == 4 and dims[colours] == 3]
    shown = [dim or "any" for dim in dims]
    if len(found) != 1:
        raise ExportError(
            f"{file}: input {image.name} is {shown}, expected (N, 3, side, side) or "
            "(N, side, side, 3) with exactly one 3: export it with its shape fixed"
        )
    sides = [dims[axis] for axis in layouts[found[0]][1]]
    if any(side not in (0, size) for side in sides):
        raise ExportError(
            f"{file}: input {image.name} is {shown}, but the preprocessing gives {size}x{size} "
            "pixels: give the network's own size"
        )
    return found[0]


def with_opset(model: onnx.ModelProto, notes: list, *, file: Path) -> onnx.ModelProto:
    """Return the model at an opset of `OPSETS`, the nearest."""
    found = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    wanted = min(max(found, OPSETS[0]), OPSETS[1])
    if found == wanted:
        return model
    try:
        converted = onnx.version_converter.convert_version(model, wanted)
    except (RuntimeError, onnx.checker.ValidationError) as error:
        raise ExportError(
            f"{file}: opset {found} cannot be converted to {wanted} ({error}): export it with "
            f"opset {OPSETS[0]} or {OPSETS[1]}"
        ) from error
    notes.append(f"opset {found} converted to {wanted}")
    lower_ir(converted)
    return converted


def set_shapes(model: onnx.ModelProto, dims: list[int | str]) -> None:
    """Set the input's shape, and forget what was known of all that follows."""
    for i, dim in enumerate(dims):
        place = model.graph.input[0].type.tensor_type.shape.dim[i]
        place.Clear()
        setattr(place, "dim_param" if isinstance(dim, str) else "dim_value", dim)
    model.graph.output[0].type.tensor_type.ClearField("shape")
    del model.graph.value_info[:]


def take_nchw(model: onnx.ModelProto) -> None:
    """Put a transposition behind a new NCHW input."""
    old = model.graph.input[0]
    batch, height, width, colours = (dim.dim_value for dim in old.type.tensor_type.shape.dim)
    node = helper.make_node("Transpose", ["nchw"], [old.name], name="to_nhwc", perm=[0, 2, 3, 1])
    shape = [batch, colours, height, width]
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("nchw", TensorProto.FLOAT, shape))
    model.graph.node.insert(0, node)


def rename(model: onnx.ModelProto) -> None:
    """Call the input ``image`` and the output ``embedding``, and no other tensor so."""
    graph = model.graph
    new = {graph.input[0].name: INPUT, graph.output[0].name: OUTPUT}
    for name in (INPUT, OUTPUT):
        new.setdefault(name, f"{name}_inside")
    for node in graph.node:
        node.input[:] = [new.get(name, name) for name in node.input]
        node.output[:] = [new.get(name, name) for name in node.output]
    for value in (*graph.input, *graph.output, *graph.initializer):
        value.name = new.get(value.name, value.name)


def folded(model: onnx.ModelProto, *, file: Path) -> onnx.ModelProto:
    """Return the model after onnxruntime's basic optimisations: constants and BatchNorm folded.

    Raises
    ------
    ExportError
        onnxruntime cannot load it.
    """
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3
    with TemporaryDirectory() as folder:
        path = Path(folder) / "folded.onnx"
        options.optimized_model_filepath = str(path)
        open_session(model, options, disabled=SHAPE_BINDING, file=file)
        made = onnx.load(str(path))
    used = {node.domain for node in made.graph.node}
    kept = [entry for entry in made.opset_import if entry.domain in used]
    del made.opset_import[:]
    made.opset_import.extend(kept)
    lower_ir(made)
    return made


def open_session(model: onnx.ModelProto, options=None, *, disabled=(), file: Path):
    """Open a model in onnxruntime.

    Raises
    ------
    ExportError
        It refuses; the text has its reason.
    """
    try:
        return onnxruntime.InferenceSession(
            model.SerializeToString(),
            options,
            providers=["CPUExecutionProvider"],
            disabled_optimizers=disabled,
        )
    except RUNTIME_REFUSES as error:
        raise ExportError(f"{file}: onnxruntime cannot load it: {error}") from error


def free_batch(model: onnx.ModelProto, *, batch: int) -> onnx.ModelProto:
    """Let the batch size vary: where a Reshape states it as a number, say "as it was" instead.

    Whether that was right is for `onnx_check.check` to prove.
    """
    typed = onnx.shape_inference.infer_shapes(model)
    first = {
        value.name: value.type.tensor_type.shape.dim[0].dim_value
        for value in (*typed.graph.value_info, *typed.graph.input)
        if value.type.tensor_type.shape.dim
    }
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    for i, node in enumerate(model.graph.node):
        if node.op_type != "Reshape" or node.input[1] not in constants:
            continue
        shape = numpy_helper.to_array(constants[node.input[1]]).astype(np.int64)
        if shape.size and shape[0] == batch and first.get(node.input[0]) == batch:
            free = np.concatenate([[0], shape[1:]]).astype(np.int64)
            node.input[1] = f"reshape_{i}_any_batch"
            model.graph.initializer.append(numpy_helper.from_array(free, node.input[1]))
    set_shapes(
        model, [BATCH, *[d.dim_value for d in typed.graph.input[0].type.tensor_type.shape.dim][1:]]
    )
    return without_unused(model)


def without_unused(model: onnx.ModelProto) -> onnx.ModelProto:
    """Drop constants that no node reads, and give the output the shape that follows."""
    used = {name for node in model.graph.node for name in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    shaped = onnx.shape_inference.infer_shapes(model)
    model.graph.output[0].CopyFrom(shaped.graph.output[0])
    return model
