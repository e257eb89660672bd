"""What users really hand over: each gives the right answer, or one clear line and exit code 1.

Gallery faults (read-only and full disk, killed while enrolling) are under tests/gallery.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Callable

import cv2
import numpy as np
import pytest

from edgeface.cli import main
from edgeface.gallery import Gallery
from edgeface.pipeline import Pipeline
from tests import pictures

LARGE_PHOTO_LIMIT_MB = 250


def _grey(portrait: np.ndarray) -> bytes:
    return pictures.png(cv2.cvtColor(portrait, cv2.COLOR_BGR2GRAY))


def _rgba(portrait: np.ndarray) -> bytes:
    return pictures.png(cv2.cvtColor(portrait, cv2.COLOR_BGR2BGRA))


def _deep(portrait: np.ndarray) -> bytes:
    return pictures.png(portrait.astype(np.uint16) * 257)


def _rotated(portrait: np.ndarray) -> bytes:
    return pictures.jpeg(np.rot90(portrait), orientation=6)  # 6: turn clockwise to show


@pytest.mark.parametrize("encode", [_grey, _rgba, _deep, _rotated])
def test_unusual_photo_is_still_the_same_person(
    photos: Path,
    tmp_path: Path,
    astronaut_bgr: np.ndarray,
    encode: Callable[[np.ndarray], bytes],
) -> None:
    unusual = tmp_path / "unusual"
    unusual.write_bytes(encode(astronaut_bgr))
    assert main(["verify", str(photos / "collins.png"), str(unusual)]) == 0


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "the file is empty"),
        (b"From: me\n", "not a JPEG, PNG, BMP or WebP picture"),
        (pictures.png(pictures.quadrants())[:70], "damaged or cut short"),
        (pictures.png(np.zeros((1, 1, 3), np.uint8)), "no face found (1x1 pixels)"),
        (pictures.png(np.full((240, 320, 3), 128, np.uint8)), "no face found (320x240 pixels)"),
        (pictures.png_promising(60_000, 60_000), "60000x60000 pixels"),
    ],
    ids=["empty", "text", "cut", "one_pixel", "no_face", "vast"],
)
@pytest.mark.parametrize("command", ["verify", "identify", "enroll"])
def test_unusable_photo_is_one_line_that_names_the_file(
    photos: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    command: str,
    data: bytes,
    expected: str,
) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(data)
    gallery = str(tmp_path / "gallery.db")
    assert main(["enroll", "Eileen", str(photos / "collins.png"), "--gallery", gallery]) == 0
    capfd.readouterr()
    arguments = {
        "verify": ["verify", str(photos / "collins.png"), str(bad)],
        "identify": ["identify", str(bad), "--gallery", gallery],
        "enroll": ["enroll", "Grace", str(bad), "--gallery", gallery],
    }
    assert main(arguments[command]) == 1
    out, err = capfd.readouterr()
    # OpenCV was imported before the command could ask it for silence; libpng never is.
    ours = [line for line in err.splitlines() if not line.startswith(("libpng", "[ WARN"))]
    assert out == "" and len(ours) == 1
    assert ours[0].startswith(f"edgeface: {bad}: ") and expected in ours[0]


def test_missing_photo_and_folder_are_named(photos: Path, capsys) -> None:
    for bad in (photos / "absent.jpg", photos):
        assert main(["verify", str(photos / "collins.png"), str(bad)]) == 1
        assert capsys.readouterr().err.startswith(f"edgeface: {bad}: ")


def test_108_megapixel_photo_is_answered_in_bounded_memory(
    tmp_path: Path, photos: Path, astronaut_bgr: np.ndarray
) -> None:
    scene = cv2.copyMakeBorder(astronaut_bgr, 0, 0, 85, 86, cv2.BORDER_REPLICATE)
    vast = tmp_path / "vast.jpg"
    large = cv2.resize(scene, (12_000, 9_000), interpolation=cv2.INTER_NEAREST)
    assert cv2.imwrite(str(vast), large)
    del large
    code = (
        "import sys\nfrom edgeface.cli import main\n"
        "print(main(['verify', *sys.argv[1:]]))\n"
        "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"
    )
    command = [sys.executable, "-c", code, str(photos / "collins.png"), str(vast)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    *_, exit_code, peak_kb = done.stdout.split()
    assert exit_code == "0"
    assert int(peak_kb) / 1024 < LARGE_PHOTO_LIMIT_MB


@pytest.mark.parametrize("command", ["info", "selftest", "demo"])
def test_missing_bundle_is_named(tmp_path: Path, capsys, command: str) -> None:
    absent = tmp_path / "absent.efb"
    assert main([command, "--bundle", str(absent)]) == 1
    out, err = capsys.readouterr()
    assert out == "" and str(absent) in err and len(err.splitlines()) == 1


@pytest.mark.parametrize("fault", ["cut", "flipped", "text"])
def test_damaged_bundle_is_refused(
    pipeline: Pipeline, tmp_path: Path, photos: Path, capsys, fault: str
) -> None:
    data = bytearray(pipeline.bundle.path.read_bytes())
    if fault == "cut":
        del data[len(data) // 2 :]
    elif fault == "flipped":
        data[len(data) // 2] ^= 0xFF
    else:
        data = bytearray(b"this is no bundle")
    damaged = tmp_path / "damaged.efb"
    damaged.write_bytes(data)
    photo = str(photos / "collins.png")
    assert main(["verify", photo, photo, "--bundle", str(damaged)]) == 1
    out, err = capsys.readouterr()
    assert out == "" and "damaged.efb" in err and len(err.splitlines()) == 1


def test_gallery_of_another_model_is_refused(tmp_path: Path, photos: Path, capsys) -> None:
    path = tmp_path / "old.db"
    row = np.zeros((1, 512), np.float32)
    row[0, 0] = 1
    with Gallery.open(path, model_id="0123456789abcdef") as gallery:
        gallery.enroll("Eileen", row)
    before = path.read_bytes()
    for arguments in (["identify"], ["enroll", "Grace"]):
        command = [*arguments, str(photos / "collins.png"), "--gallery", str(path)]
        assert main(command) == 1
        err = capsys.readouterr().err
        assert "0123456789abcdef" in err and len(err.splitlines()) == 1
    assert path.read_bytes() == before


def test_no_gallery_yet_is_an_error_that_says_so(tmp_path: Path, photos: Path, capsys) -> None:
    path = tmp_path / "none.db"
    assert main(["identify", str(photos / "collins.png"), "--gallery", str(path)]) == 1
    assert str(path) in capsys.readouterr().err and not path.exists()


def test_unwritable_result_is_one_line(photos: Path, tmp_path: Path, capsys) -> None:
    photo, nowhere = str(photos / "collins.png"), str(tmp_path / "no" / "such" / "folder.png")
    assert main(["verify", photo, photo, "--save", nowhere]) == 1
    err = capsys.readouterr().err
    assert "folder.png" in err and len(err.splitlines()) == 1


def test_error_is_json_too_when_asked(tmp_path: Path, capsys) -> None:
    assert main(["identify", str(tmp_path / "absent.jpg"), "--json"]) == 1
    assert '"type"' in capsys.readouterr().out


def test_reader_that_leaves_early_is_no_traceback(photos: Path) -> None:
    command = f"{sys.executable} -m edgeface info --json | head -n 1"
    shell = shutil.which("bash") or "/bin/sh"
    done = subprocess.run([shell, "-c", command], capture_output=True, text=True)
    assert done.stdout.strip() == "{" and "Traceback" not in done.stderr
