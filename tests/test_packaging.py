"""The package builds and installs the ways that people install it.

Every environment here is new and empty. Build tools and dependencies are lent to it from the one
that runs the tests, without a network; only the sets with a TFLite runtime come from pip's index.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from collections.abc import Callable, Iterator
from email import message_from_string
from email.message import Message
from pathlib import Path

import pytest

pytestmark = pytest.mark.packaging

CHECK = (
    "import edgeface, numpy as np; from edgeface import _native; rows = np.eye(3, dtype='f4');"
    "print(edgeface.__version__, _native.__file__, _native.cosine_topk(rows, rows[2], 1)[0][0])"
)


def run(*command: object, cwd: Path) -> str:
    scripts = os.path.dirname(sys.executable)  # the lent cmake
    path = os.pathsep.join([scripts, os.environ.get("PATH", os.defpath)])
    result = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
    return result.stdout


def pip(python: object, *arguments: object, cwd: Path) -> str:
    return run(sys.executable, "-m", "pip", "--python", python, *arguments, cwd=cwd)


def new_environment(folder: Path) -> Path:
    """The Python of a new virtual environment that borrows this one's packages."""
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    own = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder)
    # Folders that a .pth file adds come last and their own .pth files are not read, so that
    # an editable edgeface in the lender stays invisible.
    Path(own.strip(), "lender.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def check(python: Path, cwd: Path) -> tuple[str, Path]:
    """Version and module file of the edgeface that an environment imports."""
    version, module, best = run(python, "-c", CHECK, cwd=cwd).split()
    assert best == "2"
    return version, Path(module)


@pytest.fixture(scope="module")
def version(repository: Path) -> str:
    return (repository / "VERSION").read_text().strip()


@pytest.fixture(scope="module")
def sdist(repository: Path, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sdist")
    copy = folder / "checkout"
    wanted = ("edgeface", "csrc", "export", "tests")
    ignore = shutil.ignore_patterns("__pycache__", "*.so")
    for name in wanted:
        if (repository / name).is_dir():
            shutil.copytree(repository / name, copy / name, ignore=ignore)
    for file in repository.iterdir():
        if file.is_file():
            shutil.copy(file, copy)
    run(sys.executable, "-c", "import setuptools.build_meta as b; b.build_sdist('..')", cwd=copy)
    (archive,) = folder.glob("*.tar.gz")
    return archive


@pytest.fixture(scope="module")
def source(sdist: Path, tmp_path_factory) -> Path:
    """The sdist unpacked: all that a build may use."""
    folder = tmp_path_factory.mktemp("source")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder)
    (unpacked,) = folder.iterdir()
    return unpacked


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder)
    run(sys.executable, "-m", "pip", "wheel", *options, source, cwd=folder)
    (file,) = folder.iterdir()
    return file


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith(".dist-info/METADATA")]
        return message_from_string(archive.read(name).decode())


def test_wheel_built_from_the_sdist_runs_away_from_the_source(wheel, version, tmp_path) -> None:
    python = new_environment(tmp_path / "venv")
    pip(python, "install", "--no-deps", "--no-index", wheel, cwd=tmp_path)
    found, module = check(python, tmp_path)
    assert found == version and (tmp_path / "venv") in module.parents


def test_editable_install_works_twice_in_a_row(source, version, tmp_path) -> None:
    python = new_environment(tmp_path / "venv")
    options = ("--no-deps", "--no-index", "--no-build-isolation")
    for _ in range(2):
        pip(python, "install", *options, "--editable", source, cwd=tmp_path)
        found, module = check(python, tmp_path)
        assert found == version and module.parent == source / "edgeface"


def test_wheel_holds_the_runtime_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"edgeface"}
    assert [name for name in names if "_native." in name and name.endswith(".so")]
    assert not [
        name for name in names if name.endswith((".cc", ".h", ".txt")) and ".dist-info/" not in name
    ]


def test_wheel_holds_the_default_bundle_and_the_schema(wheel: Path, repository: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        assert "edgeface/bundle_schema.json" in names
        bundle = archive.read("edgeface/models/default.efb")
    assert bundle == (repository / "edgeface" / "models" / "default.efb").read_bytes()


def test_sdist_holds_what_the_build_needs_and_no_training_code(source: Path) -> None:
    for name in ("VERSION", "LICENSE", "README.md", "CMakeLists.txt", "pyproject.toml"):
        assert (source / name).is_file(), name
    assert (source / "csrc" / "kernels" / "dot_f32_scalar.cc").is_file()
    assert not (source / "export").exists()


def test_metadata_names_version_pythons_and_dependencies(metadata, version) -> None:
    assert (metadata["Name"], metadata["Version"]) == ("edgeface", version)
    assert metadata["Requires-Python"] == ">=3.9"
    assert "Apache-2.0" in (metadata["License"], metadata["License-Expression"])
    for minor in range(9, 14):
        assert f"Programming Language :: Python :: 3.{minor}" in metadata.get_all("Classifier")
    needed = [r for r in metadata.get_all("Requires-Dist") if "extra ==" not in r]
    assert sorted(needed) == [
        *("numpy", "onnxruntime", "opencv-python-headless"),
        *('tomli; python_version < "3.11"', "tomlkit"),
    ]
    assert set(metadata.get_all("Provides-Extra")) == {
        "bench", "demo", "door", "export", "fuzz", "lint", "litert", "signing", "site", "test",
        "tflite", "wheels",
    }  # fmt: skip


def test_console_script_is_the_command_line(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith("entry_points.txt")]
        assert "edgeface = edgeface.cli:main" in archive.read(name).decode()


# What each extra must bring: versions of NumPy, OpenCV and the runtime begin like this.
RUNTIME_SETS = {
    "tflite": {"numpy": "1.26.", "opencv": "4.11.", "tflite": "tflite-runtime 2.14"},
    "litert": {"numpy": "2.", "opencv": "5.", "tflite": "ai-edge-litert 2"},
}
SUBSET = (
    *("tests/backends/test_backend_onnx.py", "tests/backends/test_backend_tflite.py"),
    *("tests/test_embed.py", "tests/test_selftest.py"),
)


@pytest.fixture(scope="module")
def tflite_files(tmp_path_factory) -> Path:
    """A folder with the networks of the backend's tests."""
    from tests import tflite_networks

    folder = tmp_path_factory.mktemp("tflite")
    tflite_networks.save(folder)
    return folder


@pytest.fixture
def install(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Make a new environment with packages from pip's index and nothing lent; give its Python."""
    folder = tmp_path / "venv"

    def into_new_environment(*packages: object) -> Path:
        venv.create(folder, with_pip=False)
        python = folder / "bin" / "python"
        command = [sys.executable, "-m", "pip", "--python", python, "install", "-q", *packages]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
        if done.returncode and "CI" not in os.environ and "No matching dist" in done.stderr:
            pytest.skip("pip's index cannot be reached")
        assert done.returncode == 0, done.stderr
        return python

    yield into_new_environment
    shutil.rmtree(folder, ignore_errors=True)  # hundreds of megabytes


@pytest.mark.parametrize("extra", RUNTIME_SETS)
def test_extra_brings_a_runtime_that_identifies_people(
    extra, wheel, tflite_files, photos, repository, install, tmp_path
) -> None:
    if extra == "tflite" and sys.version_info >= (3, 12):
        pytest.skip("tflite-runtime 2.14 has no wheel for this Python")
    python = install(f"{wheel}[{extra}]", "pytest", "onnx", "jsonschema")
    edgeface = (python, "-m", "edgeface")
    common = ("--runtime", "tflite")
    info = json.loads(run(*edgeface, "info", "--json", cwd=tmp_path))
    for package, wanted in RUNTIME_SETS[extra].items():
        assert info["runtime"][package].startswith(wanted)
    shop = ("--gallery", tmp_path / "people.db", *common)
    run(*edgeface, "enroll", "Eileen Collins", photos / "collins.png", *shop, cwd=tmp_path)
    for variant in ("whole", "split"):
        both = (*edgeface, "identify", photos / "both.jpg", *shop, "--variant", variant, "--json")
        names = [face["identity"] for face in json.loads(run(*both, cwd=tmp_path))["faces"]]
        assert sorted(names, key=str) == ["Eileen Collins", None]
    shutil.copytree(repository / "tests", tmp_path / "tests")
    shutil.copy(repository / "pyproject.toml", tmp_path)
    networks = f"EDGEFACE_TFLITE_NETWORKS={tflite_files}"
    run("env", networks, python, "-m", "pytest", "-q", *SUBSET, cwd=tmp_path)


def test_old_runtime_beside_numpy_2_is_refused_with_the_fix(wheel, install, tmp_path) -> None:
    if sys.version_info >= (3, 12):
        pytest.skip("tflite-runtime 2.14 has no wheel for this Python")
    python = install(wheel, "numpy>=2", "tflite-runtime==2.14.*")
    done = subprocess.run(
        [python, "-m", "edgeface", "selftest", "--runtime", "tflite"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "tflite-runtime cannot use NumPy 2" in done.stderr
    assert "pip install 'edgeface[tflite]'" in done.stderr and len(done.stderr.splitlines()) == 1
