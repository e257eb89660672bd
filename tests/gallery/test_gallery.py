"""Enrol, list, verify, remove; what is refused as a caller's mistake."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import numpy as np
import pytest

from edgeface.errors import GalleryError, GalleryModelError, UnknownIdentityError


def test_everybody_is_there_after_reopening(open_gallery, unit):
    gallery = open_gallery()
    gallery.enroll("Ann", unit(3, seed=1))
    gallery.enroll("Bob", unit(1, seed=2))
    gallery.close()
    people = open_gallery().people()
    assert [(person.name, person.templates) for person in people] == [("Ann", 3), ("Bob", 1)]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", people[0].enrolled_at)


def test_one_file_remains_after_closing(tmp_path, gallery, unit):
    gallery.enroll("Ann", unit(1))
    gallery.close()
    gallery.close()
    assert [entry.name for entry in tmp_path.iterdir()] == ["gallery.db"]


def test_closed_gallery_says_so(gallery, unit):
    gallery.close()
    with pytest.raises(GalleryError, match="closed database: open the gallery again"):
        gallery.enroll("Ann", unit(1))


def test_enrolling_again_adds_templates_and_keeps_identical_ones_once(gallery, unit):
    rows = unit(4)
    gallery.enroll("Ann", rows[:3])
    gallery.enroll("Ann", rows[1:])
    assert [person.templates for person in gallery.people()] == [4]
    assert len(gallery) == 1


def test_one_name_has_one_spelling(gallery, unit):
    gallery.enroll("Zoe\u0308", unit(1, seed=1))
    gallery.enroll("Zo\u00eb", unit(1, seed=2))
    assert [(person.name, person.templates) for person in gallery.people()] == [("Zo\u00eb", 2)]
    gallery.remove("Zoe\u0308")
    assert len(gallery) == 0


@pytest.mark.parametrize(
    "name", ["x" * 200, "Ann-Marie O'Neil", "李小龍", "Ωμέγα", "a\u0301", "😀", '";--']
)
def test_printable_names_are_kept(gallery, unit, name):
    gallery.enroll(name, unit(1))
    assert gallery.verify(name, unit(1)[0], threshold=0.9)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("", "the name is empty"),
        ("  ", "the name is empty"),
        (" Ann", "begins or ends with a space"),
        ("x" * 201, "has 201 characters; at most 200"),
        ("a\nb", "unprintable"),
        ("a\0", "unprintable"),
        ("\u202eevil", "unprintable"),
        ("\ud800", "unprintable"),
    ],
)
def test_other_names_are_refused(gallery, unit, name, text):
    with pytest.raises(ValueError, match=text):
        gallery.enroll(name, unit(1))
    assert len(gallery) == 0


@pytest.mark.parametrize("name", [None, b"Ann", 7])
def test_name_that_is_no_text_is_a_type_error(gallery, unit, name):
    with pytest.raises(TypeError, match="a name is text"):
        gallery.enroll(name, unit(1))


def spoiled(rows: np.ndarray, value: float) -> np.ndarray:
    rows = rows.copy()
    rows[-1, 7] = value
    return rows


@pytest.mark.parametrize(
    ("change", "kind", "text"),
    [
        (lambda rows: rows.tolist(), TypeError, "expected a float32 ndarray .* not list"),
        (lambda rows: rows.astype(np.float64), TypeError, "found dtype float64, expected float32"),
        (lambda rows: rows[0], ValueError, r"shape \(512,\), expected \(templates, 512\)"),
        (lambda rows: rows[:0], ValueError, "at least one template"),
        (lambda rows: rows[:, :128], ValueError, r"shape \(2, 128\)"),
        (lambda rows: spoiled(rows, np.nan), ValueError, "NaN or infinity"),
        (lambda rows: spoiled(rows, np.inf), ValueError, "NaN or infinity"),
        (lambda rows: spoiled(rows, 0.5), ValueError, "norm 1.1.*, expected 1 within 0.001"),
        (lambda rows: rows * 0, ValueError, "norm 0, expected 1"),
        (lambda rows: rows * np.float32(1.002), ValueError, "norm 1.002"),
    ],
)
def test_embeddings_that_are_no_templates_are_refused(gallery, unit, change, kind, text):
    with pytest.raises(kind, match=text):
        gallery.enroll("Ann", change(unit(2)))
    assert len(gallery) == 0


def test_rows_of_a_larger_array_are_taken_as_they_are(gallery, unit):
    rows = unit(4)
    gallery.enroll("Ann", rows[::2])
    gallery.enroll("Bob", np.asfortranarray(rows[1::2]))
    assert gallery.verify("Ann", rows[2], threshold=0.999)
    assert gallery.verify("Bob", rows[3], threshold=0.999)


def test_verify_compares_with_the_best_template_of_that_person_only(gallery, unit):
    ann, bob = unit(3, seed=1), unit(1, seed=2)
    gallery.enroll("Ann", ann)
    gallery.enroll("Bob", bob)
    check = gallery.verify("Ann", ann[2], threshold=0.4)
    assert check and check.same and check.name == "Ann" and check.threshold == 0.4
    assert check.score == pytest.approx(1, abs=1e-5)
    other = gallery.verify("Ann", bob[0], threshold=0.4)
    assert not other and other.score == pytest.approx(float((ann @ bob[0]).max()), abs=1e-5)


def test_unknown_person_is_not_verified_and_not_removed(gallery, unit):
    gallery.enroll("Ann", unit(1))
    with pytest.raises(UnknownIdentityError, match=r"nobody is enrolled as 'Bob' .*\(1 people\)"):
        gallery.verify("Bob", unit(1)[0], threshold=0.4)
    with pytest.raises(LookupError, match="check the spelling with people"):
        gallery.remove("Bob")
    assert len(gallery) == 1


def test_removed_person_is_gone_and_the_others_stay(gallery, unit):
    gallery.enroll("Ann", unit(3, seed=1))
    gallery.enroll("Bob", unit(3, seed=2))
    gallery.remove("Ann")
    assert [person.name for person in gallery.people()] == ["Bob"]
    answer = gallery.identify(unit(3, seed=1)[0], threshold=0.4, margin=0)
    assert answer.identity is None


def test_removed_templates_are_nowhere_on_the_disk(tmp_path, gallery, unit):
    def on_disk(row: np.ndarray) -> bool:
        return any(row.tobytes()[:64] in file.read_bytes() for file in tmp_path.iterdir())

    ann, bob = unit(3, seed=1), unit(3, seed=2)
    gallery.enroll("Ann", ann)
    gallery.enroll("Bob", bob)
    assert all(map(on_disk, ann))
    gallery.remove("Ann")
    assert not any(map(on_disk, ann))
    assert b"Ann" not in (tmp_path / "gallery.db").read_bytes()
    gallery.close()
    assert all(map(on_disk, bob)) and not any(map(on_disk, ann))


def test_gallery_of_another_model_is_refused_and_left_alone(tmp_path, open_gallery, unit):
    open_gallery().enroll("Ann", unit(1))
    with pytest.raises(
        GalleryModelError, match="belongs to model 0123456789abcdef, in use is ffff"
    ):
        open_gallery(model_id="f" * 16)
    with pytest.raises(GalleryModelError, match="embeddings of length 512, this model makes 256"):
        open_gallery(dim=256)
    assert len(open_gallery()) == 1


@pytest.mark.parametrize(
    "options", [{"model_id": ""}, {"model_id": None}, {"dim": 0}, {"dim": 1.5}]
)
def test_open_without_a_model_is_a_mistake_and_creates_nothing(tmp_path, open_gallery, options):
    with pytest.raises(ValueError, match="expected"):
        open_gallery(**options)
    assert not list(tmp_path.iterdir())


def test_missing_gallery_is_not_created_when_told_so(tmp_path, open_gallery):
    with pytest.raises(GalleryError, match="there is no gallery .*enrol somebody first"):
        open_gallery(create=False)
    assert not list(tmp_path.iterdir())


def test_new_gallery_is_for_its_owner_only_and_makes_its_directories(tmp_path, open_gallery, unit):
    path = tmp_path / "new" / "deep er?#%41" / "gallery.db"
    open_gallery(path).enroll("Ann", unit(1))
    assert {entry.stat().st_mode & 0o077 for entry in path.parent.iterdir()} == {0}
    assert path.parent.stat().st_mode & 0o077 == 0


def test_relative_path_survives_a_change_of_directory(tmp_path, open_gallery, unit, monkeypatch):
    monkeypatch.chdir(tmp_path)
    gallery = open_gallery(Path("here.db"))
    monkeypatch.chdir("/")
    gallery.enroll("Ann", unit(1))
    assert len(gallery) == 1


def test_threads_may_share_a_gallery(gallery, unit):
    rows = unit(40)
    failures = []

    def identify_known() -> None:
        for i in range(200):
            if gallery.identify(rows[i % 4], threshold=0.9, margin=0).identity != f"known {i % 4}":
                failures.append(i)

    for i in range(4):
        gallery.enroll(f"known {i}", rows[i : i + 1])
    threads = [threading.Thread(target=identify_known) for _ in range(3)]
    for thread in threads:
        thread.start()
    for i in range(4, 40):
        gallery.enroll(f"new {i}", rows[i : i + 1])
    for thread in threads:
        thread.join()
    assert not failures and len(gallery) == 40
