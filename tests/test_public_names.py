"""``import edgeface``: every public name is there, and none costs anything before its use."""

from __future__ import annotations

import subprocess
import sys

import pytest

import edgeface


@pytest.mark.parametrize("name", edgeface.__all__)
def test_public_name_is_there_and_listed(name: str) -> None:
    assert getattr(edgeface, name) is not None
    assert name in dir(edgeface)


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'Nonsense'"):
        edgeface.Nonsense  # noqa: B018


def test_import_loads_neither_numpy_nor_opencv() -> None:
    code = "import sys, edgeface; print([m for m in ('numpy', 'cv2') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
