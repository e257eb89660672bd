"""A TFLite runtime behind our interface: float outside, checked outputs, no crash on damage."""

from __future__ import annotations

import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from edgeface.backends import open_backend
from edgeface.backends.tflite import TfliteBackend, runtime_version
from edgeface.errors import BackendUnavailableError, InferenceError
from tests import tflite_networks

if runtime_version() is None:
    pytest.skip("no TFLite runtime", allow_module_level=True)


def _x(*values: float) -> dict[str, np.ndarray]:
    return {"x": np.array(values, np.float32).reshape(-1, 2)}


def _pictures(*values: float) -> dict[str, np.ndarray]:
    pixels = np.float32(values)[:, None, None, None]
    return {"image": np.broadcast_to(pixels, (len(values), 8, 8, 3)).copy()}


@pytest.fixture
def roots() -> TfliteBackend:
    with TfliteBackend(tflite_networks.read("inverse_root"), name="embedder") as backend:
        yield backend


@pytest.fixture
def means() -> TfliteBackend:
    with TfliteBackend(tflite_networks.read("channel_means"), name="embedder") as backend:
        yield backend


def test_outputs_come_by_name_for_each_row(roots: TfliteBackend) -> None:
    found = roots.run(_x(1, 4, 16, 0.25))["y"]
    assert found == pytest.approx(np.array([[1, 0.5], [0.25, 2]]))
    assert found.dtype == np.float32


def test_integers_stay_inside(means: TfliteBackend) -> None:
    found = means.run(_pictures(0, 1, 128, 255))["embedding"]
    assert found.dtype == np.float32
    assert found == pytest.approx(np.repeat([[0.0], [1.0], [128.0], [255.0]], 3, axis=1))


def test_values_beyond_the_range_become_its_ends(means: TfliteBackend) -> None:
    found = means.run(_pictures(-1000, 1000))["embedding"]
    assert found == pytest.approx(np.repeat([[0.0], [255.0]], 3, axis=1))


def test_no_rows_in_no_rows_out(means: TfliteBackend) -> None:
    assert means.run({"image": np.empty((0, 8, 8, 3), np.float32)})["embedding"].shape == (0, 3)


@pytest.mark.parametrize("value", [-1.0, 0.0])
def test_nan_and_inf_are_an_error_not_an_answer(roots: TfliteBackend, value: float) -> None:
    with pytest.raises(InferenceError, match="1 of 2 values of output 'y'") as caught:
        roots.run(_x(1, value))
    assert caught.value.step == "embedder output scan"
    assert roots.run(_x(1, 1))["y"] == pytest.approx(1)  # and the next call is sound


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_is_not_rounded_to_some_integer(means: TfliteBackend, value: float) -> None:
    with pytest.raises(InferenceError, match="192 of 192 values of input 'image'"):
        means.run(_pictures(value))


def test_results_are_the_callers(roots: TfliteBackend) -> None:
    first = roots.run(_x(1, 1))["y"]
    roots.run(_x(4, 4))
    assert first == pytest.approx(1)
    first += 1  # and may be written to


@pytest.mark.parametrize("shape", [(1, 3), (2,), (1, 2, 1)])
def test_wrong_shape_is_the_callers_mistake(roots: TfliteBackend, shape: tuple) -> None:
    with pytest.raises(ValueError, match=r"input 'x' has shape .*, expected \(\d, 2\)"):
        roots.run({"x": np.zeros(shape, np.float32)})


def test_wrong_dtype_is_the_callers_mistake(roots: TfliteBackend) -> None:
    with pytest.raises(TypeError, match="input 'x' is float64, expected float32"):
        roots.run({"x": np.zeros((1, 2))})


def test_wrong_input_name_is_the_callers_mistake(roots: TfliteBackend) -> None:
    with pytest.raises(ValueError, match=r"\['z'\], expected \['x'\]"):
        roots.run({"z": np.zeros((1, 2), np.float32)})


def test_closed_backend_refuses() -> None:
    backend = TfliteBackend(tflite_networks.read("inverse_root"), name="detector")
    backend.close()
    with pytest.raises(InferenceError, match="detector: the backend is closed"):
        backend.run(_x(1, 1))


@pytest.mark.parametrize("model", [b"", b"not a model", b"\x1c\0\0\0TFL3", b"\xff" * 4 + b"TFL3"])
def test_what_is_no_tflite_file_is_refused_in_one_line(model: bytes) -> None:
    with pytest.raises(InferenceError, match="refused the model: this is no TFLite file") as caught:
        TfliteBackend(model, name="detector")
    assert len(str(caught.value).splitlines()) == 1


def test_every_truncation_is_refused_before_the_runtime_can_crash() -> None:
    model = tflite_networks.read("channel_means")
    for length in range(len(model) - 16):  # the last bytes may be padding
        with pytest.raises(InferenceError, match="this is no TFLite file"):
            TfliteBackend(model[:length])


def test_an_operator_that_reads_nothing_is_refused() -> None:
    with pytest.raises(InferenceError, match="it names tensor"):
        TfliteBackend(tflite_networks.read("damaged"))


def shared_tables(count: int) -> bytes:
    """A file of ``count`` references to one subgraph with ``count`` references to one tensor."""
    data = bytearray(struct.pack("<I4s", 0, b"TFL3"))

    def table(*slots: int) -> int:
        vtable = len(data)
        data.extend(struct.pack(f"<HH{len(slots)}H", 4 + 2 * len(slots), 8, *slots))
        data.extend(struct.pack("<iI", len(data) - vtable, 0))
        return len(data) - 8

    def vector() -> int:
        data.extend(struct.pack("<I", count) + bytes(4 * count))
        return len(data) - 4 - 4 * count

    def point(at: int, target: int) -> None:
        struct.pack_into("<I", data, at, target - at)

    model, graphs = table(0, 0, 4, 0, 0), vector()
    graph, tensors = table(4), vector()
    tensor = table()
    point(0, model), point(model + 4, graphs), point(graph + 4, tensors)
    for i in range(count):
        point(graphs + 4 + 4 * i, graph), point(tensors + 4 + 4 * i, tensor)
    return bytes(data)


def test_a_small_file_of_shared_tables_does_not_keep_the_board_busy() -> None:
    with pytest.raises(InferenceError, match="more items than bytes"):
        TfliteBackend(shared_tables(30_000))


def test_flipped_bits_end_in_an_answer_or_an_error_and_never_in_a_crash() -> None:
    model = tflite_networks.read("channel_means")
    code = (
        "import sys, random\n"
        "import numpy as np\n"
        "from edgeface.backends.tflite import TfliteBackend\n"
        "from edgeface.errors import InferenceError\n"
        "model = sys.stdin.buffer.read()\n"
        "for seed in range(60):\n"
        "    rng, damaged = random.Random(seed), bytearray(model)\n"
        "    for _ in range(3):\n"
        "        damaged[rng.randrange(len(model))] ^= 1 << rng.randrange(8)\n"
        "    try:\n"
        "        with TfliteBackend(bytes(damaged)) as backend:\n"
        "            backend.run({'image': np.zeros((1, 8, 8, 3), np.float32)})\n"
        "    except InferenceError:\n"
        "        pass\n"
        "    except ValueError as error:\n"  # damage that gave the input another name or shape
        "        assert 'expected' in str(error)\n"
        "print('alive')"
    )
    done = subprocess.run([sys.executable, "-c", code], input=model, capture_output=True)
    assert done.stdout.strip() == b"alive", done.stderr.decode()[-500:]


def test_a_batch_of_its_own_is_refused() -> None:
    with pytest.raises(InferenceError, match=r"'x' is float32 \(2, 2\).*expected a batch of one"):
        TfliteBackend(tflite_networks.read("tiles"))


def test_no_threads_is_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        TfliteBackend(tflite_networks.read("inverse_root"), threads=0)


def test_format_opens_it() -> None:
    model = tflite_networks.read("inverse_root")
    with open_backend({"format": "tflite"}, model, threads=2) as backend:
        assert backend.run(_x(4, 4))["y"] == pytest.approx(0.5)


def test_threads_may_share_a_backend(means: TfliteBackend) -> None:
    def mean(value: int) -> float:
        return float(means.run(_pictures(value))["embedding"][0, 0])

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(mean, range(200))) == pytest.approx(list(range(200)))


def _without(*packages: str, then: str) -> str:
    """What opening a model says in a process that lacks some packages."""
    code = (
        "import sys\n"
        "from edgeface.backends.tflite import TfliteBackend\n"
        "from edgeface.errors import BackendUnavailableError\n"
        "assert not {'ai_edge_litert', 'tflite_runtime'} & set(sys.modules)\n"
        f"for name in {packages!r}: sys.modules[name] = None\n"  # what an absent package looks like
        f"{then}\n"
        "try:\n"
        "    TfliteBackend(b'')\n"
        "except BackendUnavailableError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


def test_missing_runtime_names_both_install_lines() -> None:
    said = _without("ai_edge_litert", "tflite_runtime", then="pass")
    assert "pip install 'edgeface[litert]' (NumPy 2), or 'edgeface[tflite]' (NumPy 1.26)" in said


def test_old_runtime_beside_numpy_2_is_refused_before_it_can_fail() -> None:
    # As where pip put tflite-runtime beside NumPy 2: it imports, and its first use would fail.
    then = (
        "import types, numpy\n"
        "numpy.__version__ = '2.0.0'\n"
        "for name in ('tflite_runtime', 'tflite_runtime.interpreter'):\n"
        "    sys.modules[name] = types.ModuleType(name)"
    )
    said = _without("ai_edge_litert", then=then)
    assert "tflite-runtime cannot use NumPy 2.0.0, it needs 1.26" in said
    assert "pip install 'edgeface[tflite]'" in said


def test_unavailable_runtime_is_an_import_error() -> None:
    assert issubclass(BackendUnavailableError, ImportError)
