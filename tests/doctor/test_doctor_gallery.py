"""``edgeface doctor`` and the gallery: it warns of one that is not encrypted, and of its key."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeface.doctor.examine import examine
from edgeface.doctor.gallery import check_gallery
from edgeface.gallery import Gallery
from edgeface.gallery_key import KEY_VARIABLE, GalleryKey, write_key_file


def make(path: Path, key: GalleryKey | None = None) -> Path:
    with Gallery.open(path, model_id="0" * 16, dim=4, key=key) as gallery:
        gallery.enroll("Ann", np.eye(1, 4, dtype=np.float32))
    return path


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)


def test_gallery_that_is_not_encrypted_is_warned_of_with_the_remedy(tmp_path: Path) -> None:
    path = make(tmp_path / "gallery.db")
    before = path.read_bytes()
    found = check_gallery(path)
    assert found.status == "warn" and "is not encrypted" in found.found
    assert "edgeface gallery new-key" in found.remedy
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_encrypted_gallery_is_well_and_its_key_is_looked_at(tmp_path: Path, monkeypatch) -> None:
    key = tmp_path / "key"
    write_key_file(key)
    path = make(tmp_path / "gallery.db", GalleryKey.from_file(key))
    assert check_gallery(path).status == "ok"
    monkeypatch.setenv(KEY_VARIABLE, str(key))
    assert check_gallery(path).found.endswith(f"key file by {KEY_VARIABLE}")
    key.chmod(0o644)
    found = check_gallery(path)
    assert found.status == "fail" and "chmod 600" in found.found


def test_missing_foreign_and_open_galleries_are_told_apart(tmp_path: Path) -> None:
    assert check_gallery(tmp_path / "none.db").status == "ok"
    (tmp_path / "photo.db").write_bytes(b"GIF89a" * 1000)
    assert check_gallery(tmp_path / "photo.db").status == "fail"
    path = make(tmp_path / "gallery.db", GalleryKey(b"k" * 32, source="file"))
    path.chmod(0o644)
    found = check_gallery(path)
    assert found.status == "warn" and "readable by others" in found.found


def test_doctor_looks_at_the_configured_gallery(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("EDGEFACE_GALLERY", str(make(tmp_path / "gallery.db")))
    found = next(one for one in examine() if one.check == "gallery")
    assert found.status == "warn" and str(tmp_path / "gallery.db") in found.found
