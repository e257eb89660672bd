"""Vendors' libraries: where they are looked for, and which versions will do."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from edgeface.backends.vendor import load_library, require_versions
from edgeface.errors import BackendUnavailableError

VARIABLE = "EDGEFACE_VENDOR_TEST"
LIBM = "libm.so.6"


def _load(*names: str) -> ctypes.CDLL:
    return load_library(names, variable=VARIABLE, install="get it from the vendor")


def test_the_first_name_that_is_there_is_taken() -> None:
    found = _load("libnobody.so", LIBM)
    assert found._name == LIBM
    found.cos.restype, found.cos.argtypes = ctypes.c_double, [ctypes.c_double]
    assert found.cos(0.0) == 1.0


def test_the_variable_names_the_only_file_tried(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "gone.so"))
    with pytest.raises(BackendUnavailableError, match=r"gone\.so: cannot open.*get it from the v"):
        _load(LIBM)


def test_nothing_found_says_where_it_looked() -> None:
    with pytest.raises(
        BackendUnavailableError, match="looked for libnobody.so in /usr/lib, .*: get it from"
    ):
        _load("libnobody.so")


def test_a_file_that_is_no_library_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "libtext.so").write_text("not a library")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "libtext.so"))
    with pytest.raises(BackendUnavailableError, match=r"libtext\.so: (file too short|invalid ELF)"):
        _load("libtext.so")


@pytest.mark.parametrize(
    ("found", "oldest"),
    [
        *[("1.13.0", "1.13"), ("1.13", "1.13.0"), ("2.0.3", "1.13"), ("0.9.10", "0.9.6")],
        *[("1.13.0", "1.13 <2"), ("1.99.9", "1.13<2.0")],
    ],
)
def test_as_new_as_needed_will_do(found: str, oldest: str) -> None:
    require_versions({"driver": oldest}, {"driver": found}, name="embedder", upgrade="upgrade it")


@pytest.mark.parametrize(("found", "oldest"), [("1.12.9", "1.13"), ("0.9.6", "0.9.10")])
def test_older_than_needed_is_refused(found: str, oldest: str) -> None:
    with pytest.raises(
        BackendUnavailableError,
        match=f"embedder: driver is {found}, the bundle needs {oldest} or newer: upgrade it",
    ):
        require_versions(
            {"driver": oldest}, {"driver": found}, name="embedder", upgrade="upgrade it"
        )


@pytest.mark.parametrize("found", ["2", "2.0.0", "2.0.3", "10.1"])
def test_too_new_for_the_bundle_is_refused(found: str) -> None:
    with pytest.raises(
        BackendUnavailableError, match=f"embedder: driver is {found}, the bundle needs one below 2:"
    ):
        require_versions({"driver": "1.13 <2"}, {"driver": found}, name="embedder", upgrade="")


def test_what_cannot_be_told_cannot_be_promised() -> None:
    with pytest.raises(BackendUnavailableError, match="needs firmware 7, .* of driver only"):
        require_versions({"firmware": "7"}, {"driver": "1"}, name="embedder", upgrade="")


@pytest.mark.parametrize("text", ["", "new", "1.x", "1..2", "1 <", "<2", "0.9 <1 <2"])
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(BackendUnavailableError, match="is no version"):
        require_versions({"driver": text}, {"driver": "1.0"}, name="embedder", upgrade="")
