"""FaceNet's state dict, by the names and shapes of facenet-pytorch's released weights."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch

from export import importers, selftest_inputs
from export.errors import ExportError
from export.importers.facenet import InceptionResnetV1

UNIT = {"conv.weight", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"}
PARAMETERS = 23_482_624  # facenet-pytorch 2.6.0's, whose state dict gave bit-equal embeddings


def random_state() -> dict[str, torch.Tensor]:
    """Random weights that keep activations in range, and a classifier as released files have."""
    torch.manual_seed(0)
    net = InceptionResnetV1().train()
    for module in net.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight)
    with torch.inference_mode():
        net(torch.randn(4, 3, 160, 160))  # settles the running statistics
    return {
        **net.state_dict(),
        "logits.weight": torch.randn(8631, 512),
        "logits.bias": torch.randn(8631),
    }


@pytest.fixture(scope="module")
def state():
    return random_state()


@pytest.fixture(scope="module")
def file(state, tmp_path_factory):
    path = tmp_path_factory.mktemp("facenet") / "20180402-114759-vggface2.pt"
    torch.save(state, path)
    return path


def test_names_and_shapes_are_those_of_the_released_weights(state):
    assert {"conv2d_1a." + name for name in UNIT} <= set(state)
    shapes = {
        "conv2d_4b.conv.weight": (256, 192, 3, 3),
        "repeat_1.4.branch2.2.conv.weight": (32, 32, 3, 3),
        "repeat_1.0.conv2d.bias": (256,),
        "mixed_6a.branch1.2.conv.weight": (256, 192, 3, 3),
        "repeat_2.9.branch1.1.conv.weight": (128, 128, 1, 7),
        "repeat_2.9.branch1.2.conv.weight": (128, 128, 7, 1),
        "mixed_7a.branch2.2.bn.running_var": (256,),
        "repeat_3.4.branch1.1.conv.weight": (192, 192, 1, 3),
        "block8.conv2d.weight": (1792, 384, 1, 1),
        "last_linear.weight": (512, 1792),
        "last_bn.running_mean": (512,),
    }
    assert {name: tuple(state[name].shape) for name in shapes} == shapes
    assert "last_linear.bias" not in state
    assert sum(p.numel() for p in InceptionResnetV1().parameters()) == PARAMETERS


def test_a_released_state_dict_becomes_a_source(file, state, tmp_path):
    source = importers.load("facenet", file, folder=tmp_path)
    fed = source.preprocessing
    assert (source.dim, fed.size, fed.colour, fed.mean, fed.std) == (
        512, 160, "RGB", (127.5,) * 3, (128.0,) * 3,
    )  # fmt: skip
    inputs = fed.apply(np.stack([selftest_inputs.picture(112, 112, seed=s) for s in range(2)]))
    session = onnxruntime.InferenceSession(str(source.onnx), providers=["CPUExecutionProvider"])
    found = session.run(["embedding"], {"image": inputs})[0]
    net = InceptionResnetV1().eval()
    net.load_state_dict({k: v for k, v in state.items() if not k.startswith("logits")})
    with torch.inference_mode():
        expected = net(torch.from_numpy(inputs)).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


def test_weights_of_another_network_are_refused(state, tmp_path):
    short = {k: v for k, v in state.items() if not k.startswith("repeat_3.4.")}
    torch.save({**short, "block8.conv2d.bias": torch.zeros(7)}, tmp_path / "net.pt")
    with pytest.raises(ExportError, match="not the weights of kind facenet: no repeat_3.4"):
        importers.load("facenet", tmp_path / "net.pt", folder=tmp_path)


def test_a_pickled_network_is_never_run(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "net.pt")
    with pytest.raises(ExportError, match="would have to run code.*state_dict"):
        importers.load("facenet", tmp_path / "net.pt", folder=tmp_path)


def test_nan_weights_are_refused(state, tmp_path):
    torch.save({**state, "last_bn.bias": torch.full((512,), torch.nan)}, tmp_path / "net.pt")
    with pytest.raises(ExportError, match="NaN or infinity in last_bn.bias"):
        importers.load("facenet", tmp_path / "net.pt", folder=tmp_path)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", bytes(300)])
def test_other_files_are_refused(content, tmp_path):
    (tmp_path / "net.pt").write_bytes(content)
    with pytest.raises(ExportError, match="not a plain state dict"):
        importers.load("facenet", tmp_path / "net.pt", folder=tmp_path)
