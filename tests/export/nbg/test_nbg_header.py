"""What an .nb file says about itself, on headers made here in the layout that was read off."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from edgeface.backends.nbg_file import CHIPS, LAYOUT
from export.__main__ import main
from export.errors import ExportError
from export.nbg.header import check_chip, read_header


def nb_file(*, chip: int = CHIPS["t527"], counts: tuple = (39, 41, 1, 1)) -> bytes:
    head = struct.pack("<4sII64sIIII", b"VPMN", 0x00010014, chip, b"backbone", *counts)
    return head + bytes(300)


def test_chip_name_and_counts_are_read() -> None:
    header = read_header(nb_file())
    assert (header.chip_text, header.name) == ("0x10000016", "backbone")
    assert (header.layers, header.operations, header.inputs, header.outputs) == (39, 41, 1, 1)
    assert header.version == 0x00010014


def test_the_fields_stand_where_published_files_have_them() -> None:
    data = nb_file()
    assert data[8:12] == bytes.fromhex("16000010")
    assert struct.unpack_from("<IIII", data, 0x4C) == (39, 41, 1, 1)


def test_the_a733_s_file_is_refused_for_the_t527() -> None:
    header = read_header(nb_file(chip=CHIPS["a733"]))
    with pytest.raises(ExportError, match=r"compiled for a733 \(0x1000003b\), expected t527"):
        check_chip(header, chip="t527")


def test_an_unknown_chip_is_refused() -> None:
    with pytest.raises(ExportError, match=r"an unknown chip \(0x00000015\)"):
        check_chip(read_header(nb_file(chip=0x15)), chip="t527")


@pytest.mark.parametrize("kept", [0, 3, 4, 40, 0x4C, LAYOUT.size])
def test_a_file_cut_inside_the_header_is_refused(kept: int) -> None:
    with pytest.raises(ExportError, match=r"truncated|not an \.nb file"):
        read_header(nb_file()[:kept])


@pytest.mark.parametrize("start", [b"RKNN", b"TFL3", b"\x7fELF"])
def test_a_foreign_file_is_refused(start: bytes) -> None:
    with pytest.raises(ExportError, match=r"not an \.nb file"):
        read_header(start + nb_file()[4:])


@pytest.mark.parametrize("counts", [(0, 1, 1, 1), (1, 0, 1, 1), (1, 1, 0, 1), (1, 1, 1, 9**9)])
def test_counts_that_make_no_sense_are_refused(counts: tuple) -> None:
    with pytest.raises(ExportError, match="the header is damaged"):
        read_header(nb_file(counts=counts))


def test_the_command_prints_the_counts_and_fails_on_another_chip(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = tmp_path / "backbone.nb"
    path.write_bytes(nb_file())
    assert main(["nbg-check", str(path)]) == 0
    assert "39 layers, 41 operations, 1 inputs, 1 outputs" in capsys.readouterr().out
    assert main(["nbg-check", str(path), "--chip", "a733"]) == 1
    assert "compiled for t527" in capsys.readouterr().err
