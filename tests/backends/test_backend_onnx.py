"""ONNX Runtime behind our interface: checked outputs, clear errors, no stale answers."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from edgeface.backends import open_backend
from edgeface.backends.onnx import OnnxBackend
from edgeface.errors import BackendUnavailableError, InferenceError
from tests import networks


def _x(*values: float) -> dict[str, np.ndarray]:
    return {"x": np.array(values, np.float32)}


def test_outputs_come_by_name() -> None:
    with OnnxBackend(networks.logarithm()) as backend:
        assert backend.run(_x(1, np.e))["y"] == pytest.approx([0, 1])


@pytest.mark.parametrize("value", [-1.0, 0.0])
def test_nan_and_inf_are_an_error_not_an_answer(value: float) -> None:
    with OnnxBackend(networks.logarithm(), name="embedder") as backend:
        with pytest.raises(InferenceError, match="1 of 2 values of output 'y'") as caught:
            backend.run(_x(1, value))
        assert caught.value.step == "embedder output scan"
        assert backend.run(_x(1))["y"] == pytest.approx([0])  # and the next call is sound


def test_results_are_the_callers() -> None:
    with OnnxBackend(networks.logarithm()) as backend:
        first = backend.run(_x(1))["y"]
        backend.run(_x(5))
        assert first == pytest.approx([0])


def test_wrong_shape_is_an_inference_error() -> None:
    with OnnxBackend(networks.channel_means()) as backend:
        with pytest.raises(InferenceError, match="the run failed"):
            backend.run({"image": np.zeros((1, 4, 2, 2), np.float32)})


def test_wrong_input_name_is_the_callers_mistake() -> None:
    with OnnxBackend(networks.logarithm()) as backend:
        with pytest.raises(ValueError, match=r"\['z'\], expected \['x'\]"):
            backend.run({"z": np.zeros(1, np.float32)})


def test_closed_backend_refuses() -> None:
    backend = OnnxBackend(networks.logarithm(), name="detector")
    backend.close()
    with pytest.raises(InferenceError, match="detector: the backend is closed"):
        backend.run(_x(1))


@pytest.mark.parametrize("model", [b"", b"not a model", networks.logarithm()[:40]])
def test_damaged_model_is_refused_in_one_line(model: bytes) -> None:
    with pytest.raises(InferenceError, match="refused the model") as caught:
        OnnxBackend(model, name="detector")
    assert len(str(caught.value).splitlines()) == 1


def test_no_threads_is_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        OnnxBackend(networks.logarithm(), threads=0)


def test_unknown_format_names_the_known_ones() -> None:
    with pytest.raises(BackendUnavailableError, match="'openvino'.*'onnx', 'tflite'"):
        open_backend({"format": "openvino"}, b"")


def test_threads_may_share_a_backend() -> None:
    with OnnxBackend(networks.channel_means()) as backend:

        def mean(value: int) -> float:
            image = np.full((1, 3, 64, 64), value, np.float32)
            return float(backend.run({"image": image})["embedding"][0, 0])

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(mean, range(200))) == pytest.approx(list(range(200)))


def test_missing_runtime_names_the_install_line_and_telemetry_is_off_before_import() -> None:
    code = (
        "import os, sys\n"
        "from edgeface.backends.onnx import OnnxBackend\n"
        "from edgeface.errors import BackendUnavailableError\n"
        "assert 'onnxruntime' not in sys.modules\n"
        "sys.modules['onnxruntime'] = None\n"  # what an absent package looks like to import
        "try:\n"
        "    OnnxBackend(b'')\n"
        "except BackendUnavailableError as error:\n"
        "    print(error, os.environ['ORT_DISABLE_TELEMETRY'])\n"
    )
    environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "0"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert "pip install onnxruntime" in done.stdout
    assert done.stdout.strip().endswith("1")
