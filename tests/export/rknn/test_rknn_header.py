"""What an .rknn file says about itself, on files made here in the layout that was read off."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from export.__main__ import main
from export.errors import ExportError
from export.rknn.header import check_target, read_header

DESCRIPTION = {
    "graph": [
        {"left": "input", "right_tensor_id": 0},
        {"left": "output", "right_tensor_id": 1},
    ],
    "norm_tensor": [
        {"tensor_id": 0, "url": "image", "size": [1, 3, 112, 112], "dtype": {"vx_type": "int8"}},
        {"tensor_id": 1, "url": "feature", "size": [1, 100, 7, 7], "dtype": {"vx_type": "int8"}},
    ],
    "target_platform": ["rk3576"],
    "version": "2.5.0",
}


def rknn_file(description: object = None, *, body: bytes = bytes(200)) -> bytes:
    text = json.dumps(DESCRIPTION if description is None else description).encode()
    head = b"RKNN" + bytes(4) + struct.pack("<QQ", 6, len(body)) + bytes(40)
    return head + body + struct.pack("<Q", len(text)) + text


def test_platform_version_and_tensors_are_read() -> None:
    header = read_header(rknn_file())
    assert header.platforms == ("rk3576",)
    assert (header.format, header.toolkit) == (6, "2.5.0")
    assert header.inputs == (("image", (1, 3, 112, 112), "int8"),)
    assert header.outputs == (("feature", (1, 100, 7, 7), "int8"),)


def test_a_file_for_another_soc_is_refused() -> None:
    header = read_header(rknn_file({**DESCRIPTION, "target_platform": ["rk3588"]}))
    with pytest.raises(ExportError, match=r"built for rk3588, expected rk3576: convert again"):
        check_target(header, target="rk3576")


@pytest.mark.parametrize("kept", [0, 3, 40, 64, 200, 264, 271, 272, 300])
def test_a_truncated_file_is_refused(kept: int) -> None:
    with pytest.raises(ExportError, match=r"truncated|not an \.rknn file"):
        read_header(rknn_file()[:kept])


@pytest.mark.parametrize("start", [b"VPMN", b"TFL3", b"\x08\x07\x12\x04", b"PK\x03\x04"])
def test_a_foreign_file_is_refused(start: bytes) -> None:
    with pytest.raises(ExportError, match=r"not an \.rknn file"):
        read_header(start + rknn_file()[4:])


@pytest.mark.parametrize(
    "description",
    [
        {},
        [],
        {**DESCRIPTION, "graph": [{}]},
        {**DESCRIPTION, "norm_tensor": []},
        {**DESCRIPTION, "target_platform": "rk3576"},
        {**DESCRIPTION, "target_platform": ["rk3576", ""]},
        {**DESCRIPTION, "version": 2.5},
    ],
)
def test_a_damaged_description_is_refused(description: object) -> None:
    with pytest.raises(ExportError, match="description is damaged"):
        read_header(rknn_file(description))


def test_the_command_prints_the_tensors_and_fails_on_another_soc(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = tmp_path / "backbone.rknn"
    path.write_bytes(rknn_file())
    assert main(["rknn-check", str(path)]) == 0
    assert "output feature (1, 100, 7, 7) int8" in capsys.readouterr().out
    assert main(["rknn-check", str(path), "--target", "rk3588"]) == 1
    assert "built for rk3576, expected rk3588" in capsys.readouterr().err
