"""No telemetry: a whole verification writes no file and opens no socket, as the kernel saw it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.check_build import ROOT, require_programs

NETWORK = re.compile(r"\b(socket|connect|sendto|sendmsg|bind)\(")
OPENED = re.compile(
    r"\b(?:openat|openat2|open|creat)\(.*?\"([^\"]*)\", ?.*(?:O_WRONLY|O_RDWR|O_CREAT)"
)
MADE = re.compile(r"\b(?:mkdir|mkdirat|creat|rename|renameat2?|link|linkat|symlink)\(")
TRACED = (
    "%network,open,openat,openat2,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink"
)
DEVICES = ("/dev/null", "/dev/tty")
# What an application without edgeface would do; onnxruntime starts its telemetry by itself.
BARE = """
import sys, zipfile, onnxruntime
with zipfile.ZipFile(sys.argv[1]) as bundle:
    models = [name for name in bundle.namelist() if name.endswith(".onnx")]
    onnxruntime.InferenceSession(bundle.read(models[0]))
"""


@dataclass(frozen=True)
class Traced:
    """What a program asked of the kernel, and what lies in its home folder afterwards."""

    returncode: int
    output: str
    network: list[str]
    written: list[str]
    home: list[str]


def traced(command: Sequence[object], folder: Path, **environment: str) -> Traced:
    """Run Python with a fresh home folder under strace; children and threads included."""
    require_programs({"strace": "strace"})
    home, log = folder / "home", folder / "strace.log"
    home.mkdir()
    own = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    own.update(HOME=str(home), PYTHONDONTWRITEBYTECODE="1", PYTHONPATH=str(ROOT), **environment)
    strace = ["strace", "-f", "-qq", "-s", "256", "-o", log, "-e", TRACED]
    done = subprocess.run(
        [str(part) for part in (*strace, sys.executable, *command)],
        env=own,
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    calls = log.read_text().splitlines()
    return Traced(
        done.returncode,
        done.stdout,
        [call for call in calls if NETWORK.search(call)],
        [call for call in calls if writes(call)],
        sorted(str(path.relative_to(home)) for path in home.rglob("*")),
    )


def writes(call: str) -> bool:
    """Whether a line of strace's log makes, or opens for writing, anything but a device."""
    opened = OPENED.search(call)
    return MADE.search(call) is not None or (opened is not None and opened[1] not in DEVICES)


@pytest.mark.parametrize("runtime", ["onnx", "tflite"])
@pytest.mark.parametrize("wish", [None, "0"], ids=["unset", "asked-for"])
def test_whole_verification_writes_no_file_and_opens_no_socket(
    photos: Path, tmp_path: Path, runtime: str, wish: str | None
) -> None:
    if runtime == "tflite":
        pytest.importorskip("ai_edge_litert")
    command = ["-m", "edgeface", "verify", photos / "collins.png", photos / "collins_mirrored.jpg"]
    environment = {} if wish is None else {"ORT_DISABLE_TELEMETRY": wish}
    found = traced([*command, "--runtime", runtime], tmp_path, **environment)
    assert found.returncode == 0, found.output
    assert "same person" in found.output
    assert (found.network, found.written, found.home) == ([], [], [])


def test_the_same_trace_shows_telemetry_where_it_is_on(repository: Path, tmp_path: Path) -> None:
    """Otherwise the test above might pass for seeing nothing at all."""
    onnxruntime = pytest.importorskip("onnxruntime")
    if tuple(map(int, onnxruntime.__version__.split(".")[:2])) < (1, 29):
        pytest.skip(f"onnxruntime {onnxruntime.__version__} has no telemetry, 1.29 has")
    bundle = repository / "edgeface" / "models" / "default.efb"
    found = traced(["-c", BARE, bundle], tmp_path)
    assert found.returncode == 0, found.output
    assert any("O_CREAT" in call for call in found.written)
    assert found.home


def test_the_trace_shows_a_socket(tmp_path: Path) -> None:
    code = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()"
    assert traced(["-c", code], tmp_path).network


@pytest.mark.parametrize(
    ("call", "written"),
    [
        ('7 openat(AT_FDCWD, "/home/x", O_WRONLY|O_CREAT|O_TRUNC, 0666) = 3', True),
        ('7 mkdir("/home/x/.cache", 0700) = 0', True),
        ('7 openat(AT_FDCWD, "/usr/lib/x.so", O_RDONLY|O_CLOEXEC) = 3', False),
        ('7 openat(AT_FDCWD, "/dev/null", O_RDWR|O_CLOEXEC) = 3', False),
    ],
)
def test_what_counts_as_writing(call: str, written: bool) -> None:
    assert writes(call) is written


@pytest.mark.parametrize("module", ["export", "export.quantise", "export.verify.embed"])
def test_training_side_turns_it_off_too(module: str) -> None:
    code = f"import {module}, os; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "0", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "1"
