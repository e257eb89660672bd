"""Manifests that must be refused whatever the members: not JSON, another format, another board."""

from __future__ import annotations

import pytest

from edgeface.bundle import Bundle
from edgeface.errors import BundleFormatError, BundleIncompatibleError


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "Expecting value"),
        (b"\xff\xfe", "can't decode"),
        (b'{"format": 1, "format": 1}', "key 'format' appears twice"),
        (b'{"format": NaN}', "NaN is not a finite number"),
        (b'{"format": 1e999}', "1e999 is not a finite number"),
        (b"[" * 100_000, "nested too deeply"),
        (b"9" * 5000, "."),
    ],
)
def test_manifest_that_is_not_strict_json_is_refused(forge, text, reason):
    with pytest.raises(BundleFormatError, match=reason):
        Bundle.open(forge({"manifest.json": text}))


@pytest.mark.parametrize("found", [2, 99])
def test_newer_format_asks_for_an_upgrade(forge, found):
    with pytest.raises(BundleFormatError, match=f"found {found}, this edgeface reads 1: upgrade"):
        Bundle.open(forge(format=found, something_new=True))


@pytest.mark.parametrize("found", [0, -1, "1", 1.5, True, None])
def test_format_that_never_was_is_refused(forge, found):
    with pytest.raises(BundleFormatError, match="manifest.json: format: found .*, expected"):
        Bundle.open(forge(format=found))


def test_bundle_for_other_soc_is_refused(forge):
    path = forge(compatible=["rk3576", "t527"])
    assert Bundle.open(path, board="t527").name == "synthetic"
    with pytest.raises(
        BundleIncompatibleError, match="is for rk3576, t527; this board is 'rk3588'"
    ):
        Bundle.open(path, board="rk3588")
    with pytest.raises(BundleIncompatibleError, match="this board is 'any'"):
        Bundle.open(path)


def test_any_bundle_opens_on_every_board(bundle_path):
    assert Bundle.open(bundle_path, board="rk3588").name == "synthetic"
