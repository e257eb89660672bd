"""Weights of PyTorch networks as others store them: read without running any code of theirs."""

from __future__ import annotations

import pickle
from pathlib import Path

import torch
from torch import Tensor, nn

from export.errors import ExportError

NESTS = ("state_dict", "model", "net", "weights")
PREFIXES = ("module.", "model.")


def read_state(file: Path) -> dict[str, Tensor]:
    """Return name → float32 tensor of a ``.safetensors`` or ``.pt`` file.

    Common wrappings are taken off: a dict around the weights, and the prefixes that
    ``DataParallel`` and wrapper modules add.

    Raises
    ------
    ExportError
        Not such a file, damaged, a whole pickled network (loading one would run its code), or
        holding anything but finite tensors.
    """
    state = _read_safetensors(file) if file.suffix == ".safetensors" else _read_torch(file)
    for nest in NESTS:
        if isinstance(state, dict) and isinstance(state.get(nest), dict):
            state = state[nest]
    if not isinstance(state, dict) or not state or not all(map(torch.is_tensor, state.values())):
        raise ExportError(f"{file}: holds {type(state).__name__}, expected a state dict of tensors")
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in state):
            state = {name[len(prefix) :]: value for name, value in state.items()}
    state = {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
    bad = sorted(name for name, value in state.items() if not torch.isfinite(value).all())
    if bad:
        raise ExportError(f"{file}: NaN or infinity in {', '.join(bad[:3])}: the file is damaged")
    return state


def _read_torch(file: Path):
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError) as error:
        raise ExportError(
            f"{file}: not a plain state dict ({_first_line(error)}). A pickled or scripted "
            "network would have to run code to load: torch.save(net.state_dict(), FILE) instead"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _read_safetensors(file: Path) -> dict[str, Tensor]:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError as error:
        raise missing(error, needed_for=file.name) from error
    try:
        return load_file(file)
    except SafetensorError as error:
        raise ExportError(f"{file}: not a safetensors file ({error})") from error


def missing(error: ImportError, *, needed_for: str) -> ExportError:
    """Return the error for a package of export/requirements-importers.txt that is not there."""
    return ExportError(
        f"{error.name or error} is not installed and {needed_for} needs it: "
        "pip install -r export/requirements-importers.txt"
    )


def fill(net: nn.Module, state: dict[str, Tensor], *, file: Path, kind: str) -> None:
    """Load a state dict whose names and shapes must be exactly the network's.

    Raises
    ------
    ExportError
        They are not; the text names some.
    """
    wanted = {name: tuple(value.shape) for name, value in net.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in state.items()}
    wrong = [f"no {name}" for name in wanted if name not in found]
    wrong += [f"unknown {name}" for name in found if name not in wanted]
    wrong += [
        f"{name} {found[name]} instead of {shape}"
        for name, shape in wanted.items()
        if found.get(name, shape) != shape
    ]
    if wrong:
        raise ExportError(
            f"{file}: not the weights of kind {kind}: {', '.join(wrong[:4])}"
            f"{f' and {len(wrong) - 4} more' if len(wrong) > 4 else ''}"
        )
    net.load_state_dict(state)
